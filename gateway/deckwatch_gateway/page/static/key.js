// The API key: kept for this tab only, and the form that asks for it.

import { byId, say } from "./dom.js";

const PLACE = "deckwatch.key";

export class Key {
  #value = null;
  #wanted = null; // what waits for a key: {promise, resolve}

  constructor() {
    try {
      this.#value = sessionStorage.getItem(PLACE);
    } catch {
      // Storage is switched off: the key lives as long as the page.
    }
  }

  get headers() {
    return this.#value ? { Authorization: `Bearer ${this.#value}` } : {};
  }

  // Wire the form; `test(headers)` resolves to a Problem with a key, or null where it is good.
  connect(test) {
    this.dialog = byId("key");
    this.button = byId("key-button");
    this.button.addEventListener("click", () => this.#open(""));
    this.button.hidden = this.#value === null;
    byId("key-cancel").addEventListener("click", () => this.dialog.close());
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take(test);
    });
  }

  // Resolves when there is a key that the gateway takes. `problem` says what was wrong before.
  ask(problem) {
    if (!this.#wanted) {
      this.#wanted = {};
      this.#wanted.promise = new Promise((resolve) => {
        this.#wanted.resolve = resolve;
      });
      this.#open(this.#value ? problem.detail : "");
    }
    return this.#wanted.promise;
  }

  #open(fault) {
    this.button.hidden = false;
    say(byId("key-fault"), fault);
    byId("key-value").value = "";
    if (!this.dialog.open) this.dialog.showModal();
    byId("key-value").focus();
  }

  async #take(test) {
    const given = byId("key-value").value.trim();
    if (!/^[\x21-\x7e]+$/.test(given)) {
      say(byId("key-fault"), "A key is one word of letters, digits and signs.");
      return;
    }
    const problem = await test({ Authorization: `Bearer ${given}` });
    if (problem) {
      say(byId("key-fault"), problem.detail);
      byId("key-value").select();
      return;
    }
    this.#value = given;
    try {
      sessionStorage.setItem(PLACE, given);
    } catch {
      // As above.
    }
    byId("key-value").value = "";
    this.dialog.close();
    this.#wanted?.resolve();
    this.#wanted = null;
  }
}
