// Small pictures for the list: only for rows in view, one at a time, the newest wish first.

const WIDTH = 128; // pixels; 64 CSS pixels on a dense screen
const KEPT = 400; // about 50 kB each

export class Thumbnails {
  #made = new Map(); // picture id -> ImageBitmap or null where there is none; oldest first
  #wished = new Map(); // canvas -> picture
  #busy = false;

  // Draw `picture` on `canvas`, now or later.
  show(picture, canvas) {
    if (this.#made.has(picture.id)) draw(canvas, this.#made.get(picture.id));
    else {
      this.#wished.set(canvas, picture);
      this.#work();
    }
  }

  // Nobody looks at `canvas` any more.
  forget(canvas) {
    this.#wished.delete(canvas);
  }

  clear() {
    for (const bitmap of this.#made.values()) bitmap?.close();
    this.#made.clear();
    this.#wished.clear();
  }

  async #work() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#wished.size) {
      const [canvas, picture] = [...this.#wished].at(-1);
      this.#wished.delete(canvas);
      if (!this.#made.has(picture.id)) this.#keep(picture.id, await make(picture.file));
      const bitmap = this.#made.get(picture.id);
      draw(canvas, bitmap);
    }
    this.#busy = false;
  }

  #keep(id, bitmap) {
    this.#made.set(id, bitmap);
    for (const [oldest, old] of this.#made) {
      if (this.#made.size <= KEPT) break;
      this.#made.delete(oldest);
      old?.close();
    }
  }
}

async function make(file) {
  try {
    return await createImageBitmap(file, { resizeWidth: WIDTH, resizeQuality: "medium" });
  } catch {
    return null; // TIFF, or no picture at all: the row's ground stays
  }
}

// Fills the canvas; what does not fit its shape is cut off on both sides.
function draw(canvas, bitmap) {
  if (!bitmap?.width) return;
  const scale = Math.max(canvas.width / bitmap.width, canvas.height / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  const context = canvas.getContext("2d");
  context.drawImage(
    bitmap,
    (canvas.width - width) / 2,
    (canvas.height - height) / 2,
    width,
    height,
  );
}
