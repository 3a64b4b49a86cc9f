/** One execution: where it stands on the graph, what happened, its input, output, evidence and history. */
import { read } from "./api.js";
import { decide, openDecision, restore } from "./decisions.js";
import { element, updateRegion } from "./dom.js";
import { describeStatus } from "./executions.js";
import { formatDays, formatJson, formatMoment, formatSeconds } from "./format.js";
import { buildDrawing, markPath } from "./graph.js";
import { button, code, executionLink, section, state, table } from "./parts.js";

/**
 * @param {import("./main.js").Page} page
 * @param {string} arn
 */
export function createExecution(page, arn) {
  const regions = Object.fromEntries(["head", "states", "story", "data", "events"].map((name) => [name, element("div", {})]));
  const canvas = element("div", { class: "canvas", tabindex: "0", role: "region", "aria-label": "Graph of the state machine", "data-scroll": "graph" });
  const root = element("div", { class: "view" },
    element("p", { class: "back" }, element("a", { href: "#/executions" }, "All executions")),
    regions.head,
    section("Graph",
      element("ul", { class: "legend" },
        element("li", { class: "visited" }, "visited"), element("li", { class: "current" }, "current"), element("li", { class: "failed" }, "failed")),
      canvas, regions.states),
    section("What happened", regions.story),
    section("Input, output and evidence", regions.data),
    section("History", regions.events));
  let graph = null;
  let isDrawn = false;
  let isPlaced = false;
  const draw = async () => {
    if (isDrawn) return;
    isDrawn = true;
    const { Drawing } = await read(`/local/page/graphs/${encodeURIComponent(arn)}`);
    graph = Drawing ? buildDrawing(Drawing) : null;
    canvas.hidden = graph === null;
    if (graph) canvas.replaceChildren(graph);
  };
  return {
    root,
    load: async () => {
      const execution = await read(`/local/page/executions/${encodeURIComponent(arn)}`);
      await draw();
      return execution;
    },
    update: (execution) => {
      if (graph) markPath(graph, execution);
      if (graph && !isPlaced) {
        isPlaced = true;
        placeInView(canvas, graph.querySelector(".state.current, .state.failed"));
      }
      const { Path, Current, Failed, Steps, Input, Output, Evidence, Outcome, Events, EventCount } = execution;
      updateRegion(regions.head, { ...execution, Events: null, Steps: null }, () => renderHead(execution, page));
      updateRegion(regions.states, [Path, Current, Failed], () => [renderPath(execution)]);
      updateRegion(regions.story, Steps, () => [renderSteps(Steps)]);
      updateRegion(regions.data, [Input, Output, Evidence, Outcome], () => renderData(execution));
      updateRegion(regions.events, EventCount, () => renderEvents(Events, EventCount));
    },
  };
}

/** On a phone the graph is wider than the screen: its interesting part comes first. */
function placeInView(canvas, node) {
  if (!node) return;
  const [inner, outer] = [node.getBoundingClientRect(), canvas.getBoundingClientRect()];
  canvas.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
}

function renderHead(execution, page) {
  const { Record, Machine } = execution;
  const facts = [
    ["Status", [state(execution.Status, describeStatus(execution.Status)), execution.IsPlan ? " a plan" : null]],
    ["Outcome", execution.Outcome],
    ["Why", execution.Cause || execution.Sentence],
    ["Mailbox", execution.MailboxTouched],
    ["Stands", Record && !execution.Outcome ? Record.Phrase : null],
    ["Next", Record?.NextEvent && !execution.Outcome ? `${Record.NextEvent} on ${formatMoment(Record.DueAt)} (in ${formatDays(Record.DaysLeft)})` : null],
    ["Requested by", Record?.RequestedBy],
    ["Reason", Record?.Reason],
    ["Decision", Record?.PendingDecision],
    ["Started", formatMoment(execution.StartedAt)],
    ["Ended", formatMoment(execution.StoppedAt)],
  ].filter(([, value]) => value);
  return [
    element("h1", {}, execution.Label || execution.Name),
    element("p", { class: "subtitle" }, `${Machine || "another"} state machine, execution ${execution.Name}`),
    element("dl", { class: "facts" }, facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
    element("div", { class: "buttons" }, renderActions(execution, page)),
  ];
}

function renderActions({ Record, ExecutionArn, Label }, page) {
  if (!Record || Record.PendingDecision) return [];
  const row = { ...Record, ExecutionArn, Label };
  const words = { Approved: "Approve", Rejected: "Reject", Withdrawn: "Withdraw" };
  const possible = { AwaitingApproval: ["Approved", "Rejected", "Withdrawn"], Scheduled: ["Withdrawn"], Exporting: ["Withdrawn"] };
  const decisions = (possible[Record.Status] ?? []).map((decision) =>
    button(words[decision], decision, () => openDecision(decide(row, decision), page)));
  const canRestore = ["InWindow", "Unwatched", "Restoring"].includes(Record.Status);
  return canRestore ? [button("Restore", "restore", () => openDecision(restore(row), page))] : decisions;
}

function renderPath({ Path, Current, Failed }) {
  const items = Path.map((name, index) => {
    const isLast = index === Path.length - 1;
    const note = isLast && Current === name ? " (current)" : Failed.includes(name) && index >= Path.length - 2 ? " (failed)" : "";
    return element("li", {}, `${name}${note}`);
  });
  return element("details", { "data-key": "path" },
    element("summary", { "data-key": "path summary" }, `The way as text: ${Path.length} states, now ${Path.at(-1) ?? "none"}`),
    element("ol", { class: "path" }, items));
}

function renderSteps(steps) {
  if (!steps.length) return element("p", { class: "empty" }, "Nothing is recorded of this execution.");
  return [element("p", { class: "hint" }, "All times are UTC."), element("ol", { class: "story" }, steps.map((step) =>
    element("li", {}, element("time", { datetime: step.At }, formatMoment(step.At)), element("span", {}, step.Sentence))))];
}

function renderData({ Input, Output, Evidence, Outcome }) {
  const rest = Output && typeof Output === "object" ? Object.fromEntries(Object.entries(Output).filter(([name]) => name !== "Evidence")) : Output;
  const blocks = [["Input", Input, true], ["Output", rest, true], ["Evidence", Evidence, false]];
  return blocks.map(([title, value, isOpen]) => element("details", { "data-key": title, open: isOpen },
    element("summary", { "data-key": `${title} summary` }, title),
    value === null || value === undefined ? element("p", { class: "empty" }, Outcome ? "None." : "None yet.") : code(title, formatJson(value))));
}

function renderEvents(events, count) {
  const columns = [
    { title: "Id", cell: (event) => String(event.Id) },
    { title: "Time (UTC)", cell: (event) => formatSeconds(event.At) },
    { title: "Type", cell: (event) => event.Type },
    { title: "State", cell: (event) => event.State },
    { title: "Details", kind: "wide", cell: (event) => Object.keys(event.Details).length
      ? element("details", { "data-key": `event ${event.Id}` },
        element("summary", { "data-key": `event summary ${event.Id}`, "aria-label": `Details of event ${event.Id}` }, "Details"),
        code(`Details of event ${event.Id}`, formatJson(event.Details)))
      : "" },
  ];
  const note = events.length < count ? element("p", { class: "hint" }, `The last ${events.length} of ${count} events are shown.`) : null;
  return [element("details", { "data-key": "history" },
    element("summary", { "data-key": "history summary" }, `${count} events`), note,
    table("Events of the execution", columns, events, "There is none."))];
}
