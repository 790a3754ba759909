"""What a background does where it should do nothing: still fish, a camera that turns or is none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import part
from benchmarks.fixed_cameras import Amount, Seen, dropped_from, learnt_from
from deckwatch_client.background import compare
from deckwatch_client.background.options import FEWEST, UNCHANGED
from deckwatch_client.background.stage import BackgroundStage
from deckwatch_client.background.store import Backgrounds
from deckwatch_client.local import LocalBackend
from deckwatch_training import catalogue
from deckwatch_vision.boxes import iou
from deckwatch_vision.images import decode, encode_jpeg

# Shares of the pictures in which a fish lies still.
LYING = (0.25, 0.4, 0.5, 0.6, 0.75, 0.9)
SHIFTS = (0, 2, 4, 8, 16, 32, 64)


def still(seen: list[Seen], folder: Path) -> list[dict[str, Any]]:
    """Real fish that never stir, by the share of the pictures learnt from in which they lie there.

    At most one of each sequence: its place is copied into a share of those pictures of the sequence
    in which no fish lies there.
    """
    rows = [{"share": share, "fish": 0, "dropped": 0} for share in LYING]
    done = set()
    for each in seen:
        run = (each.entry.camera, each.sequence)
        fish = next((f for f in each.result.fish if each.real([f])[0]), None)
        if fish is None or run in done:
            continue
        place = np.array([fish.box], np.float32)
        others = [e for e in seen if (e.entry.camera, e.sequence) == run]
        clean = [e for e in others if not iou(place, e.boxes).any()]
        if len(clean) < FEWEST:
            continue
        done.add(run)
        left, top, right, bottom = (max(0, round(edge)) for edge in fish.box)
        lying = decode(each.data)[top:bottom, left:right]
        for number, row in enumerate(rows):
            pictures = []
            for turn, other in enumerate(clean):
                pixels = decode(other.data).copy()
                # So many of them, evenly.
                if int((turn + 1) * row["share"]) > int(turn * row["share"]):
                    pixels[top:bottom, left:right] = lying
                pictures.append(replace(other, data=encode_jpeg(pixels, 95)))
            stage = learnt_from(pictures, folder / f"still-{number}")
            row["fish"] += 1
            row["dropped"] += fish in dropped_from(stage, each)[1]
    return rows


def moved(seen: list[Seen], store: Backgrounds) -> list[dict[str, Any]]:
    """The camera turned by some pixels after it was learnt; fish move with the picture."""
    rows = []
    pictures = [each for each in seen if each.result.fish][::3]
    for shift in SHIFTS:
        fits, real, lost, false, dropped = 0, 0, 0, 0, 0
        for each in pictures:
            views = store.of(each.entry.camera, night=bool(each.entry.night))
            pixels = np.roll(decode(each.data), shift, axis=1)
            match = compare.best_match(pixels, [compare.View(view) for view in views])
            fits += match is not None
            for fish, hit in zip(each.result.fish, each.real(each.result.fish), strict=True):
                box = (fish.box[0] + shift, fish.box[1], fish.box[2] + shift, fish.box[3])
                static = match is not None and match.unchanged(box) >= UNCHANGED
                real, lost = real + hit, lost + (hit and static)
                false, dropped = false + (not hit), dropped + (static and not hit)
        rows.append(
            {"shift": shift, "pictures": len(pictures), "fits": fits, "real": real, "lost": lost,
             "false": false, "dropped": dropped}
        )  # fmt: skip
    return rows


def photographs(amount: Amount, folder: Path, backend: LocalBackend) -> dict[str, Any] | None:
    """Photographs from everywhere, given as those of one camera; None where there are none."""
    told = Path(os.environ.get("DECKWATCH_DATA", ""), "data", "aquarium", "train.coco.json")
    if not told.is_file():
        part.say("no photographs: set DECKWATCH_DATA to measure what becomes of them")
        return None
    data = catalogue.read(told)
    entries = data.entries[:: max(1, len(data) // amount.photos)][: amount.photos]
    shrunk = (_narrow(decode(data.path(entry).read_bytes())) for entry in entries)
    photos = [encode_jpeg(pixels, 90) for pixels in shrunk]
    stage = BackgroundStage(folder / "photographs")
    learnt = stage.learn_from((None, photo) for photo in photos)
    kept = dropped = 0
    for photo in photos:
        result, static, _ = stage.recognise(photo, None, backend.infer)
        kept, dropped = kept + len(result.fish), dropped + len(static)
    views = sum(len(each.backgrounds) for each in learnt)
    return {"photographs": len(photos), "views": views, "fish": kept + dropped, "dropped": dropped}


def _narrow(pixels: Any) -> Any:
    return cv2.resize(pixels, (640, round(pixels.shape[0] * 640 / pixels.shape[1])),
                      interpolation=cv2.INTER_AREA)  # fmt: skip
