/** The list of executions of the three state machines. */
import { read } from "./api.js";
import { element, updateRegion } from "./dom.js";
import { formatMoment } from "./format.js";
import { executionLink, field, pages, section, state, table } from "./parts.js";

const SIZE = 25;
const MACHINES = { offboarding: "Offboarding", approval: "Approval", restore: "Restore" };
const STATUSES = { RUNNING: "running", SUCCEEDED: "succeeded", FAILED: "failed", TIMED_OUT: "timed out", ABORTED: "stopped" };

/** @param {import("./main.js").Page} page */
export function createExecutions(page) {
  let offset = 0;
  const again = () => { offset = 0; page.refresh(); };
  const list = element("div", {});
  const machine = element("select", { change: again },
    Object.entries(MACHINES).map(([value, text]) => element("option", { value }, text)));
  const status = element("select", { change: again },
    element("option", { value: "" }, "Any"), Object.entries(STATUSES).map(([value, text]) => element("option", { value }, text)));
  const root = element("div", { class: "view" },
    element("h1", {}, "Executions"),
    section("Running and ended",
      element("div", { class: "filters" }, field("State machine", machine), field("Status", status)), list));
  return {
    root,
    load: () => read("/local/page/executions", { machine: machine.value, status: status.value, offset }),
    update: (executions) => updateRegion(list, executions, () => renderExecutions(executions, (next) => { offset = next; page.refresh(); })),
  };
}

function renderExecutions(executions, go) {
  const columns = [
    { title: "Who", cell: (row) => executionLink(row, row.Label || row.Name) },
    { title: "Status", cell: (row) => state(row.Status, STATUSES[row.Status]) },
    { title: "Outcome", cell: (row) => [row.Outcome ?? (row.IsPlan ? "a plan" : ""), row.Sentence ? element("small", {}, row.Sentence) : null] },
    { title: "Started", kind: "date", cell: (row) => formatMoment(row.StartedAt) },
  ];
  const place = { offset: executions.Offset, count: executions.Rows.length, size: SIZE, total: null, hasMore: executions.HasMore };
  return [table("Executions, the newest first", columns, executions.Rows, "There is none."), pages(place, go)];
}

/** @param {string} status */
export function describeStatus(status) {
  return STATUSES[status] ?? status;
}
