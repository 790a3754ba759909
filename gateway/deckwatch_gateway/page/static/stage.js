// Where the chosen photograph is shown with its boxes: fitted, or larger and scrolled.

import { Boxes } from "./boxes.js";
import { byId, element } from "./dom.js";
import { connectPan } from "./pan.js";

const STEP = 1.5;
const MOST = 16;
const SCROLLING = { tabindex: 0, role: "region", "aria-label": "Enlarged picture" };
const MOST_UPSCALE = 3; // a small picture is not blown up beyond this to fit

// Tells with an event "change" when a picture came up, or could not.
export class Stage extends EventTarget {
  boxes = new Boxes();
  #picture = null;
  #image; // the img element; undefined while it loads, null where it cannot be shown
  #address = null; // its object URL
  #size = null; // of the upright picture, in its own pixels
  #zoom = 1; // 1 is fitted
  #drawing = null; // ends what is being asked of the gateway

  constructor(gateway) {
    super();
    this.gateway = gateway;
    this.node = byId("stage");
    this.frame = byId("frame");
    new ResizeObserver(() => this.#lay()).observe(this.node);
    connectPan(this.node);
    byId("larger").addEventListener("click", () => this.zoom(this.#zoom * STEP));
    byId("smaller").addEventListener("click", () => this.zoom(this.#zoom / STEP));
    byId("fit").addEventListener("click", () => this.zoom(1));
    this.zoom(1);
  }

  // What to keep in the middle when it is enlarged: a box of the picture, or null for the middle.
  aim = null;

  // Show `picture`, or nothing; again whenever its result came.
  show(picture) {
    if (picture !== this.#picture) this.#begin(picture);
    this.#settle();
  }

  // {width, height} to draw on, or null while there is no picture.
  get size() {
    return this.#image ? this.#size : null;
  }

  // Whether the picture can be shown neither here nor by way of the gateway (yet).
  get blank() {
    return this.#picture !== null && this.#image === null;
  }

  zoom(factor) {
    const middle = this.#middle();
    this.#zoom = Math.min(MOST, Math.max(1, factor));
    if (this.#zoom < 1.01) this.#zoom = 1;
    const zoomed = this.#zoom > 1;
    this.node.classList.toggle("zoomed", zoomed);
    // What scrolls must be reached by Tab, and then be called something.
    for (const [name, value] of Object.entries(SCROLLING)) {
      if (zoomed) this.node.setAttribute(name, value);
      else this.node.removeAttribute(name);
    }
    this.#offerZoom(zoomed);
    this.#lay();
    const { clientWidth, clientHeight } = this.node;
    this.node.scrollTo(
      middle.across * this.frame.offsetWidth - clientWidth / 2,
      middle.down * this.frame.offsetHeight - clientHeight / 2,
    );
  }

  // A button that is switched off hands its focus on, or it would be lost.
  #offerZoom(zoomed) {
    const focused = document.activeElement;
    const [smaller, fit, larger] = [byId("smaller"), byId("fit"), byId("larger")];
    smaller.disabled = fit.disabled = !zoomed;
    larger.disabled = this.#zoom >= MOST;
    if (focused === smaller || focused === fit) (zoomed ? focused : larger).focus();
    if (focused === larger && larger.disabled) smaller.focus();
  }

  // As shares of the picture's width and height.
  #middle() {
    if (this.aim && this.#size) {
      const [left, top, right, bottom] = this.aim;
      const { width, height } = this.#size;
      return { across: (left + right) / 2 / width, down: (top + bottom) / 2 / height };
    }
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.node;
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = this.frame;
    return {
      across: (scrollLeft + clientWidth / 2 - offsetLeft) / (offsetWidth || 1),
      down: (scrollTop + clientHeight / 2 - offsetTop) / (offsetHeight || 1),
    };
  }

  #begin(picture) {
    this.#drawing?.abort();
    this.#drawing = null;
    this.#picture = picture;
    this.#drop();
    this.#size = null;
    this.zoom(1);
    if (picture) this.#load(picture, picture.file);
  }

  // The answer's size is the truth: boxes are in pixels of the upright picture.
  #settle() {
    const result = this.#picture?.result;
    if (!result || this.#image === undefined) return;
    const { width, height } = result.image;
    const same = this.#image?.naturalWidth === width && this.#image?.naturalHeight === height;
    this.#size = { width, height };
    // What this browser cannot show (TIFF), or turns otherwise, the gateway draws.
    if (!same && !this.#drawing) {
      this.#drop();
      this.#image = null;
      this.#draw(this.#picture);
    }
    this.#lay();
  }

  async #load(picture, content) {
    const address = URL.createObjectURL(content);
    const image = element("img", { alt: picture.name, draggable: "false" });
    image.src = address;
    const fine = await image.decode().then(() => true, () => false);
    if (!fine || picture !== this.#picture) URL.revokeObjectURL(address);
    if (picture !== this.#picture) return;
    this.#drop();
    this.#image = fine ? image : null;
    if (fine) {
      this.#address = address;
      this.#size = { width: image.naturalWidth, height: image.naturalHeight };
      this.frame.append(image, this.boxes.node);
    }
    this.#settle();
    this.#lay();
    this.dispatchEvent(new Event("change"));
  }

  async #draw(picture) {
    this.#drawing = new AbortController();
    try {
      await this.#load(picture, await this.gateway.drawn(picture.file, this.#drawing.signal));
    } catch {
      // Given up, or the gateway cannot now; what there is stays.
    }
  }

  #drop() {
    this.frame.replaceChildren();
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = null;
    this.#image = undefined;
  }

  #lay() {
    if (!this.#size) return;
    const { width, height } = this.#size;
    // On a narrow screen the stage takes the picture's shape, within reason.
    this.node.style.setProperty("--shape", Math.min(2.4, Math.max(0.75, width / height)));
    const { clientWidth, clientHeight } = this.node;
    const fitted = Math.min(clientWidth / width, clientHeight / height, MOST_UPSCALE);
    this.frame.style.width = `${width * fitted * this.#zoom}px`;
    this.frame.style.height = `${height * fitted * this.#zoom}px`;
    this.boxes.place();
  }
}
