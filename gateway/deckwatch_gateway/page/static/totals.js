// The sums over the lot: how many photographs and which species, and the files to take home.

import { csv, table } from "./csv.js";
import { species } from "./details.js";
import { byId, element, say } from "./dom.js";
import { count } from "./numbers.js";
import { DONE, FAILED } from "./pictures.js";

export class Totals {
  #drawn = "";

  constructor(view) {
    this.view = view;
    byId("csv").addEventListener("click", () => this.#csv());
    byId("jsonl").addEventListener("click", () => this.#jsonl());
  }

  show() {
    const { pictures, release, threshold } = this.view;
    const all = pictures.all;
    const fish = new Map();
    for (const picture of all) {
      for (const { label } of picture.fish(threshold)) fish.set(label, (fish.get(label) ?? 0) + 1);
    }
    say(byId("counts"), summary(all));
    const done = all.some((picture) => picture.state === DONE);
    byId("csv").disabled = byId("jsonl").disabled = !release || !done;
    const key = JSON.stringify([release?.title, [...fish].sort()]);
    if (key === this.#drawn || !release) return;
    this.#drawn = key;
    const rows = [...fish].sort(([, one], [, other]) => other - one);
    byId("species").replaceChildren(
      ...rows.map(([code, number]) =>
        element(
          "li",
          {},
          element("span", { class: `dot ${release.tone(code)}`, "aria-hidden": "true" }),
          species(code, release),
          element("span", { class: "count" }, String(number)),
        ),
      ),
    );
  }

  #csv() {
    const { pictures, release, threshold } = this.view;
    save("deckwatch.csv", "text/csv", csv(table(pictures.all, release, threshold)));
  }

  // One result a line, as `classify --json` prints them: all fish, whatever the threshold.
  #jsonl() {
    const results = this.view.pictures.all.filter((picture) => picture.result);
    const lines = results.map((picture) => `${JSON.stringify(picture.result)}\n`);
    save("deckwatch.jsonl", "application/jsonl", lines.join(""));
  }
}

// "12 photographs: 10 recognised, 1 under way, 1 failed"
export function summary(all) {
  const done = all.filter((picture) => picture.state === DONE).length;
  const failed = all.filter((picture) => picture.state === FAILED).length;
  const left = all.filter((picture) => picture.underWay).length;
  const parts = [`${done} recognised`];
  if (left) parts.push(`${left} to go`);
  if (failed) parts.push(`${failed} failed`);
  return `${count(all.length, "photograph")}: ${parts.join(", ")}`;
}

function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has taken hold of it by the next turn.
  setTimeout(() => URL.revokeObjectURL(address), 0);
}
