/** The forms that start an execution, and that send the event of an identity provider. */
import { post, read, RequestError } from "./api.js";
import { startExecution } from "./decisions.js";
import { element, updateRegion } from "./dom.js";
import { formatJson } from "./format.js";
import { observe } from "./news.js";
import { executionHash, field, section, showResult } from "./parts.js";
import { organizationSelect } from "./people.js";

const EVENTS_PATH = "/local/page/events";
const OWN_EVENT = { EventBusName: "default", Source: "workmail.offboarding", DetailType: "Offboarding Requested", Detail: {} };

/**
 * @param {import("./main.js").Page} page
 * @param {string} organizationId
 * @param {string} entityId
 */
export function createStart(page, organizationId, entityId) {
  const notice = element("div", {});
  const eventForm = createEventForm(page, organizationId, entityId);
  const root = element("div", { class: "view" },
    element("h1", {}, "Start"),
    notice,
    section("Start an execution", createExecutionForm(page, organizationId, entityId)),
    section("Send the event of an identity provider", eventForm.form));
  return {
    root,
    load: () => read("/local/page/samples"),
    update: ({ Samples }, { Machines }) => {
      updateRegion(notice, Machines, () => Machines.length ? [] : [
        element("p", { class: "notice" }, "No stack is deployed yet: nothing can be started.")]);
      eventForm.update(Samples);
    },
  };
}

function createExecutionForm(page, organizationId, entityId) {
  const organization = organizationSelect(page, organizationId, () => {});
  const entity = element("input", { type: "text", value: entityId, required: true, autocomplete: "off", spellcheck: "false" });
  const isPlan = element("input", { type: "checkbox" });
  const notBefore = element("input", { type: "datetime-local" });
  const exportMode = element("select", {},
    ["", "Required", "IfPossible", "No"].map((value) => element("option", { value }, value || "as the settings say")));
  const requestedBy = element("input", { type: "text", maxlength: 256, autocomplete: "off" });
  const reason = element("input", { type: "text", maxlength: 1024, autocomplete: "off" });
  const text = element("textarea", { rows: 7, spellcheck: "false", class: "json" });
  const result = element("p", { class: "result", role: "status" });
  const showInput = (event) => {
    if (event?.target === text) return;
    const members = {
      OrganizationId: organization.value, EntityId: entity.value.trim(), DryRun: isPlan.checked || undefined,
      NotBefore: notBefore.value ? `${notBefore.value}:00Z` : undefined, Export: exportMode.value || undefined,
      Reason: reason.value.trim() || undefined, RequestedBy: requestedBy.value.trim() || undefined,
    };
    text.value = formatJson(members);
    submit.textContent = isPlan.checked ? "Start the plan" : "Start the offboarding";
  };
  const start = (event) => {
    event.preventDefault();
    return report(page, result, "Start", () => startExecution("offboarding", text.value));
  };
  const submit = element("button", { type: "submit", class: "primary" });
  const form = element("form", { submit: start, input: showInput },
    element("div", { class: "fields" },
      field("Organization", organization), field("Entity", entity, "Its id, name or primary address."),
      field("Not before (UTC)", notBefore), field("Export", exportMode),
      field("Requested by", requestedBy), field("Reason", reason)),
    field("Plan only: change nothing (DryRun)", isPlan),
    field("Input of the execution", text, "This is what StartExecution gets. You can edit it."),
    element("div", { class: "buttons" }, submit), result);
  showInput();
  return form;
}

function createEventForm(page, organizationId, entityId) {
  const organization = organizationSelect(page, organizationId, () => {});
  const kind = element("select", {}, element("option", { value: "" }, "A text of your own"));
  const person = element("input", { type: "text", value: entityId, autocomplete: "off", spellcheck: "false" });
  let isChosen = false;
  let isEdited = false;
  const markEdited = () => {
    isEdited = true;
    buildCount += 1;
  };
  const text = element("textarea", { rows: 10, spellcheck: "false", class: "json", required: true, input: markEdited });
  const result = element("p", { class: "result", role: "status" });
  let buildCount = 0;
  let listed = [];
  const build = async (event) => {
    if (event?.target === text) return;
    isChosen ||= event?.target === kind;
    isEdited = false;
    buildCount += 1;
    const count = buildCount;
    showResult(result, false);
    if (!kind.value) {
      text.value = formatJson(OWN_EVENT);
      return;
    }
    text.value = "";
    if (!person.value.trim()) return;
    try {
      const query = { organization: organization.value, person: person.value };
      const sample = await read(`/local/page/samples/${encodeURIComponent(kind.value)}`, query);
      // A later choice may have been answered sooner, or a text typed meanwhile.
      if (count !== buildCount) return;
      text.value = formatJson(sample.Body);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (count === buildCount) showResult(result, true, error.message);
    }
  };
  const update = (samples) => {
    if (JSON.stringify(listed) === JSON.stringify(samples)) return;
    listed = samples;
    const chosen = kind.value;
    const configured = samples.filter((sample) => sample.IsConfigured).map((sample) => sample.Id);
    kind.replaceChildren(...samples.map(sampleOption), element("option", { value: "" }, "A text of your own"));
    if (configured.includes(chosen)) kind.value = chosen;
    else kind.value = isEdited || (isChosen && !chosen) ? "" : configured[0] ?? "";
    if (kind.value !== chosen && !isEdited) build();
  };
  const send = async (event) => {
    event.preventDefault();
    let body;
    try {
      body = JSON.parse(text.value);
    } catch {
      showResult(result, true, "The event is not JSON.");
      return;
    }
    const path = listed.find((sample) => sample.Id === kind.value)?.Path ?? EVENTS_PATH;
    await report(page, result, "Send", () => post(path, path === EVENTS_PATH ? { Entry: body } : body));
  };
  build();
  const form = element("form", { submit: send, change: build },
    element("div", { class: "fields" },
      field("Event", kind), field("Organization", organization), field("Person", person, "A name, an address or an id.")),
    field("Request", text, "An entry of PutEvents; for a status in Identity Center, the change in the identity store."),
    element("div", { class: "buttons" }, element("button", { type: "submit", class: "primary" }, "Send the event")), result);
  return { form, update };
}

function sampleOption({ Id, Title, IsConfigured }) {
  return element("option", { value: Id, disabled: !IsConfigured }, IsConfigured ? Title : `${Title} (not in the settings)`);
}

async function report(page, result, verb, call) {
  showResult(result, false);
  try {
    const { answer, news } = await page.act(verb, () => observe(call));
    const execution = answer.ExecutionArn ? [answer] : news.executions;
    const links = execution.flatMap((row) => [" ", element("a", { href: executionHash(row.ExecutionArn) }, describe(row))]);
    showResult(result, false, answer.ExecutionArn ? "The execution was started." : "The event was sent.", ` ${news.text}`, ...links);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    showResult(result, true, error.message);
  }
}

function describe(row) {
  return `${row.Label || row.Name}: ${row.Outcome ?? "it runs"}`;
}
