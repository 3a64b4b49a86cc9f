// Returns what is wrong with the drawing in the page: texts that do not fit, labels and connections in the way.
() => {
  const problems = [];
  const svg = document.querySelector("svg");
  const edges = (node) => {
    const box = node.getBBox();
    return { left: box.x, top: box.y, right: box.x + box.width, bottom: box.y + box.height };
  };
  const overlap = (one, other, slack) =>
    one.left + slack < other.right && other.left + slack < one.right &&
    one.top + slack < other.bottom && other.top + slack < one.bottom;
  const contains = (outer, inner) =>
    outer.left <= inner.left && outer.right >= inner.right && outer.top <= inner.top && outer.bottom >= inner.bottom;
  const view = svg.viewBox.baseVal;
  const whole = { left: 0, top: 0, right: view.width, bottom: view.height };
  const isFrame = (shape) => shape.parentNode.classList.contains("frame");
  const shapes = [...svg.querySelectorAll(".shape")].filter((shape) => !isFrame(shape));
  const texts = [...svg.querySelectorAll("text")];
  for (const text of texts) {
    if (!contains(whole, edges(text))) problems.push(`outside: ${text.textContent}`);
  }
  for (const shape of shapes) {
    const box = edges(shape);
    const inner = { ...box, left: box.left + 4, right: box.right - 4 };
    for (const text of shape.parentNode.querySelectorAll("text")) {
      if (!contains(inner, edges(text))) problems.push(`too long: ${text.textContent}`);
    }
  }
  const labels = texts.filter((text) => text.classList.contains("label"));
  labels.forEach((label, index) => {
    for (const shape of shapes) {
      if (overlap(edges(label), edges(shape), 0)) problems.push(`on a box: ${label.textContent}`);
    }
    for (const neighbour of labels.slice(index + 1)) {
      if (overlap(edges(label), edges(neighbour), 0)) problems.push(`on a label: ${label.textContent}`);
    }
  });
  for (const path of svg.querySelectorAll("path.edge")) {
    const length = path.getTotalLength();
    for (let position = 0; position <= length; position += 2) {
      const point = path.getPointAtLength(position);
      const dot = { left: point.x, right: point.x, top: point.y, bottom: point.y };
      const label = labels.find((text) => contains(edges(text), dot));
      const shape = shapes.find((box) => overlap(dot, edges(box), 4));
      if (label || shape) {
        problems.push(`crossed: ${(label ?? shape.parentNode).textContent}`);
        break;
      }
    }
  }
  return problems;
}
