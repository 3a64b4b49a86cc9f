/** Builds and replaces parts of the page. Every text becomes a text node: names can contain markup. */

/**
 * @typedef {Node|string|null|undefined|false} Child
 */

/**
 * Makes an element.
 * @param {string} tag
 * @param {Object<string, any>} [properties] Attributes; functions are listeners, `true` is an attribute without a value.
 * @param {...(Child|Child[])} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * Replaces the content of a region, and keeps the focus and what is folded out.
 * @param {HTMLElement} region
 * @param {Child[]} children
 */
export function replaceContent(region, children) {
  const active = document.activeElement;
  const key = active instanceof HTMLElement && region.contains(active) ? active.dataset.key : undefined;
  const hadFocus = active !== null && active !== region && region.contains(active);
  const open = new Set([...region.querySelectorAll("details[open]")].map((node) => node.dataset.key));
  const scrolled = new Map([...region.querySelectorAll("[data-scroll]")].map((node) => [node.dataset.scroll, node]));
  const places = new Map([...scrolled].map(([name, node]) => [name, [node.scrollLeft, node.scrollTop]]));
  region.replaceChildren(...children.flat(Infinity).filter(Boolean));
  for (const node of region.querySelectorAll("details")) node.open = node.open || open.has(node.dataset.key);
  for (const node of region.querySelectorAll("[data-scroll]")) {
    [node.scrollLeft, node.scrollTop] = places.get(node.dataset.scroll) ?? [0, 0];
  }
  if (hadFocus) focusKey(key, region);
}

/**
 * Moves the focus to the control with a key, or to the region if it is gone.
 * @param {string|undefined} key
 * @param {HTMLElement} region
 */
export function focusKey(key, region) {
  const node = key ? [...region.querySelectorAll("[data-key]")].find((candidate) => candidate.dataset.key === key) : null;
  if (node && !node.disabled) {
    node.focus({ preventScroll: true });
    return;
  }
  if (!region.hasAttribute("tabindex")) region.tabIndex = -1;
  region.focus({ preventScroll: true });
}

/**
 * Updates a region only if its data has changed, so that nothing is lost that a person does in it.
 * @param {HTMLElement} region
 * @param {any} data
 * @param {() => Child[]} build
 */
export function updateRegion(region, data, build) {
  const signature = JSON.stringify(data);
  if (signatures.get(region) === signature) return;
  signatures.set(region, signature);
  replaceContent(region, build());
}

/** @type {WeakMap<HTMLElement, string>} */
const signatures = new WeakMap();
