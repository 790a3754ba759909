// Knows the release that answers: asks at the start, and again when a result names another.

import { Release } from "./release.js";

const LONGEST_PAUSE_S = 15;

export class ReleaseWatch extends EventTarget {
  current = null;
  trouble = null; // {reason, text?} while it cannot be told
  #asking = null;

  constructor(gateway, key) {
    super();
    this.gateway = gateway;
    this.key = key;
  }

  start() {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  // The release, as soon as there is one.
  async release() {
    if (!this.current) await this.start();
    return this.current;
  }

  saw(result) {
    if (this.current && !this.current.made(result)) this.start();
  }

  async #ask() {
    for (let pause = 1; ; pause = Math.min(LONGEST_PAUSE_S, pause * 2)) {
      try {
        this.#set(new Release(await this.gateway.release()), null);
        return;
      } catch (problem) {
        if (problem.wantsKey) {
          this.#set(this.current, { reason: "key" });
          await this.key.ask(problem);
        } else {
          this.#set(this.current, { reason: "away", text: problem.detail });
          await new Promise((resolve) => {
            setTimeout(resolve, 1000 * Math.max(pause, problem.retryAfter ?? 0));
          });
        }
      }
    }
  }

  #set(release, trouble) {
    this.current = release;
    this.trouble = trouble;
    this.dispatchEvent(new Event("change"));
  }
}
