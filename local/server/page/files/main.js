/** The page: its views, what it polls, and what it says. */
import { read, RequestError } from "./api.js";
import { createClock } from "./clock.js";
import { element, focusKey } from "./dom.js";
import { createExecution } from "./execution.js";
import { createExecutions } from "./executions.js";
import { createMessages } from "./messages.js";
import { createOverview } from "./overview.js";
import { showResult } from "./parts.js";
import { createPeople } from "./people.js";
import { createStart } from "./start.js";

const POLL_MILLISECONDS = 2000;
const VIEWS = { overview: "Overview", people: "People", executions: "Executions", start: "Start", messages: "Messages" };

/**
 * @typedef {Object} View
 * @property {HTMLElement} root
 * @property {() => Promise<any>} load
 * @property {(data: any, overview: any) => void} update
 */

/** What the views need of the page. */
export class Page {
  /** @type {any} What the server has: see `overview` of the API. */
  overview = null;
  /** @type {View|null} */
  #view = null;
  #main = document.getElementById("main");
  #result = document.getElementById("result");
  #busyCount = 0;
  #refreshCount = 0;
  #problem = "";
  #clock = createClock(this);

  /** Shows the view of the address. */
  async navigate() {
    const [name, ...parts] = location.hash.replace(/^#\/?/, "").split("/").map(decode);
    const shown = name in VIEWS ? name : "overview";
    try {
      this.overview ??= await read("/local/page/overview");
    } catch (error) {
      this.#report(error);
      return;
    }
    this.#view = this.#create(shown, parts);
    this.#main.replaceChildren(this.#view.root);
    this.#main.setAttribute("aria-busy", "true");
    this.#markView(shown);
    document.title = `${VIEWS[shown]} · WorkMail offboarding`;
    await this.refresh();
  }

  /** Reads everything that is shown, and shows what has changed. */
  async refresh() {
    const view = this.#view;
    if (!view) return;
    this.#refreshCount += 1;
    const count = this.#refreshCount;
    try {
      const [overview, data] = await Promise.all([read("/local/page/overview"), view.load()]);
      // A later request may have been answered sooner.
      if (count !== this.#refreshCount || view !== this.#view) return;
      this.overview = overview;
      this.#clock.update(overview);
      view.update(data, overview);
      this.#setBusy();
      if (this.#problem) this.say("");
      this.#problem = "";
    } catch (error) {
      this.#report(error);
      if (count === this.#refreshCount) this.#setBusy();
    }
  }

  /**
   * Runs an action while all buttons wait for it, then shows what it has changed.
   * @template T
   * @param {string} verb
   * @param {() => Promise<T>} call
   * @returns {Promise<T>}
   */
  async act(verb, call) {
    this.#busyCount += 1;
    this.#setBusy();
    this.say(`${verb} …`);
    try {
      const answer = await call();
      this.say("");
      return answer;
    } catch (error) {
      this.say("");
      throw error;
    } finally {
      this.#busyCount -= 1;
      this.#setBusy();
      await this.refresh();
    }
  }

  /**
   * Says something below the clock; a screen reader says it too.
   * @param {string} text
   * @param {boolean} [isProblem]
   */
  say(text, isProblem = false) {
    showResult(this.#result, isProblem, text);
  }

  /**
   * Gives the focus back after a dialog, also if the list was drawn again meanwhile.
   * @param {Element|null} opener
   */
  focusOpener(opener) {
    if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    else focusKey(opener?.dataset?.key, this.#main);
  }

  #create(name, parts) {
    if (name === "people") return createPeople(this, parts[0] ?? "");
    if (name === "executions") return parts[0] ? createExecution(this, parts[0]) : createExecutions(this);
    if (name === "start") return createStart(this, parts[0] ?? "", parts[1] ?? "");
    return name === "messages" ? createMessages(this) : createOverview(this);
  }

  #markView(shown) {
    document.getElementById("views").replaceChildren(...Object.entries(VIEWS).map(([name, text]) =>
      element("li", {}, element("a", { href: `#/${name}`, "aria-current": name === shown ? "page" : null }, text))));
  }

  #setBusy() {
    const isBusy = this.#busyCount > 0 || Boolean(this.overview?.IsMoving);
    document.documentElement.classList.toggle("busy", isBusy);
    this.#main.setAttribute("aria-busy", String(isBusy));
    // Not disabled: a disabled button loses the focus.
    for (const button of document.querySelectorAll("button")) {
      if (isBusy) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
  }

  #report(error) {
    if (!(error instanceof RequestError)) throw error;
    this.#problem = error.message;
    this.say(error.message, true);
  }
}

/** @param {string} text A part of the address, which a person can have mistyped. */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const page = new Page();

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
// Everything waits while an action runs, whichever control a person uses.
for (const kind of ["click", "submit"]) {
  document.addEventListener(kind, (event) => {
    const isControl = kind === "submit" || event.target.closest?.("button");
    if (isControl && document.documentElement.classList.contains("busy") && !event.target.closest?.("dialog")) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);
}
window.addEventListener("hashchange", async () => {
  await page.navigate();
  document.getElementById("main").focus({ preventScroll: true });
  window.scrollTo(0, 0);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) page.refresh();
});
setInterval(() => {
  if (!document.hidden) page.refresh();
}, POLL_MILLISECONDS);
await page.navigate();
