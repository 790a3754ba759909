// Which photographs the list shows.

import { byId, element } from "./dom.js";
import { CANCELLED, DONE, FAILED } from "./pictures.js";

const FILTERS = {
  all: ["All", () => true],
  fish: ["With fish", (picture, view) => picture.fish(view.threshold).length > 0],
  sensitive: [
    "Sensitive species",
    (picture, { release, threshold }) =>
      picture.fish(threshold).some(({ label }) => release.sensitive(label)),
  ],
  none: [
    "Without fish",
    (picture, view) => picture.state === DONE && !picture.fish(view.threshold).length,
  ],
  failed: ["Not recognised", (picture) => [FAILED, CANCELLED].includes(picture.state)],
};

// Fill the choice; call `changed` with the new test (picture, view) -> boolean.
export function connectFilter(changed) {
  const choice = byId("filter");
  for (const [value, [label]] of Object.entries(FILTERS)) {
    choice.append(element("option", { value }, label));
  }
  choice.addEventListener("change", () => changed(FILTERS[choice.value][1]));
  return FILTERS.all[1];
}
