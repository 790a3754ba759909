// The release that answers: its name, its species, what a picture may be.

const TONES = 7; // as many as boxes.css has
const NO_FISH = "NoF";

export class Release {
  constructor(described) {
    Object.assign(this, described);
    this.tones = new Map(
      described.labels
        .filter((species) => species.code !== NO_FISH)
        .map((species, place) => [species.code, `tone-${place % TONES}`]),
    );
  }

  get title() {
    return `${this.name}, version ${this.version}`;
  }

  // Whether `result` was made by it.
  made(result) {
    return result.release.name === this.name && result.release.version === this.version;
  }

  // Common name of a class; its code where this release does not know it.
  commonName(code) {
    return this.#species(code)?.common_name ?? code;
  }

  sensitive(code) {
    return this.#species(code)?.sensitive ?? false;
  }

  // One fish in words, for those who hear it; `number` is its place, the surest is 1.
  describe(fish, number) {
    const care = this.sensitive(fish.label) ? ", sensitive species" : "";
    return `Fish ${number}: ${this.commonName(fish.label)}${care}, score ${fish.score.toFixed(2)}`;
  }

  // The CSS class that carries a species' colour; none for "no fish".
  tone(code) {
    return this.tones.get(code) ?? "";
  }

  #species(code) {
    return this.labels.find((species) => species.code === code);
  }
}
