// The list of photographs. Only the rows in view exist, so that thousands cost no more than ten.

import { element, eachFrame, say } from "./dom.js";
import { count } from "./numbers.js";
import { CANCELLED, CHECKING, DONE, FAILED, RECOGNISING, SENDING } from "./pictures.js";
import { heading } from "./words.js";

const SPARE = 4; // rows kept beyond both edges
// No browser should be asked to decode what was refused as a bomb or as no picture at all.
export const UNSHOWN = new Set([
  "too-many-pixels",
  "image-too-large",
  "unsupported-format",
  "empty-image",
]);

export class PictureList extends EventTarget {
  #rows = new Map(); // picture id -> row element
  #shown = []; // the pictures that pass the filter
  #selected = null;

  // `view` has `pictures`, `release`, `threshold` and `passes(picture)`.
  constructor(node, view, thumbnails) {
    super();
    this.node = node;
    this.view = view;
    this.thumbnails = thumbnails;
    this.space = node.appendChild(element("div", { class: "rows", role: "presentation" }));
    this.none = element("p", { class: "hint filled", hidden: true });
    this.none.textContent = "No photograph is of this kind.";
    node.after(this.none);
    this.update = eachFrame(() => this.#update());
    node.addEventListener("scroll", eachFrame(() => this.#draw()), { passive: true });
    node.addEventListener("keydown", (event) => this.#key(event));
    this.space.addEventListener("click", (event) => {
      const row = event.target.closest(".picture");
      if (row) this.select(this.view.pictures.get(Number(row.dataset.id)));
    });
    new ResizeObserver(this.update).observe(node);
  }

  get selected() {
    return this.#selected;
  }

  select(picture) {
    if (picture === this.#selected) return;
    this.#selected = picture;
    this.#draw();
    this.dispatchEvent(new Event("select"));
  }

  #update() {
    this.#shown = this.view.pictures.all.filter((picture) => this.view.passes(picture));
    this.none.hidden = this.#shown.length > 0;
    const gone = this.#selected && !this.view.pictures.has(this.#selected);
    if (gone || !this.#selected) {
      this.select(this.#shown[this.#place ?? 0] ?? this.#shown.at(-1) ?? null);
    }
    this.#draw();
  }

  #place = null; // of the selected picture in #shown

  #draw() {
    const place = this.#shown.indexOf(this.#selected);
    if (place >= 0) this.#place = place;
    const height = this.#rowHeight();
    this.space.style.height = `${this.#shown.length * height}px`;
    const first = Math.max(0, Math.floor(this.node.scrollTop / height) - SPARE);
    const fits = Math.ceil(this.node.clientHeight / height) + 2 * SPARE + 1;
    const last = Math.min(this.#shown.length, first + fits);
    const visible = this.#shown.slice(first, last);
    this.#drop(new Set(visible.map((picture) => picture.id)));
    let next = this.space.firstChild;
    visible.forEach((picture, line) => {
      const row = this.#rows.get(picture.id) ?? this.#make(picture);
      if (row === next) next = row.nextSibling;
      else this.space.insertBefore(row, next);
      this.#fill(row, picture, first + line, height);
    });
    const active = this.#selected && this.#rows.get(this.#selected.id);
    if (active) this.node.setAttribute("aria-activedescendant", active.id);
    else this.node.removeAttribute("aria-activedescendant");
  }

  // A row belongs to its picture as long as it is in view: who aims at it must not hit another.
  #make(picture) {
    const row = makeRow(picture);
    this.#rows.set(picture.id, row);
    return row;
  }

  #drop(kept) {
    for (const [id, row] of this.#rows) {
      if (kept.has(id)) continue;
      this.thumbnails.forget(row.canvas);
      row.remove();
      this.#rows.delete(id);
    }
  }

  #fill(row, picture, place, height) {
    row.style.transform = `translateY(${place * height}px)`;
    row.setAttribute("aria-posinset", place + 1);
    row.setAttribute("aria-setsize", this.#shown.length);
    row.setAttribute("aria-selected", picture === this.#selected);
    say(row.state, this.#describe(picture));
    row.state.title = row.state.textContent;
    row.state.classList.toggle("fault", picture.state === FAILED);
    row.progress.hidden = ![SENDING, RECOGNISING].includes(picture.state);
    row.progress.firstChild.style.width = `${picture.progress * 100}%`;
    if (row.drawn || picture.state === CHECKING || UNSHOWN.has(picture.problem?.code)) return;
    row.drawn = true;
    this.thumbnails.show(picture, row.canvas);
  }

  #describe(picture) {
    if (picture.state === DONE) return describe(picture, this.view);
    if (picture.state === FAILED) return heading(picture.problem.code);
    if (picture.state === SENDING) return `sending, ${Math.round(picture.progress * 100)} %`;
    if (picture.state === CANCELLED) return "cancelled";
    return picture.state;
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.node.clientHeight / this.#rowHeight()) - 1);
    const place = this.#shown.indexOf(this.#selected);
    const target = {
      ArrowDown: place + 1,
      ArrowUp: place - 1,
      PageDown: place + page,
      PageUp: place - page,
      Home: 0,
      End: this.#shown.length - 1,
    }[event.key];
    if (event.key === "Delete" && this.#selected) {
      this.dispatchEvent(new Event("remove"));
      this.#update(); // at once: the next Delete may come before the next frame
    } else if (target === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    else this.#go(Math.min(Math.max(target, 0), this.#shown.length - 1));
    event.preventDefault();
  }

  #go(place) {
    if (place < 0) return;
    const height = this.#rowHeight();
    const [top, view] = [this.node.scrollTop, this.node.clientHeight];
    if (place * height < top) this.node.scrollTop = place * height;
    else if ((place + 1) * height > top + view) this.node.scrollTop = (place + 1) * height - view;
    this.select(this.#shown[place]);
  }

  // In rem, so that rows grow with the reader's letters.
  #rowHeight() {
    return 4 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }
}

// "2 fish: shark, ray"; what is hidden by the threshold is not counted.
export function describe(picture, { release, threshold }) {
  const fish = picture.fish(threshold);
  if (!fish.length) return "no fish";
  const names = [...new Set(fish.map((each) => release.commonName(each.label)))];
  const care = fish.some((each) => release.sensitive(each.label)) ? "▲ " : "";
  return `${care}${count(fish.length, "fish", "fish")}: ${names.join(", ")}`;
}

function makeRow(picture) {
  const row = element("div", { class: "picture", role: "option", id: `picture-${picture.id}` });
  row.dataset.id = picture.id;
  row.canvas = element("canvas", { width: 128, height: 96, "aria-hidden": "true" });
  const name = element("span", { class: "name", title: picture.name }, picture.name);
  row.state = element("span", { class: "state" });
  row.progress = element("span", { class: "progress" }, element("div", { class: "fill" }));
  row.append(row.canvas, name, row.state, row.progress);
  return row;
}
