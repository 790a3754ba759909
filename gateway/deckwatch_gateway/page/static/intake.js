// Ways in: drop (files and folders), paste, the file chooser, a phone's camera.

import { byId } from "./dom.js";

// Calls `take([{file, name}])` for whatever comes in.
export function connectIntake(take) {
  chooser("choose", "files", take);
  chooser("take", "camera", take);
  // A desk's file chooser cannot take photographs; it would only be the same button twice.
  byId("take").hidden = !matchMedia("(pointer: coarse)").matches;
  drop(take);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files.map((file) => ({ file, name: pastedName(file) })));
  });
}

function chooser(button, input, take) {
  const field = byId(input);
  byId(button).addEventListener("click", () => field.click());
  field.addEventListener("change", () => {
    take([...field.files].map((file) => ({ file, name: file.name })));
    field.value = ""; // so that the same file can be chosen again
  });
}

function drop(take) {
  const sign = byId("dropping");
  let depth = 0; // enter and leave come for every element that is crossed
  const brings = (event) => event.dataTransfer?.types.includes("Files");
  const show = (change) => {
    depth = change === 0 ? 0 : Math.max(0, depth + change);
    sign.classList.toggle("shown", depth > 0);
  };
  addEventListener("dragenter", (event) => brings(event) && show(1));
  addEventListener("dragleave", (event) => brings(event) && show(-1));
  addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault(); // without it the browser opens the file instead
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", async (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    show(0);
    // Entries and files must be taken before the first await: then the browser forgets them.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    const files = [...event.dataTransfer.files];
    if (entries.some((entry) => entry?.isDirectory)) take(await walked(entries));
    else take(files.map((file) => ({ file, name: file.name })));
  });
}

// The files in folders, in order of their names; hidden ones, which nobody means, are left out.
async function walked(entries) {
  const found = [];
  for (const entry of entries) {
    if (!entry || entry.name.startsWith(".")) continue;
    if (entry.isDirectory) found.push(...(await walked(await children(entry))));
    else found.push(await opened(entry));
  }
  return found;
}

function opened(entry) {
  const name = entry.fullPath.replace(/^\//, "");
  return new Promise((resolve) => {
    entry.file(
      (file) => resolve({ file, name }),
      () => resolve({ file: unreadable(entry.name), name }),
    );
  });
}

// A folder's entries come in batches, until an empty one.
async function children(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const batch = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!batch.length) break;
    found.push(...batch);
  }
  return found.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
}

// Stands for a file that could be listed but not opened; the check refuses it as empty.
function unreadable(name) {
  return new File([], name);
}

function pastedName(file) {
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
  const kind = file.name.includes(".") ? file.name.slice(file.name.lastIndexOf(".")) : ".png";
  // Browsers call every picture in the clipboard "image.png"; copied files keep their names.
  return file.name && file.name !== "image.png" ? file.name : `pasted ${time}${kind}`;
}
