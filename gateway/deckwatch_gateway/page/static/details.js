// What was found in the chosen photograph: bars for the whole and for one fish, its fish, the JSON.

import { byId, element, say } from "./dom.js";
import { count, percent } from "./numbers.js";

const COPIED_MS = 2000;

// Tells with an event "choose" which fish was chosen; `detail` is its number or null.
export class Details extends EventTarget {
  #drawn = null; // what is on the page, so that the same is not made twice
  #open = false; // whether the JSON is

  constructor() {
    super();
    this.node = byId("details");
  }

  show(picture, release, threshold, chosen) {
    const key = [picture?.id, picture?.state, release?.title, threshold, chosen].join("\n");
    if (key === this.#drawn) return;
    this.#drawn = key;
    const place = focusedPlace(this.node);
    if (!picture?.result) {
      const text = picture?.underWay ? "Nothing yet." : "No result.";
      this.node.replaceChildren(element("p", { class: "hint" }, text));
      return;
    }
    this.node.replaceChildren(
      whole(picture.result, release),
      this.#fish(picture, release, threshold, chosen),
      this.#json(picture.result),
    );
    if (place >= 0) this.node.querySelectorAll("button, summary")[place]?.focus();
  }

  #fish({ result }, release, threshold, chosen) {
    const rows = result.fish.flatMap((fish, place) => {
      if (fish.score < threshold) return [];
      return [this.#row(fish, place + 1, release, chosen)];
    });
    const hidden = result.fish.length - rows.length;
    const found = count(result.fish.length, "fish", "fish");
    const parts = [
      element("h3", { id: "fish-title" }, hidden ? `${found}, ${hidden} hidden` : found),
    ];
    if (rows.length) {
      parts.push(element("ul", { class: "fish", "aria-labelledby": "fish-title" }, ...rows));
    }
    const one = result.fish[chosen - 1];
    if (one && one.score >= threshold) {
      const name = `Fish ${chosen}`;
      parts.push(element("h3", { class: "one" }, name), bars(one.likelihoods, release, name));
    }
    return element("section", { "aria-labelledby": "fish-title" }, ...parts);
  }

  #row(fish, number, release, chosen) {
    const button = element(
      "button",
      { type: "button", "aria-pressed": String(number === chosen) },
      element("span", { class: `chip ${release.tone(fish.label)}` }, String(number)),
      species(fish.label, release),
      element("span", { class: "number" }, fish.score.toFixed(2)),
    );
    button.setAttribute("aria-label", release.describe(fish, number));
    button.addEventListener("click", () => {
      this.dispatchEvent(new CustomEvent("choose", { detail: number === chosen ? null : number }));
    });
    return element("li", {}, button);
  }

  #json(result) {
    const text = JSON.stringify(result, null, 2);
    const copy = element("button", { type: "button" }, "Copy JSON");
    copy.addEventListener("click", async () => {
      say(copy, (await copied(text)) ? "Copied" : "Copying is not allowed");
      setTimeout(() => say(copy, "Copy JSON"), COPIED_MS);
    });
    const shown = element(
      "pre",
      { class: "json", tabindex: 0, role: "region", "aria-label": "JSON" },
      text,
    );
    const title = element("summary", {}, "JSON");
    const block = element("details", { open: this.#open }, title, copy, shown);
    block.addEventListener("toggle", () => {
      this.#open = block.open;
    });
    return block;
  }
}

function whole(result, release) {
  const share = percent(result.likelihoods[result.label] ?? 0);
  return element(
    "section",
    { "aria-labelledby": "whole-title" },
    element("h3", { id: "whole-title" }, "Whole photograph"),
    element("p", { class: "big" }, `${release.commonName(result.label)}, ${share}`),
    bars(result.likelihoods, release, "Whole photograph"),
  );
}

// A bar for every class, the likeliest first.
function bars(likelihoods, release, of) {
  const rows = Object.entries(likelihoods)
    .sort(([, one], [, other]) => other - one)
    .map(([code, share]) => {
      const fill = element("div", { class: "fill" });
      fill.style.width = `${share * 100}%`;
      return element(
        "li",
        { class: "bar-row" },
        species(code, release),
        element("span", { class: "number" }, percent(share)),
        element("div", { class: "track", "aria-hidden": "true" }, fill),
      );
    });
  return element("ul", { class: "bars", "aria-label": `Likelihoods, ${of}` }, ...rows);
}

// The common name first, then the code; sensitive species say so in words.
export function species(code, release) {
  const name = release.commonName(code);
  return element(
    "span",
    {},
    name,
    name === code ? null : element("span", { class: "code" }, ` ${code}`),
    release.sensitive(code) ? element("span", { class: "sensitive" }, "▲ sensitive") : null,
  );
}

function focusedPlace(node) {
  return [...node.querySelectorAll("button, summary")].indexOf(document.activeElement);
}

// navigator.clipboard is there on https and on this machine alone; a ship's network has neither.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", { class: "unseen", "aria-hidden": "true" });
    field.value = text;
    const focused = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return done;
  }
}
