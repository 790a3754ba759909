"""What a background does for a fixed camera: fish and labels before and after, and the harm.

Simulated decks with planted look-alikes, seen by the release in use. Half of the cameras are there
to choose from (the share from which a fish is static, and how far it is trusted), the other half to
measure on. Intervals are over whole cameras: all pictures of one show the same look-alikes.

    python -m benchmarks.background [--quick]

The tables stand in docs/fixed-cameras.md, the figures in results/background.json.
"""

from __future__ import annotations

import datetime
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import part
from benchmarks.background_harm import moved, photographs, still
from benchmarks.background_tables import MEASURES
from benchmarks.background_tables import render as render
from benchmarks.fixed_cameras import (
    FULL,
    LOOKALIKES,
    QUICK,
    Seen,
    dropped_from,
    learnt_from,
    seen_by,
)
from deckwatch_client.background.likelihoods import without
from deckwatch_client.background.options import UNCHANGED, BackgroundOptions
from deckwatch_client.background.stage import BackgroundStage
from deckwatch_client.background.store import Backgrounds
from deckwatch_client.local import LocalBackend
from deckwatch_training import estimates
from deckwatch_vision.images import decode, encode_jpeg
from deckwatch_vision.result import Fish, Result

RESULTS = part.RESULTS / "background.json"
DOCUMENT = part.DOCUMENT.with_name("fixed-cameras.md")
SEEDS = {"choose": 31, "measure": 32}
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
DOUBTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def measure(quick: bool) -> dict[str, Any]:
    """Everything, as JSON can hold it."""
    amount, backend = QUICK if quick else FULL, LocalBackend(None)
    began, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="deckwatch-background-") as name:
        folder = Path(name)
        halves = {
            half: seen_by(folder / half, seed, amount, backend) for half, seed in SEEDS.items()
        }
        part.say("choosing")
        chosen = _choices(halves["choose"], folder, backend)
        seen = halves["measure"]
        arms, costs = _arms(seen, folder, backend)
        part.say("the harm")
        return {
            "schema": 1,
            "mode": amount.mode,
            "release": "{0.name} {0.version}".format(halves["measure"][0].result.release),
            "began": began.isoformat(timespec="seconds"),
            "cameras": amount.cameras,
            "pictures": len(seen),
            "nights": sum(bool(each.entry.night) for each in seen),
            "fish": sum(len(each.entry.boxes) for each in seen),
            "lookalikes": LOOKALIKES,
            "choices": chosen,
            "arms": arms,
            "costs_ms": costs,
            "still": still(seen, folder),
            "moved": moved(seen, Backgrounds(folder / "median")),
            "photographs": photographs(amount, folder, backend),
            "took_s": round(time.monotonic() - clock, 1),
        }


def _choices(seen: list[Seen], folder: Path, backend: LocalBackend) -> dict[str, Any]:
    """Over shares: false fish dropped and real fish lost. Over doubts: log loss of the picture."""
    stage = learnt_from(seen, folder / "chosen", unchanged=1.0)
    shares: list[tuple[float, bool]] = []
    made: dict[str, list[tuple[float, bool]]] = {}
    for each in seen:
        kept, static, unchanged = dropped_from(stage, each)
        if unchanged:
            shares += zip(unchanged, each.real((*kept.fish, *static)), strict=True)
        drop = [share >= UNCHANGED for share in unchanged or [0.0] * len(each.result.fish)]
        by_place = sorted(zip((*kept.fish, *static), drop, strict=True), key=_place(each.result))
        still = [static for _, static in by_place]
        after = {f"{doubt:g}": without(each.result, still, doubt=doubt)[0] for doubt in DOUBTS}
        after["seen again"] = _seen_again(each, still, backend)
        for name, result in after.items():
            right = result.label in each.truth
            made.setdefault(name, []).append((_loss(result, each), right))
    real = np.array([share for share, hit in shares if hit])
    false = np.array([share for share, hit in shares if not hit])
    return {
        "false": len(false),
        "real": len(real),
        "shares": [
            [share, float(np.mean(false >= share)), float(np.mean(real >= share))]
            for share in SHARES
        ],
        "doubts": [[name, *np.mean(rows, axis=0).tolist()] for name, rows in made.items()],
    }


def _seen_again(each: Seen, static: Sequence[bool], backend: LocalBackend) -> Result:
    """The other way to likelihoods: the picture recognised again, its static fish made grey."""
    if not any(static):
        return each.result
    pixels = decode(each.data).copy()
    for fish, drop in zip(each.result.fish, static, strict=True):
        if drop:
            left, top, right, bottom = (int(edge) for edge in fish.box)
            pixels[top : bottom + 1, left : right + 1] = 114
    return backend.infer(encode_jpeg(pixels, 95))


def _place(result: Result) -> Callable[[tuple[Fish, bool]], int]:
    return lambda pair: result.fish.index(pair[0])


def _loss(result: Result, each: Seen) -> float:
    return -float(np.log(max(1e-4, *(result.likelihoods[code] for code in each.truth))))


def _arms(
    seen: list[Seen], folder: Path, backend: LocalBackend
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Precision, recall and the picture's label of every way; milliseconds a picture of each."""
    rows: dict[str, list[list[float]]] = {"none": [_row(each.result, (), each) for each in seen]}
    costs: dict[str, float] = {}
    for method in ("median", "mog2"):
        stage = learnt_from(seen, folder / method, method=method)
        masking = BackgroundStage(folder / method, BackgroundOptions(method=method, mask=True))
        for name, used in ((method, stage), (f"{method}, mask", masking)):
            part.say(name)
            taken, made = [], []
            for each in seen:
                spent = 0.0

                def infer(sent: bytes, each: Seen = each) -> Result:
                    nonlocal spent
                    before = time.thread_time()
                    result = each.result if sent is each.data else backend.infer(sent)
                    spent += time.thread_time() - before
                    return result

                before = time.thread_time()
                result, static, _ = used.recognise(each.data, each.entry.camera, infer)
                taken.append(time.thread_time() - before - spent)
                made.append(_row(result, static, each))
            rows[name], costs[name] = made, 1e3 * statistics.fmean(taken)
    found = []
    for light, wanted in (("all", (False, True)), ("day", (False,)), ("night", (True,))):
        chosen = [place for place, each in enumerate(seen) if bool(each.entry.night) in wanted]
        cameras = [str(seen[place].entry.camera) for place in chosen]
        for name, made in rows.items():
            numbers = np.array([made[place] for place in chosen])
            told = {
                each: estimates.measured(cameras, partial(_figure, numbers, each))
                for each in MEASURES
            }
            lost, reported = numbers[:, 6].sum(), numbers[:, 6].sum() + numbers[:, 0].sum()
            found.append(
                {"light": light, "arm": name, "lost": [int(lost), int(reported)],
                 "pictures": len(chosen), "without": int(numbers[:, 5].sum()), **told}
            )  # fmt: skip
    return found, costs


def _row(result: Result, static: Sequence[Fish], each: Seen) -> list[float]:
    """Hits, false fish, missed fish, right label, log loss, no fish there, real fish dropped."""
    hits = sum(each.real(result.fish))
    return [
        hits, len(result.fish) - hits, len(each.entry.boxes) - hits, result.label in each.truth,
        _loss(result, each), not each.entry.boxes, sum(each.real(static)),
    ]  # fmt: skip


def _figure(numbers: Any, name: str, drawn: Any) -> float:
    rows = numbers[drawn]
    hits, false, missed = rows[:, :3].sum(axis=0)
    with np.errstate(invalid="ignore"):
        return float(
            {
                "precision": lambda: np.divide(hits, hits + false),
                "recall": lambda: np.divide(hits, hits + missed),
                "label": lambda: rows[:, 3].mean(),
                "no fish": lambda: np.divide(rows[rows[:, 5] > 0, 3].sum(), rows[:, 5].sum()),
                "log loss": lambda: rows[:, 4].mean(),
            }[name]()
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    return part.run(
        arguments,
        command="benchmarks.background",
        description=(__doc__ or "").partition("\n")[0],
        name="background",
        measure=measure,
        render=render,
        document=DOCUMENT,
    )


if __name__ == "__main__":
    sys.exit(main())
