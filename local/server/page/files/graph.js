/** The graph of a state machine, with the way of one execution on it. */

const SVG = "http://www.w3.org/2000/svg";
const TAGS = new Set(["svg", "title", "desc", "defs", "marker", "g", "path", "rect", "circle", "ellipse", "polygon", "polyline", "line", "text", "tspan"]);

/**
 * @typedef {Object} Drawing
 * @property {string} Tag
 * @property {Object<string, string>} Attributes
 * @property {string} Text
 * @property {Drawing[]} Children
 */

/**
 * Builds the SVG of a drawing, element by element: no markup is parsed.
 * @param {Drawing} drawing
 * @returns {SVGElement|null}
 */
export function buildDrawing(drawing) {
  if (!TAGS.has(drawing.Tag)) return null;
  const node = document.createElementNS(SVG, drawing.Tag);
  for (const [name, value] of Object.entries(drawing.Attributes)) {
    if (!name.startsWith("on") && name !== "style" && !name.includes("href")) node.setAttribute(name, value);
  }
  if (drawing.Text) node.append(drawing.Text);
  node.append(...drawing.Children.map(buildDrawing).filter(Boolean));
  return node;
}

/**
 * Marks the states and ways that an execution has taken.
 * @param {SVGElement} graph
 * @param {{Path: string[], Current: string|null, Failed: string[]}} execution
 */
export function markPath(graph, execution) {
  const visited = new Set(execution.Path);
  const ways = new Set(execution.Path.slice(1).map((name, index) => JSON.stringify([execution.Path[index], name])));
  for (const node of graph.querySelectorAll("[data-state]")) {
    const name = node.getAttribute("data-state");
    node.classList.toggle("visited", visited.has(name));
    node.classList.toggle("current", execution.Current === name);
    node.classList.toggle("failed", execution.Failed.includes(name));
  }
  for (const way of graph.querySelectorAll("[data-from]")) {
    const pair = JSON.stringify([way.getAttribute("data-from"), way.getAttribute("data-to")]);
    way.classList.toggle("visited", ways.has(pair));
  }
}
