// The model card of the release, in a dialog.

import { byId, say } from "./dom.js";
import { render } from "./markdown.js";

export function connectCard() {
  const dialog = byId("card");
  byId("release-button").addEventListener("click", () => dialog.showModal());
  byId("card-close").addEventListener("click", () => dialog.close());
}

export function showRelease(release) {
  byId("release-button").disabled = false;
  say(byId("release-name"), `Release ${release.title}`);
  say(byId("card-title"), `Release ${release.title}`);
  const card = release.model_card.trim() ? render(release.model_card) : [];
  byId("card-text").replaceChildren(...card);
  if (!card.length) byId("card-text").textContent = "This release came without a model card.";
}
