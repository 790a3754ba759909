// The fish of a picture, drawn over it in CSS pixels: sharp at any size and on any screen.

import { svg } from "./dom.js";

const TAG_HEIGHT = 18; // CSS pixels
const LETTER = 6.8; // their usual width at 12px

export class Boxes extends EventTarget {
  #fish = []; // {fish, number, group}, the surest first
  #current = 0; // the one that Tab reaches

  constructor() {
    super();
    this.node = svg("svg", { class: "boxes", role: "group" });
    this.node.setAttribute("aria-label", "Fish in the picture; arrow keys go from one to the next");
    this.node.addEventListener("click", (event) => {
      const place = this.#placeOf(event.target);
      if (place >= 0) this.#choose(place);
    });
    this.node.addEventListener("keydown", (event) => this.#key(event));
  }

  // Show `fish` ([{fish, number}]) of a picture of `size`; `selected` is a number or null.
  show(fish, size, release, selected, names) {
    const focused = this.node.contains(document.activeElement);
    this.size = size;
    this.names = names;
    this.#fish = fish.map(({ fish: each, number }) => ({
      fish: each,
      number,
      group: group(each, number, release, number === selected),
    }));
    const chosen = this.#fish.findIndex((each) => each.number === selected);
    this.#current = Math.max(0, chosen);
    // The smaller lies above the larger, or it could not be clicked.
    const layers = [...this.#fish].sort((one, other) => area(other.fish) - area(one.fish));
    this.node.replaceChildren(...layers.map((each) => each.group));
    this.#tab();
    this.place();
    if (focused && this.#fish.length) this.#fish[this.#current].group.focus();
  }

  // Lay everything out anew, after the picture's size on the screen changed.
  place() {
    const { width, height } = this.node.getBoundingClientRect();
    if (!width || !this.size) return;
    this.node.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const across = width / this.size.width;
    const down = height / this.size.height;
    for (const { fish, group } of this.#fish) {
      const [left, top, right, bottom] = fish.box;
      const box = {
        x: left * across,
        y: top * down,
        width: (right - left) * across,
        height: (bottom - top) * down,
      };
      for (const rect of group.querySelectorAll(".halo, .line")) set(rect, box);
      tag(group, box, width, this.names);
    }
  }

  #choose(place) {
    const chosen = this.#fish[place];
    const again = chosen.group.getAttribute("aria-pressed") === "true";
    this.#current = place;
    this.#tell(again ? null : chosen.number);
  }

  #tell(detail) {
    this.dispatchEvent(new CustomEvent("choose", { detail }));
  }

  #key(event) {
    const place = this.#placeOf(event.target);
    if (place < 0) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.#choose(place);
    else if (event.key === "Escape") this.#tell(null);
    else if (step) {
      this.#current = (place + step + this.#fish.length) % this.#fish.length;
      this.#tab();
      this.#fish[this.#current].group.focus();
    } else return;
    event.preventDefault();
  }

  #tab() {
    this.#fish.forEach(({ group }, place) => {
      group.setAttribute("tabindex", place === this.#current ? 0 : -1);
    });
  }

  #placeOf(target) {
    const found = target.closest(".box");
    return this.#fish.findIndex(({ group }) => group === found);
  }
}

function group(fish, number, release, pressed) {
  const care = release.sensitive(fish.label);
  const name = release.commonName(fish.label);
  return svg(
    "g",
    {
      class: `box ${release.tone(fish.label)}${care ? " care" : ""}`,
      role: "button",
      "aria-pressed": String(pressed),
      "aria-label": release.describe(fish, number),
    },
    svg("rect", { class: "halo", rx: 2 }),
    svg("rect", { class: "line", rx: 2 }),
    svg("rect", { class: "tag", height: TAG_HEIGHT, rx: 3 }),
    svg("text", { "aria-hidden": "true" }, `${number}${care ? " ▲" : ""} ${name}`),
  );
}

// The name above its box; inside it where the picture ends, and never beyond its right edge.
function tag(group, box, width, names) {
  const [rect, text] = [group.querySelector(".tag"), group.querySelector("text")];
  rect.style.display = text.style.display = names ? "" : "none";
  const length = text.textContent.length * LETTER + 10;
  const x = Math.max(0, Math.min(box.x - 1, width - length));
  const y = box.y >= TAG_HEIGHT + 1 ? box.y - TAG_HEIGHT - 1 : box.y + 1;
  set(rect, { x, y, width: length });
  set(text, { x: x + 5, y: y + 13 });
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

function area({ box: [left, top, right, bottom] }) {
  return (right - left) * (bottom - top);
}
