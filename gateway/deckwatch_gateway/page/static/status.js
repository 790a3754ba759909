// What is said aloud, at the top of the page and in its title, of how far things are.

import { byId, say } from "./dom.js";
import { DONE } from "./pictures.js";
import { describe } from "./picture_list.js";
import { summary } from "./totals.js";

const REASONS = {
  busy: "The gateway has much to do.",
  away: "Recognition is away at the moment.",
  key: "The gateway asks for an API key.",
};

export class Status {
  #told = null; // the picture whose result was read out last
  #working = false;

  constructor(view) {
    this.view = view;
    setInterval(() => this.#count(), 1000);
  }

  // `selected` is read out once it is recognised, the lot once it is through.
  show(selected) {
    const { pictures } = this.view;
    const all = pictures.all;
    const left = all.filter((picture) => picture.underWay).length;
    document.title = left ? `(${all.length - left} of ${all.length}) Deckwatch` : "Deckwatch";
    if (this.#working && !left && all.length) say(byId("status"), summary(all));
    else if (selected?.state === DONE && selected !== this.#told) {
      this.#told = selected;
      say(byId("status"), `${selected.name}: ${describe(selected, this.view)}`);
    }
    this.#working = left > 0;
  }

  // A sentence on top, or none. `until` (a time) is counted down to.
  banner(held) {
    this.held = held;
    this.#count();
  }

  #count() {
    const node = byId("banner");
    node.classList.toggle("shown", Boolean(this.held));
    if (!this.held) {
      say(node, "");
      return;
    }
    const left = Math.ceil(((this.held.until ?? 0) - Date.now()) / 1000);
    // Read out once: the seconds are for the eye, and added by the style sheet.
    say(node, this.held.text ?? REASONS[this.held.reason]);
    if (left > 0) node.dataset.left = ` Going on in ${left} s.`;
    else delete node.dataset.left;
  }
}
