// The page: its parts made and tied together.

import { connectCard, showRelease } from "./card.js";
import { named } from "./check.js";
import { Details } from "./details.js";
import { byId, eachFrame, element, offer, say } from "./dom.js";
import { connectFilter } from "./filters.js";
import { Gateway } from "./gateway.js";
import { connectIntake } from "./intake.js";
import { Key } from "./key.js";
import { bytes, megapixels } from "./numbers.js";
import { CANCELLED, DONE, FAILED, Pictures } from "./pictures.js";
import { PictureList, UNSHOWN } from "./picture_list.js";
import { Queue } from "./queue.js";
import { ReleaseWatch } from "./release_watch.js";
import { Stage } from "./stage.js";
import { Status } from "./status.js";
import { connectTheme } from "./theme.js";
import { Thumbnails } from "./thumbnails.js";
import { Totals } from "./totals.js";
import { heading } from "./words.js";

const key = new Key();
const gateway = new Gateway(key);
const pictures = new Pictures();
const thumbnails = new Thumbnails();

// What all parts look at.
const view = {
  pictures,
  release: null,
  threshold: 0,
  names: true,
  fish: null, // number of the chosen fish
  passes: (picture) => view.filter(picture, view),
  filter: connectFilter((filter) => {
    view.filter = filter;
    list.update();
  }),
};

const list = new PictureList(byId("list"), view, thumbnails);
const stage = new Stage(gateway);
const details = new Details();
const totals = new Totals(view);
const status = new Status(view);
const watch = new ReleaseWatch(gateway, key);
const queue = new Queue(gateway, key, pictures, () => watch.release());

const draw = eachFrame(() => {
  const picture = list.selected;
  document.body.toggleAttribute("data-empty", pictures.size === 0);
  say(byId("viewer-title"), picture?.name ?? "No photograph chosen");
  stage.show(picture && !UNSHOWN.has(picture.problem?.code) ? picture : null);
  drawBoxes(picture);
  details.show(picture, view.release, view.threshold, view.fish);
  drawMessage(picture);
  drawButtons(picture);
  totals.show();
  status.show(picture);
  status.banner(queue.held ?? watch.trouble);
});

function drawBoxes(picture) {
  const found = picture?.result && view.release ? picture.result.fish : [];
  const fish = found
    .map((each, place) => ({ fish: each, number: place + 1 }))
    .filter(({ fish: each }) => each.score >= view.threshold);
  const size = picture?.result?.image ?? stage.size;
  stage.aim = found[view.fish - 1]?.box ?? null;
  if (view.release && size) stage.boxes.show(fish, size, view.release, view.fish, view.names);
  say(byId("caption"), picture?.result ? caption(picture.result) : "");
}

function caption({ image, release }) {
  const size = `${image.width} × ${image.height} pixels`;
  return `${size}, recognised by release ${release.name}, version ${release.version}`;
}

function drawMessage(picture) {
  const problem = picture?.state === FAILED ? picture.problem : null;
  const node = byId("message");
  node.classList.toggle("bad", problem !== null);
  const lines = problem ? [heading(problem.code), problem.detail] : ["", plain(picture)];
  const text = lines.join("\n");
  if (node.dataset.text === text) return;
  node.dataset.text = text;
  node.replaceChildren(
    ...(lines[0] ? [element("h3", {}, lines[0])] : []),
    ...(lines[1] ? [element("p", {}, lines[1])] : []),
  );
}

function plain(picture) {
  if (picture?.state === CANCELLED) return "Cancelled.";
  if (!stage.blank) return "";
  if (picture?.state === DONE) return "The gateway draws what this browser cannot show.";
  return "This browser cannot show this photograph.";
}

function drawButtons(picture) {
  const all = pictures.all;
  const again = (each) => each.state === FAILED || each.state === CANCELLED;
  const heir = byId("list");
  offer(byId("retry"), Boolean(picture && again(picture)), heir);
  offer(byId("cancel"), Boolean(picture?.underWay), heir);
  offer(byId("remove"), Boolean(picture), heir);
  offer(byId("retry-failed"), all.some(again), heir);
  offer(byId("cancel-all"), all.some((each) => each.underWay), heir);
}

function remove(picture) {
  if (picture) pictures.remove(picture);
  if (!pictures.size) byId("choose").focus();
}

pictures.addEventListener("change", () => {
  list.update();
  draw();
});
pictures.addEventListener("change", ({ detail: picture }) => {
  if (picture?.state === DONE) watch.saw(picture.result);
});
list.addEventListener("select", () => {
  view.fish = null;
  draw();
});
list.addEventListener("remove", () => remove(list.selected));
stage.addEventListener("change", draw);
queue.addEventListener("change", draw);
watch.addEventListener("change", () => {
  if (watch.current && watch.current !== view.release) {
    view.release = watch.current;
    showRelease(view.release);
    const { formats, max_body_bytes, max_pixels } = view.release;
    // iPhones turn HEIC into JPEG for whoever names formats and leaves HEIC out.
    byId("files").accept = formats.map((format) => format.media_type).join(",");
    say(
      byId("allowed"),
      `${named(formats)}, up to ${bytes(max_body_bytes)} and ${megapixels(max_pixels)}.`,
    );
    list.update();
  }
  draw();
});
for (const part of [stage.boxes, details]) {
  part.addEventListener("choose", ({ detail }) => {
    view.fish = detail;
    draw();
  });
}

byId("threshold").addEventListener("input", () => {
  view.threshold = Number(byId("threshold").value);
  say(byId("threshold-value"), view.threshold.toFixed(2));
  list.update();
  draw();
});
byId("names").addEventListener("change", () => {
  view.names = byId("names").checked;
  draw();
});
byId("retry").addEventListener("click", () => queue.retry(list.selected));
byId("cancel").addEventListener("click", () => queue.cancel(list.selected));
byId("remove").addEventListener("click", () => remove(list.selected));
byId("retry-failed").addEventListener("click", () => {
  for (const picture of pictures.all) {
    if ([FAILED, CANCELLED].includes(picture.state)) queue.retry(picture);
  }
});
byId("cancel-all").addEventListener("click", () => {
  for (const picture of pictures.all) queue.cancel(picture);
});
byId("clear").addEventListener("click", () => {
  thumbnails.clear();
  pictures.clear();
  byId("choose").focus();
});
addEventListener("beforeunload", (event) => {
  if (pictures.all.some((picture) => picture.underWay)) event.preventDefault();
});

connectTheme();
connectCard();
connectIntake((files) => queue.add(pictures.add(files)));
key.connect((headers) => gateway.refuses(headers));
watch.start();
