// What the first bytes of a file say: its format, and its size in pixels where that is cheap.

// The format of the gateway's list (`{name, signatures}`) that `head` begins like, or null.
export function sniff(head, formats) {
  const hex = Array.from(head.subarray(0, 32), (byte) => byte.toString(16).padStart(2, "0"));
  const start = hex.join("");
  const begins = (signature) =>
    start.length >= signature.length &&
    [...signature].every((digit, place) => digit === "." || digit === start[place]);
  return formats.find((format) => format.signatures.some(begins)) ?? null;
}

const LOOKS = [
  [/^....ftyp(heic|heix|hevc|heim|heis|mif1|msf1)/s, "heic"],
  [/^....ftypavi[fs]/s, "an AVIF picture"],
  [/^....ftypcrx/s, "a camera's raw file"],
  [/^....ftyp/s, "video"],
  [/^RIFF....AVI /s, "video"],
  [/^\x1aE\xdf\xa3/, "video"],
  [/^GIF8/, "a GIF picture"],
  [/^%PDF/, "a PDF document"],
  [/^PK\x03\x04/, "a ZIP archive or an office document"],
  [/^(\xff\x0a|\0\0\0\x0cJXL )/, "a JPEG XL picture"],
  [/^(\0\0\0\x0cjP {2}|\xff\x4f\xff\x51)/, "a JPEG 2000 picture"],
  [/^8BPS/, "a Photoshop document"],
  [/^\s*(<\?xml[^>]*>\s*)?<svg/i, "an SVG drawing"],
  [/^\s*<(!doctype )?html/i, "a web page"],
  [/^[\t\n\r\x20-\x7e\xa0-\xff]*$/, "text"],
];

// What a file of no allowed format seems to be: words, "heic", "video", or null.
export function looksLike(head) {
  const text = String.fromCharCode(...head.subarray(0, 256));
  return LOOKS.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}

// Stored width and height from the head of a JPEG, PNG, WebP or BMP; null where it does not say.
export function size(head, formatName) {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  try {
    return READERS[formatName]?.(view) ?? null;
  } catch (error) {
    if (error instanceof RangeError) return null; // the head ends before the size
    throw error;
  }
}

// ITU T.81 annex B: segments up to the frame header.
function jpeg(view) {
  let place = 2;
  while (view.getUint8(place) === 0xff) {
    const marker = view.getUint8(place + 1);
    if (marker === 0xff) {
      place += 1; // a fill byte
      continue;
    }
    if (marker === 0xda || marker === 0xd9) return null;
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) return { width: view.getUint16(place + 7), height: view.getUint16(place + 5) };
    place += 2 + Math.max(2, view.getUint16(place + 2));
  }
  return null;
}

function png(view) {
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

// RFC 9649: the first chunk says it, extended, lossless or lossy.
function webp(view) {
  const kind = view.getUint32(12);
  if (kind === 0x56503858) return { width: uint24(view, 24) + 1, height: uint24(view, 27) + 1 };
  if (kind === 0x5650384c) {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (kind !== 0x56503820) return null;
  return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}

function bmp(view) {
  if (view.getUint32(14, true) === 12) {
    return { width: view.getUint16(18, true), height: view.getUint16(20, true) };
  }
  return { width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)) };
}

function uint24(view, place) {
  return view.getUint16(place, true) | (view.getUint8(place + 2) << 16);
}

const READERS = { JPEG: jpeg, PNG: png, WebP: webp, BMP: bmp };
