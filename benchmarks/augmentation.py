"""Our augmentation against a loop over albumentations, as somebody would write it in an hour.

One core, the same pictures, the same steps on every copy, boxes included, from file to file: read,
decode, change, encode, write, and a line for the label file. Two such loops, with OpenCV's JPEG and
with simplejpeg's, which is ours; the faster of them is what is compared to. The three take turns.

Then one worker against two, on whole cores of their own: pictures a second once the workers run.
Starting them costs seconds once, and is given beside it.

    python -m benchmarks.augmentation [--quick]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg

from benchmarks import machine
from benchmarks.pictures import write_pictures
from benchmarks.report import yes
from deckwatch_serving import engines
from deckwatch_training.augment import Settings, augment
from deckwatch_training.augment import recipe as recipes
from deckwatch_training.augment.copies import Item, Maker
from deckwatch_training.augment.night import References
from deckwatch_training.label_files import LabelRow, write_rows
from tools.docs import table

# Targets: of the throughput of the bare loop, and of two workers against one.
LEAST_RATIO, LEAST_SCALING = 0.95, 1.8
QUALITY = 92
# Every step on every copy, so that chance has no part in the comparison.
STEPS: list[dict[str, Any]] = [
    {"name": "flip", "parameters": {"horizontal": True}},
    {"name": "rotate30", "parameters": {"degrees": 30}},
    {"name": "contrast", "parameters": {"limit": 0.3}},
    {"name": "light", "parameters": {"limit": 0.25}},
    {"name": "hue", "parameters": {"degrees": 16, "saturation": 0.25}},
    {"name": "blur", "parameters": {"sigma": [0.5, 2.0]}},
]
RECIPE = {
    "most": None, "quality": QUALITY, "steps": [step | {"probability": 1.0} for step in STEPS],
}  # fmt: skip


@dataclass(frozen=True)
class Amount:
    """How much is measured.

    photos: each once; copies: of each; rounds: turns of every way; scaling: items for one worker.
    """

    mode: str
    photos: int
    copies: int
    rounds: int
    scaling: int


FULL = Amount("full", photos=10, copies=6, rounds=7, scaling=80)
QUICK = Amount("quick", photos=3, copies=1, rounds=2, scaling=12)


def measure(amount: Amount = FULL) -> dict[str, Any]:
    """Both comparisons, as JSON can hold them."""
    with tempfile.TemporaryDirectory(prefix="deckwatch-augment-") as name:
        folder = Path(name)
        photos = [Path(path) for path in write_pictures(folder, amount.photos)["720p"]]
        rows = _rows(photos)
        recipe = folder / "recipe.yaml"
        recipe.write_text(json.dumps(RECIPE))  # JSON is YAML
        write_rows(folder / "labels.csv", rows, weights=False)
        return {
            "mode": amount.mode,
            "load_before": machine.load_average(),
            "photos": amount.photos, "copies": amount.copies, "rounds": amount.rounds,
            **_loops(folder, rows, recipe, amount),
            "scaling": _scaling(folder, rows, recipe, amount),
            "load_after": machine.load_average(),
        }  # fmt: skip


def render(results: dict[str, Any]) -> str:
    """The comparisons as Markdown."""
    ratio, scaling = results["ratio"], results["scaling"]
    ways = [
        (name, f"{found['per_s']:.2f}", f"{found['to_faster']:.2f}")
        for name, found in results["ways"].items()
    ]
    targets = [
        (
            f"augmentation on one core: at least {LEAST_RATIO} of a bare albumentations loop",
            f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})",
            yes(ratio["median"] >= LEAST_RATIO),
        ),
        (
            f"augmentation with two workers: at least {LEAST_SCALING} of one",
            f"{scaling['median']:.2f} ({scaling['low']:.2f} to {scaling['high']:.2f})",
            yes(scaling["median"] >= LEAST_SCALING),
        ),
    ]
    load = ", ".join(map(str, results["load_before"]))
    return "\n\n".join(
        (
            table(("target", "measured", "met"), targets),
            f"{results['photos']} photographs of 720p, {results['copies']} copies of each, six "
            f"steps on every copy, {results['rounds']} rounds; load average {load} before.",
            table(("one core", "copies/s", "to the faster bare loop"), ways),
            f"Workers start once in {scaling['start_s']:.1f} s, which the ratio leaves out.",
        )
    )


def _rows(photos: Sequence[Path]) -> list[LabelRow]:
    """Three fish a picture, well within it."""
    rng = np.random.default_rng(1)
    return [
        LabelRow(path.name, "ALB", "boat", (float(x), float(y), 240.0, 120.0))
        for path in photos
        for x, y in rng.uniform((200, 150), (800, 400), (3, 2)).round()
    ]


def _loops(folder: Path, rows: list[LabelRow], recipe: Path, amount: Amount) -> dict[str, Any]:
    cores = os.sched_getaffinity(0)
    threads = cv2.getNumThreads()
    os.sched_setaffinity(0, {min(cores)})
    cv2.setNumThreads(1)
    bare = Bare(folder, rows, amount.copies)
    ways: dict[str, Callable[[Path], None]] = {
        "ours": lambda out: _ours(folder, recipe, amount, out),
        "bare, OpenCV": lambda out: bare.run(out, _read_opencv, _write_opencv),
        "bare, simplejpeg": lambda out: bare.run(out, _read_simplejpeg, _write_simplejpeg),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    try:
        # The first round imports and fills caches; it does not count.
        for turn in range(amount.rounds + 1):
            for name, way in ways.items():
                with tempfile.TemporaryDirectory(dir=folder) as out:
                    began = time.perf_counter()
                    way(Path(out))
                    if turn:
                        seconds[name].append(time.perf_counter() - began)
    finally:
        os.sched_setaffinity(0, cores)
        cv2.setNumThreads(threads)
    made = amount.photos * amount.copies
    faster = min(list(ways)[1:], key=lambda name: statistics.median(seconds[name]))
    median = {name: statistics.median(each) for name, each in seconds.items()}
    return {
        "ways": {
            name: {"per_s": made / median[name], "to_faster": median[faster] / median[name]}
            for name in ways
        },
        # Turn by turn: what else the machine does disturbs neighbours alike.
        "ratio": _spread([b / a for a, b in zip(seconds["ours"], seconds[faster], strict=True)]),
    }


def _ours(folder: Path, recipe: Path, amount: Amount, out: Path) -> None:
    augment(
        Settings(
            input_folder=folder, output_folder=out / "more", label_file=folder / "labels.csv",
            new_label_file=out / "more.csv", steps=recipe, copies=amount.copies, workers=1,
            originals="none",
        )
    )  # fmt: skip


class Bare:
    """The loop that somebody would write."""

    def __init__(self, folder: Path, rows: list[LabelRow], copies: int):
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
        import albumentations

        self.folder, self.copies = folder, copies
        self.boxes: dict[str, list[tuple[float, ...]]] = {}
        for row in rows:
            self.boxes.setdefault(row.image, []).append(row.box or ())
        a = albumentations
        self.compose = a.Compose(
            [
                a.HorizontalFlip(p=1),
                a.OneOf(
                    [
                        a.Affine(rotate=(angle, angle), fit_output=True, p=1)
                        for angle in range(30, 360, 30)
                    ],
                    p=1,
                ),
                a.RandomBrightnessContrast(brightness_limit=0, contrast_limit=0.3, p=1),
                a.RandomBrightnessContrast(brightness_limit=0.25, contrast_limit=0, p=1),
                a.HueSaturationValue(8, 64, 0, p=1),
                a.GaussianBlur(blur_limit=0, sigma_limit=(0.5, 2.0), p=1),
            ],
            bbox_params=a.BboxParams(
                format="coco", label_fields=["labels"], min_visibility=0.3, clip=True
            ),
            seed=1,
        )

    def run(
        self,
        out: Path,
        read: Callable[[Path], Any],
        write: Callable[[Path, Any], object],
    ) -> None:
        """Copies of every picture, and their label file."""
        with (out / "more.csv").open("w", newline="") as file:
            lines = csv.writer(file)
            for name, boxes in self.boxes.items():
                image = read(self.folder / name)
                for i in range(self.copies):
                    made = self.compose(image=image, bboxes=boxes, labels=["ALB"] * len(boxes))
                    path = out / f"{Path(name).stem}_{i}.jpg"
                    write(path, made["image"])
                    lines.writerows(
                        [path.name, label, *box]
                        for box, label in zip(made["bboxes"], made["labels"], strict=True)
                    )


def _read_opencv(path: Path) -> Any:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _write_opencv(path: Path, image: Any) -> None:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def _read_simplejpeg(path: Path) -> Any:
    return simplejpeg.decode_jpeg(path.read_bytes(), "RGB")


def _write_simplejpeg(path: Path, image: Any) -> None:
    path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), QUALITY, "RGB"))


def _scaling(folder: Path, rows: list[LabelRow], recipe: Path, amount: Amount) -> dict[str, Any]:
    """Pictures a second of two workers over those of one."""
    maker = Maker(folder, folder / "scaling", recipes.load(recipe), References(), 0, "none")
    of = {row.image: tuple(each for each in rows if each.image == row.image) for row in rows}
    ratios, starts = [], []
    for turn in range(max(1, amount.rounds // 2)):
        speeds = {}
        for workers in (1, 2):
            number = amount.scaling * workers
            items = [
                Item(name, of[name], ((1, f"{turn}-{workers}-{i}.jpg"),), "")
                for i, name in zip(range(number), cycle(of), strict=False)
            ]
            began = time.perf_counter()
            results = engines.run(maker, items, workers=workers)
            # So many that every worker has certainly begun, and imported what it needs.
            skipped = engines.AHEAD * workers
            for _ in range(skipped):
                next(results)
            running = time.perf_counter()
            for _ in results:
                pass
            speeds[workers] = (number - skipped) / (time.perf_counter() - running)
            if workers > 1:
                starts.append(running - began)
        ratios.append(speeds[2] / speeds[1])
    return _spread(ratios) | {"start_s": statistics.median(starts)}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a short run to see that it works")
    parser.add_argument("--json", action="store_true", help="print the figures themselves")
    options = parser.parse_args()
    results = measure(QUICK if options.quick else FULL)
    print(json.dumps(results, indent=1) if options.json else render(results))


if __name__ == "__main__":
    main()
