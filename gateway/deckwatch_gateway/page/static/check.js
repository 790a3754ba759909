// What can be said of a file before it is sent: its bytes, its format, its pixels.

import { looksLike, size, sniff } from "./header.js";
import { bytes, megapixels } from "./numbers.js";
import { Problem } from "./problem.js";

// The size stands near the beginning, but cameras may put previews and colour profiles before it.
const HEAD_BYTES = 64 * 1024;
const LONG_HEAD_BYTES = 1024 * 1024;

// A Problem that spares sending `file`, or null; `release` names formats and limits.
export async function check(file, release) {
  try {
    return await look(file, release);
  } catch {
    return new Problem(
      "unreadable-image",
      "The browser cannot open it. It may have been moved, renamed or taken away since it was " +
        "chosen; choose it again. (A folder cannot be read as a photograph.)",
    );
  }
}

async function look(file, release) {
  if (file.size === 0) {
    return new Problem("empty-image", "It has no bytes. Copy it again from where it came from.");
  }
  const head = await read(file, HEAD_BYTES);
  const format = sniff(head, release.formats);
  if (format === null) return new Problem("unsupported-format", advice(head, release.formats));
  if (file.size > release.max_body_bytes) {
    return new Problem(
      "image-too-large",
      `It has ${bytes(file.size)}; this gateway takes up to ${bytes(release.max_body_bytes)}. ` +
        "Save it smaller, or as a JPEG.",
    );
  }
  const found =
    size(head, format.name) ?? size(await read(file, LONG_HEAD_BYTES), format.name);
  if (found === null || found.width * found.height <= release.max_pixels) return null;
  return new Problem(
    "too-many-pixels",
    `It is ${found.width} × ${found.height}, ${megapixels(found.width * found.height)}; this ` +
      `gateway takes up to ${megapixels(release.max_pixels)}. Scale it down.`,
  );
}

export function named(formats) {
  const names = formats.map((format) => format.name);
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

async function read(file, length) {
  return new Uint8Array(await file.slice(0, length).arrayBuffer());
}

function advice(head, formats) {
  const allowed = named(formats);
  const kind = looksLike(head);
  if (kind === "heic") {
    return (
      "It is a HEIC picture, as iPhones take them. Save it as JPEG: on a Mac, Preview, File, " +
      "Export; on the iPhone, Settings, Camera, Formats, Most Compatible makes new ones JPEG."
    );
  }
  if (kind === "video") {
    return `It is a video. Take single pictures from it, as ${allowed}, and add those.`;
  }
  if (kind !== null) return `It looks like ${kind}. Convert it to ${allowed}.`;
  return `Its content is none of the formats that this gateway reads: ${allowed}.`;
}
