/** Parts that several views have: tables, states, links, pages of a list. */
import { element } from "./dom.js";

/**
 * @typedef {Object} Column
 * @property {string} title
 * @property {(row: any) => (Node|string|null|(Node|string|null)[])} cell
 * @property {string} [kind] A class of its cells.
 */

/**
 * Makes a table with a caption; on a phone each row is a block.
 * @param {string} caption
 * @param {Column[]} columns
 * @param {any[]} rows
 * @param {string} emptyText What is said if there are no rows.
 * @returns {HTMLElement}
 */
export function table(caption, columns, rows, emptyText) {
  if (!rows.length) return element("p", { class: "empty" }, emptyText);
  const head = element("tr", {}, columns.map((column) => element("th", { scope: "col" }, column.title)));
  const body = rows.map((row) =>
    element("tr", {}, columns.map((column) =>
      element("td", { "data-label": column.title, class: column.kind ?? null }, column.cell(row)))));
  return element("table", {},
    element("caption", { class: "hidden" }, caption), element("thead", {}, head), element("tbody", {}, body));
}

const KINDS = {
  RUNNING: "running", SUCCEEDED: "good", FAILED: "bad", TIMED_OUT: "bad", ABORTED: "bad",
  ENABLED: "good", DISABLED: "quiet", DELETED: "quiet",
  AwaitingApproval: "waiting", Scheduled: "waiting", Exporting: "running", InWindow: "running", Unwatched: "bad",
  mail: "running", event: "quiet", refused: "bad", ignored: "quiet",
};

/**
 * Shows a state with a sign and in words, so that colour is never all there is.
 * @param {string} name
 * @param {string} [words]
 */
export function state(name, words) {
  return element("span", { class: `sign ${KINDS[name] ?? "quiet"}` }, words ?? name);
}

/**
 * @param {{ExecutionArn: string}} row
 * @param {string} text
 */
export function executionLink(row, text) {
  return element("a", { href: executionHash(row.ExecutionArn), "data-key": `execution ${row.ExecutionArn}` }, text);
}

/** @param {string} arn */
export function executionHash(arn) {
  return `#/executions/${encodeURIComponent(arn)}`;
}

/**
 * @param {string} text
 * @param {string} key What tells it apart from all other controls of its region.
 * @param {() => void} act
 * @param {Object<string, any>} [more]
 */
export function button(text, key, act, more = {}) {
  return element("button", { type: "button", "data-key": key, click: act, ...more }, text);
}

/**
 * The way to the other pages of a list.
 * @param {{offset: number, count: number, size: number, total: number|null, hasMore: boolean}} place
 * @param {(offset: number) => void} go
 */
export function pages(place, go) {
  if (place.offset === 0 && !place.hasMore) return null;
  const range = place.count ? `${place.offset + 1} to ${place.offset + place.count}` : "none";
  return element("div", { class: "pages", role: "group", "aria-label": "Pages of the list" },
    button("Previous", "previous page", () => go(Math.max(0, place.offset - place.size)), { disabled: place.offset === 0 }),
    element("span", {}, place.total === null ? range : `${range} of ${place.total.toLocaleString("en")}`),
    button("Next", "next page", () => go(place.offset + place.size), { disabled: !place.hasMore }));
}

/**
 * A labelled control of a form.
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [hint]
 */
export function field(label, control, hint) {
  control.id = control.id || `field-${nextId()}`;
  const note = hint ? element("span", { class: "hint", id: `${control.id}-hint` }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  if (control.type === "checkbox") {
    return element("div", { class: "field check" }, control, element("label", { for: control.id }, label), note);
  }
  return element("div", { class: "field" }, element("label", { for: control.id }, label), control, note);
}

/**
 * A section with a heading.
 * @param {string} title
 * @param {...any} children
 */
export function section(title, ...children) {
  const id = `section-${nextId()}`;
  return element("section", { class: "panel", "aria-labelledby": id }, element("h2", { id }, title), children);
}

/**
 * A text that can be wide, such as JSON.
 * @param {string} label
 * @param {string} text
 */
export function code(label, text) {
  return element("pre", { tabindex: "0", role: "region", "aria-label": label, "data-scroll": label }, text);
}

/**
 * Shows what an action has led to; a problem differs by its look, too.
 * @param {HTMLElement} region
 * @param {boolean} isProblem
 * @param {...(Node|string)} content
 */
export function showResult(region, isProblem, ...content) {
  region.classList.toggle("problem", isProblem);
  region.replaceChildren(...content);
}

let lastId = 0;
function nextId() {
  lastId += 1;
  return lastId;
}
