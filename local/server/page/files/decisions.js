/** The dialogs in which a person decides on an offboarding, or takes it back: each starts an execution. */
import { post, RequestError } from "./api.js";
import { element } from "./dom.js";
import { formatJson } from "./format.js";
import { code, field } from "./parts.js";

/**
 * @typedef {Object} Decision
 * @property {string} title
 * @property {string} explanation
 * @property {string} machine The state machine to start.
 * @property {string} verb The text of the button.
 * @property {string} by The member of the input for the person.
 * @property {boolean} isRequired Whether person and reason must be given.
 * @property {Object<string, string>} input The other members.
 */

/**
 * The decision on an offboarding that waits.
 * @param {{ExecutionArn: string, Label: string}} row
 * @param {"Approved"|"Rejected"|"Withdrawn"} decision
 * @returns {Decision}
 */
export function decide(row, decision) {
  const verbs = { Approved: "Approve", Rejected: "Reject", Withdrawn: "Withdraw" };
  const explanations = {
    Approved: "The offboarding goes on: everything is resolved and checked again, then WorkMail is asked.",
    Rejected: "The offboarding ends as Rejected. Nothing is changed.",
    Withdrawn: "The offboarding ends as Withdrawn. Nothing is changed.",
  };
  return {
    title: `${verbs[decision]} the offboarding of ${row.Label}`,
    explanation: explanations[decision],
    machine: "approval",
    verb: verbs[decision],
    by: "DecidedBy",
    isRequired: true,
    input: { ExecutionArn: row.ExecutionArn, Decision: decision },
  };
}

/**
 * The restore of an entity in the window.
 * @param {{ExecutionArn: string, Label: string}} row
 * @returns {Decision}
 */
export function restore(row) {
  return {
    title: `Restore ${row.Label}`,
    explanation: "The entity is registered again, with its recorded address, aliases and groups.",
    machine: "restore",
    verb: "Restore",
    by: "RequestedBy",
    isRequired: false,
    input: { ExecutionArn: row.ExecutionArn },
  };
}

/**
 * Opens the dialog of a decision.
 * @param {Decision} decision
 * @param {{act: Function, say: Function}} page
 */
export function openDecision(decision, page) {
  const opener = document.activeElement;
  const person = element("input", { type: "text", name: "person", required: decision.isRequired, maxlength: 256, autocomplete: "off" });
  const reason = element("textarea", { name: "reason", rows: 2, required: decision.isRequired, maxlength: 1024 });
  const preview = code("Input of the execution", "");
  const problem = element("p", { class: "problem", role: "alert" });
  const submit = element("button", { type: "submit", class: "primary" }, decision.verb);
  const cancel = element("button", { type: "button", click: () => dialog.close() }, "Cancel");
  const readInput = () => {
    const members = { [decision.by]: person.value.trim(), Reason: reason.value.trim() };
    return { ...decision.input, ...Object.fromEntries(Object.entries(members).filter(([, value]) => value)) };
  };
  const showInput = () => {
    preview.textContent = formatJson(readInput());
  };
  const start = async (event) => {
    event.preventDefault();
    problem.textContent = "";
    submit.disabled = true;
    try {
      const ended = await page.act(decision.verb, () => startExecution(decision.machine, readInput()));
      if (ended.Status === "SUCCEEDED" || ended.Status === "RUNNING") {
        dialog.close();
        page.say(`${decision.title}: ${ended.Outcome ?? "it still runs"}.`);
      } else {
        problem.textContent = `${ended.Outcome}: ${ended.Sentence}`;
      }
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      problem.textContent = error.message;
    } finally {
      submit.disabled = false;
    }
  };
  const form = element("form", { submit: start, input: showInput },
    element("h2", { id: "dialog-title" }, decision.title),
    element("p", {}, decision.explanation),
    field(decision.by === "DecidedBy" ? "Who decides" : "Who asks for it", person),
    field("Reason", reason),
    element("p", { class: "hint" }, "The execution of the state machine starts with this input:"),
    preview, problem,
    element("div", { class: "buttons end" }, cancel, submit));
  const close = () => {
    dialog.remove();
    page.focusOpener(opener);
  };
  const dialog = element("dialog", { "aria-labelledby": "dialog-title", close }, form);
  document.body.append(dialog);
  showInput();
  dialog.showModal();
  person.focus();
}

/**
 * Starts an execution, as the console does.
 * @param {string} machine
 * @param {any} input
 */
export function startExecution(machine, input) {
  return post("/local/page/executions", { Machine: machine, Input: formatJson(input) });
}
