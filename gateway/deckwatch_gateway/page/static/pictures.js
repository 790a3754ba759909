// The lot: every photograph that was added, and how far it is.

export const CHECKING = "checking"; // looked at here, before anything is sent
export const WAITING = "waiting";
export const SENDING = "sending";
export const RECOGNISING = "recognising";
export const DONE = "done";
export const FAILED = "failed";
export const CANCELLED = "cancelled";

const UNDER_WAY = new Set([CHECKING, WAITING, SENDING, RECOGNISING]);

export class Picture {
  state = CHECKING;
  progress = 0; // share of its bytes that were sent
  attempts = 0;
  result = null;
  problem = null;
  abort = null; // ends what is under way

  constructor(id, file, name) {
    this.id = id;
    this.file = file;
    this.name = name;
  }

  get underWay() {
    return UNDER_WAY.has(this.state);
  }

  // Its fish with a score of at least `threshold`, the surest first.
  fish(threshold) {
    return this.result ? this.result.fish.filter((fish) => fish.score >= threshold) : [];
  }
}

// Tells of every change with an event "change"; its `detail` is the picture, or null for many.
export class Pictures extends EventTarget {
  #byId = new Map();
  #last = 0;

  get all() {
    return [...this.#byId.values()];
  }

  get size() {
    return this.#byId.size;
  }

  get(id) {
    return this.#byId.get(id) ?? null;
  }

  // Add [{file, name}]; the new pictures.
  add(files) {
    const added = files.map(({ file, name }) => new Picture(++this.#last, file, name));
    for (const picture of added) this.#byId.set(picture.id, picture);
    this.#tell(null);
    return added;
  }

  change(picture, facts) {
    Object.assign(picture, facts);
    if (this.#byId.has(picture.id)) this.#tell(picture);
  }

  remove(picture) {
    picture.abort?.abort();
    this.#byId.delete(picture.id);
    this.#tell(null);
  }

  clear() {
    for (const picture of this.all) picture.abort?.abort();
    this.#byId.clear();
    this.#tell(null);
  }

  has(picture) {
    return this.#byId.has(picture.id);
  }

  #tell(picture) {
    this.dispatchEvent(new CustomEvent("change", { detail: picture }));
  }
}
