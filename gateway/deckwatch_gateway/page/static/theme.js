// Light, dark, or as the system has it; theme_early.js does the same before the first paint.

import { byId } from "./dom.js";

const PLACE = "deckwatch.theme";
const MEDIA = { system: "(prefers-color-scheme: dark)", light: "not all", dark: "all" };

export function connectTheme() {
  const choice = byId("theme");
  try {
    const kept = localStorage.getItem(PLACE);
    if (kept in MEDIA) choice.value = kept;
  } catch {
    // Storage is switched off; the choice lasts as long as the page.
  }
  choice.addEventListener("change", () => {
    byId("dark").media = MEDIA[choice.value];
    try {
      localStorage.setItem(PLACE, choice.value);
    } catch {
      // As above.
    }
  });
}
