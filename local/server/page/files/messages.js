/** What was told, refused and ignored. */
import { read } from "./api.js";
import { element, updateRegion } from "./dom.js";
import { formatMoment } from "./format.js";
import { executionLink, field, pages, section, state } from "./parts.js";

const KINDS = { "": "All", mail: "Mails", event: "Events", refused: "Refused events", ignored: "Ignored events" };
const SIZE = 50;

/** @param {import("./main.js").Page} page */
export function createMessages(page) {
  let offset = 0;
  const list = element("div", {});
  const kind = element("select", { change: () => { offset = 0; page.refresh(); } },
    Object.entries(KINDS).map(([value, text]) => element("option", { value }, text)));
  const root = element("div", { class: "view" },
    element("h1", {}, "Messages"),
    section("Told, refused and ignored",
      element("p", { class: "hint" },
        "Mails and events that the stack sent, and the events that it refused or ignored: the last 2,000 of each."),
      element("div", { class: "filters" }, field("Kind", kind)), list));
  return {
    root,
    load: () => read("/local/page/messages", { kind: kind.value, offset }),
    update: (messages) => updateRegion(list, messages, () => [
      messageList(messages.Rows),
      pages({ offset, count: messages.Rows.length, size: SIZE, total: messages.Total, hasMore: offset + messages.Rows.length < messages.Total },
        (next) => { offset = next; page.refresh(); }),
    ]),
  };
}

/**
 * @param {{Kind: string, At: string, Title: string, Text: string, Number: number, ExecutionArn: string|null}[]} rows
 */
export function messageList(rows) {
  if (!rows.length) return element("p", { class: "empty" }, "Nothing was told yet.");
  return element("ul", { class: "messages" }, rows.map((row) => {
    const key = `${row.Kind} ${row.Number} ${row.At} ${row.Text.slice(0, 80)}`;
    const summary = element("summary", { "data-key": `message ${key}` },
      state(row.Kind), element("span", { class: "title" }, row.Title), element("time", { datetime: row.At }, formatMoment(row.At)));
    const link = row.ExecutionArn ? element("p", {}, executionLink(row, "Its execution")) : null;
    return element("li", {}, element("details", { "data-key": key },
      summary, element("div", { class: "text" }, row.Text), link));
  }));
}
