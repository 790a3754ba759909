// Dragging an enlarged picture with the mouse; fingers scroll by themselves.

const SLACK = 4; // CSS pixels that a click may move

export function connectPan(node) {
  let from = null; // where it was pressed: {x, y, left, top}
  node.addEventListener("pointerdown", (event) => {
    node.classList.remove("panning"); // the timer below may be late
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    from = { x: event.clientX, y: event.clientY, left: node.scrollLeft, top: node.scrollTop };
  });
  node.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [across, down] = [event.clientX - from.x, event.clientY - from.y];
    if (!node.classList.contains("panning")) {
      if (Math.hypot(across, down) <= SLACK) return;
      node.classList.add("panning");
      node.setPointerCapture(event.pointerId);
    }
    node.scrollTo(from.left - across, from.top - down);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    node.addEventListener(end, () => {
      from = null;
      // After the click that follows, which belongs to the drag.
      setTimeout(() => node.classList.remove("panning"), 0);
    });
  }
  node.addEventListener(
    "click",
    (event) => {
      if (node.classList.contains("panning")) event.stopPropagation();
    },
    { capture: true },
  );
}
