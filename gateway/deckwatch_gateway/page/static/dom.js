// Elements from code. Text only ever becomes text: nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

// An element with attributes (false and null leave one out) and children (nodes or text).
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

export function byId(id) {
  return document.getElementById(id);
}

// Show `text` in `node`; untouched where it is there already, so that nothing is read out twice.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Hide or show `button`; the focus of one that vanishes goes to `heir`, not nowhere.
export function offer(button, offered, heir) {
  const focused = button === document.activeElement;
  button.hidden = !offered;
  if (focused && !offered) heir.focus();
}

// A function that calls `draw` once in the next frame, however often it is called before.
export function eachFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(key, value === true ? "" : value);
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
