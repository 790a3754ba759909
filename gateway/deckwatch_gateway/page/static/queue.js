// Sends the photographs, a few at a time, and waits where the gateway asks for it.
//
// A busy gateway (429, or 503 with too much to do) is asked again after its Retry-After, as often
// as it takes. One that is away is waited for until it says it is ready; a picture that finds it
// away time after time may itself be the cause, and is put aside.

import { check } from "./check.js";
import { CANCELLED, CHECKING, DONE, FAILED, RECOGNISING, SENDING, WAITING } from "./pictures.js";

const AT_ONCE = 2;
const ATTEMPTS = 4;
const LONGEST_WAIT_S = 30;

export class Queue extends EventTarget {
  #waiting = [];
  #running = 0;
  #held = null; // {reason, until}: nothing is sent meanwhile
  #refusals = 0; // in a row, over all pictures

  constructor(gateway, key, pictures, release) {
    super();
    this.gateway = gateway;
    this.key = key;
    this.pictures = pictures;
    this.release = release; // a function that resolves to the release
  }

  // Why nothing is sent at the moment: {reason: "busy" | "away" | "key", until} or null.
  get held() {
    return this.#held;
  }

  async add(added) {
    const release = await this.release();
    for (const picture of added) {
      if (picture.state !== CHECKING || !this.pictures.has(picture)) continue;
      const problem = await check(picture.file, release);
      if (picture.state !== CHECKING) continue; // cancelled meanwhile
      if (problem) this.pictures.change(picture, { state: FAILED, problem });
      else this.#put(picture);
    }
  }

  retry(picture) {
    if (picture.underWay) return;
    this.pictures.change(picture, { state: CHECKING, problem: null, attempts: 0, progress: 0 });
    this.add([picture]);
  }

  cancel(picture) {
    if (!picture.underWay) return;
    this.pictures.change(picture, { state: CANCELLED, progress: 0 });
    picture.abort?.abort();
  }

  #put(picture) {
    this.pictures.change(picture, { state: WAITING });
    this.#waiting.push(picture);
    this.#pump();
  }

  #pump() {
    while (!this.#held && this.#running < AT_ONCE && this.#waiting.length) {
      const picture = this.#waiting.shift();
      if (picture.state === WAITING && this.pictures.has(picture)) this.#send(picture);
    }
  }

  async #send(picture) {
    this.#running += 1;
    picture.abort = new AbortController();
    this.pictures.change(picture, { state: SENDING, progress: 0 });
    try {
      const result = await this.gateway.recognise(picture.file, {
        signal: picture.abort.signal,
        onProgress: (progress) => this.pictures.change(picture, { progress }),
        onSent: () => this.pictures.change(picture, { state: RECOGNISING, progress: 1 }),
      });
      // As the gateway itself names a picture that comes in a form.
      result.image = { file: picture.name, ...result.image };
      this.#refusals = 0;
      this.pictures.change(picture, { state: DONE, result });
    } catch (problem) {
      if (problem.name !== "AbortError") this.#settle(picture, problem);
    } finally {
      picture.abort = null;
      this.#running -= 1;
      this.#pump();
    }
  }

  #settle(picture, problem) {
    if (problem.wantsKey) this.#hold("key", picture, () => this.key.ask(problem));
    else if (problem.busy) this.#hold("busy", picture, () => this.#pause(problem));
    else if (problem.away && ++picture.attempts < ATTEMPTS) {
      this.#hold("away", picture, () => this.#return(problem));
    } else this.pictures.change(picture, { state: FAILED, problem, progress: 0 });
  }

  // Send nothing until `over()` resolves; `picture` is then the next.
  #hold(reason, picture, over) {
    this.pictures.change(picture, { state: WAITING, progress: 0 });
    this.#waiting.unshift(picture);
    if (this.#held) return; // two pictures meet the same refusal
    this.#held = { reason, until: null };
    this.#tell();
    over().then(() => {
      this.#held = null;
      this.#tell();
      this.#pump();
    });
  }

  #pause(problem) {
    this.#refusals += 1;
    const patience = Math.min(LONGEST_WAIT_S, 2 ** Math.min(this.#refusals - 1, 5));
    return this.#wait(Math.max(problem.retryAfter ?? 1, patience));
  }

  async #return(problem) {
    let wait = problem.retryAfter ?? 1;
    for (let found = problem; found?.away; found = await this.gateway.ready()) {
      await this.#wait(wait);
      wait = Math.min(LONGEST_WAIT_S, wait * 2);
    }
    if (problem.status !== 0) return;
    // A refusal that came before the upload was through can be lost with it.
    const refusal = await this.gateway.refuses(this.key.headers);
    if (refusal?.wantsKey) {
      this.#held = { reason: "key", until: null };
      this.#tell();
      await this.key.ask(refusal);
    }
  }

  #wait(seconds) {
    this.#held.until = Date.now() + seconds * 1000;
    this.#tell();
    return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
