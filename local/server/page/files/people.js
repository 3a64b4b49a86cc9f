/** The entities of an organization, and the form that creates a person. */
import { post, read, RequestError } from "./api.js";
import { element, updateRegion } from "./dom.js";
import { formatDay, formatDays } from "./format.js";
import { field, pages, section, showResult, state, table } from "./parts.js";

const SIZE = 25;
const TYPES = { USER: "person", GROUP: "group", RESOURCE: "resource" };
const STATES = { ENABLED: "enabled", DISABLED: "disabled", DELETED: "deleted" };

/**
 * @param {import("./main.js").Page} page
 * @param {string} organizationId The organization to show; empty for the first one.
 */
export function createPeople(page, organizationId) {
  let offset = 0;
  const list = element("div", {});
  const again = () => { offset = 0; page.refresh(); };
  const organization = organizationSelect(page, organizationId, again);
  const search = element("input", { type: "search", input: again, autocomplete: "off" });
  const shown = element("select", { change: again },
    element("option", { value: "" }, "Any"), Object.entries(STATES).map(([value, text]) => element("option", { value }, text)));
  const root = element("div", { class: "view" },
    element("h1", {}, "People"),
    section("Create a person", createForm(page, organization)),
    section("Users, groups and resources",
      element("div", { class: "filters" },
        field("Organization", organization), field("Name, address or id contains", search), field("State", shown)),
      list));
  return {
    root,
    load: () => read("/local/page/entities", { organization: organization.value, search: search.value, state: shown.value, offset }),
    update: (entities) => updateRegion(list, entities, () => renderEntities(entities, offset, (next) => { offset = next; page.refresh(); })),
  };
}

/**
 * @param {import("./main.js").Page} page
 * @param {string} selected
 * @param {() => void} change
 */
export function organizationSelect(page, selected, change) {
  return element("select", { change },
    page.overview.Organizations.map(({ Id, Alias }) => element("option", { value: Id, selected: Id === selected }, Alias)));
}

function createForm(page, organization) {
  const name = element("input", { type: "text", required: true, maxlength: 64, autocomplete: "off", spellcheck: "false" });
  const displayName = element("input", { type: "text", maxlength: 256, autocomplete: "off" });
  const domain = element("select", {});
  const identityCenter = element("input", { type: "checkbox", checked: true });
  const result = element("p", { class: "result", role: "status" });
  const showDomains = () => {
    const chosen = page.overview.Organizations.find(({ Id }) => Id === organization.value);
    domain.replaceChildren(...(chosen?.MailDomains ?? []).map((text) => element("option", { value: text }, text)));
  };
  organization.addEventListener("change", showDomains);
  showDomains();
  const create = async (event) => {
    event.preventDefault();
    const body = {
      OrganizationId: organization.value, Name: name.value, DisplayName: displayName.value,
      Domain: domain.value, IdentityCenter: identityCenter.checked,
    };
    showResult(result, false);
    try {
      const person = await page.act("Create", () => post("/local/page/people", body));
      showResult(result, false, `${person.Email} was created, with a mailbox. `, element("a", { href: startHash(person) }, "Offboard or plan"));
      form.reset();
      name.focus();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      showResult(result, true, error.message);
    }
  };
  const form = element("form", { submit: create },
    element("div", { class: "fields" },
      field("Name", name, "The part of the address before @: letters, digits, dots, hyphens and underscores."), field("Display name", displayName), field("Mail domain", domain)),
    field("Has a user in IAM Identity Center", identityCenter),
    element("div", { class: "buttons" }, element("button", { type: "submit", class: "primary" }, "Create person")), result);
  return form;
}

function renderEntities(entities, offset, go) {
  const columns = [
    { title: "Name", cell: (row) => [element("strong", {}, row.Name), row.DisplayName && row.DisplayName !== row.Name ? element("small", {}, row.DisplayName) : null] },
    { title: "Address", cell: (row) => row.Email || "none" },
    { title: "Type", kind: "short", cell: (row) => TYPES[row.Type] ?? row.Type },
    { title: "State", cell: (row) => state(row.State, STATES[row.State]) },
    { title: "Mailbox", cell: (row) => describeMailbox(row) },
    { title: "Offboard", kind: "actions", cell: (row) => row.State === "DELETED" ? "" : element("a", {
      href: startHash({ OrganizationId: entities.OrganizationId, EntityId: row.Id }), "data-key": `start ${row.Id}`,
      "aria-label": `Offboard or plan ${row.Name}` }, "Offboard or plan") },
  ];
  const place = { offset, count: entities.Rows.length, size: SIZE, total: entities.Total, hasMore: offset + entities.Rows.length < entities.Total };
  const total = element("p", { class: "hint" }, `${entities.Total.toLocaleString("en")} match.`);
  return [total, table("Users, groups and resources", columns, entities.Rows, "None matches."), pages(place, go)];
}

function describeMailbox(row) {
  if (!row.HasMailbox) return "none";
  if (row.DaysLeft === null) return "yes";
  return [`${formatDays(row.DaysLeft)} left`, element("small", {}, `kept until ${formatDay(row.MailboxKeptUntil)}`)];
}

/** @param {{OrganizationId: string, EntityId: string}} person */
export function startHash(person) {
  return `#/start/${encodeURIComponent(person.OrganizationId)}/${encodeURIComponent(person.EntityId)}`;
}
