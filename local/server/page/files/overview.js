/** The first view: what waits for a person, who is in the window, and what was told last. */
import { read } from "./api.js";
import { decide, openDecision, restore } from "./decisions.js";
import { element, updateRegion } from "./dom.js";
import { formatDays, formatMoment } from "./format.js";
import { messageList } from "./messages.js";
import { button, executionLink, section, state, table } from "./parts.js";

const WAITING_WORDS = { AwaitingApproval: "needs an approval", Scheduled: "waits for its date", Exporting: "is exported" };
const LATEST = 8;

/** @param {import("./main.js").Page} page */
export function createOverview(page) {
  const organizations = element("div", {});
  const waiting = element("div", {});
  const inWindow = element("div", {});
  const latest = element("div", {});
  const root = element("div", { class: "view" },
    element("h1", {}, "Overview"),
    organizations,
    section("Waits for a decision or a date", waiting),
    section("In the window", element("p", { class: "hint" },
      "Disabled in WorkMail. The mailbox is kept until the date, and can be restored."), inWindow),
    section("Told, refused and ignored last", latest,
      element("p", { class: "more" }, element("a", { href: "#/messages" }, "All messages"))));
  return {
    root,
    load: () => read("/local/page/messages"),
    update: (messages, overview) => {
      updateRegion(organizations, [overview.Organizations, overview.Machines], () => renderStack(overview));
      updateRegion(waiting, overview.Waiting, () => renderWaiting(overview.Waiting, page));
      updateRegion(inWindow, overview.Window, () => renderWindow(overview.Window, page));
      updateRegion(latest, messages.Rows.slice(0, LATEST), () => [messageList(messages.Rows.slice(0, LATEST))]);
    },
  };
}

function renderStack(overview) {
  const notice = element("p", { class: "notice" },
    "No stack is deployed yet, so nothing can be offboarded. Run ", element("code", {}, "make deploy"),
    " with AWS_ENDPOINT_URL set to this server. People can be created now.");
  const cards = overview.Organizations.map((organization) =>
    element("li", {},
      element("a", { href: `#/people/${encodeURIComponent(organization.Id)}`, "data-key": organization.Id }, organization.Alias),
      element("span", { class: "count" }, `${organization.States.ENABLED.toLocaleString("en")} enabled`),
      element("span", { class: "count" }, `${organization.States.DISABLED.toLocaleString("en")} disabled`),
      element("span", { class: "hint" }, organization.MailDomains.join(", "))));
  const list = cards.length
    ? element("ul", { class: "organizations", "aria-label": "Organizations" }, cards)
    : element("p", { class: "empty" }, "There is no WorkMail organization.");
  return [overview.Machines.length ? null : notice, list];
}

function renderWaiting(waiting, page) {
  const columns = [
    { title: "Who", cell: (row) => executionLink(row, row.Label) },
    { title: "State", cell: (row) => [state(row.Status, WAITING_WORDS[row.Status]), renderReasons(row)] },
    { title: "Until", kind: "date", cell: (row) => [formatMoment(row.DueAt), element("small", {}, row.NextEvent ? `then ${row.NextEvent}` : "")] },
    { title: "Requested by", cell: (row) => [row.RequestedBy || "nobody named", row.Reason ? element("small", {}, row.Reason) : null] },
    { title: "Decide", kind: "actions", cell: (row) => renderDecisions(row, page) },
  ];
  return [table("Offboardings that wait for a person or for their date", columns, waiting.Rows, "Nothing waits."), cap(waiting)];
}

function renderReasons(row) {
  return row.ApprovalReasons.map((reason) => element("small", {}, reason));
}

function renderDecisions(row, page) {
  if (row.PendingDecision) {
    return element("small", {}, `${row.PendingDecision}. Its record is closed within two minutes on the clock.`);
  }
  const decisions = row.Status === "AwaitingApproval" ? ["Approved", "Rejected", "Withdrawn"] : ["Withdrawn"];
  const words = { Approved: "Approve", Rejected: "Reject", Withdrawn: "Withdraw" };
  return decisions.map((decision) =>
    button(words[decision], `${decision} ${row.ExecutionArn}`, () => openDecision(decide(row, decision), page),
      { "aria-label": `${words[decision]} the offboarding of ${row.Label}`, class: decision === "Approved" ? "primary" : null }));
}

function renderWindow(inWindow, page) {
  const columns = [
    { title: "Who", cell: (row) => executionLink(row, row.Label) },
    { title: "Days left", cell: (row) => element("strong", {}, formatDays(row.DaysLeft)) },
    { title: "Mailbox kept until", kind: "date", cell: (row) => formatMoment(row.DueAt) },
    { title: "State", cell: (row) => state(row.Status, row.Status === "InWindow" ? "in the window" : "nobody verifies it") },
    { title: "Requested by", cell: (row) => row.RequestedBy || "nobody named" },
    { title: "Take back", kind: "actions", cell: (row) =>
      button("Restore", `restore ${row.ExecutionArn}`, () => openDecision(restore(row), page), { "aria-label": `Restore ${row.Label}` }) },
  ];
  return [table("Entities in the window", columns, inWindow.Rows, "Nobody is in the window."), cap(inWindow)];
}

function cap(list) {
  return list.HasMore ? element("p", { class: "hint" }, `The first ${list.Rows.length} are shown, and there are more.`) : null;
}
