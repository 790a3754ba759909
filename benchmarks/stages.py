"""Where one picture's time goes: every step of the pipeline in this process, one thread."""

from __future__ import annotations

import hashlib
import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import cv2

from benchmarks.settings import THREADS, Settings
from deckwatch_serving.net import Net, open_net
from deckwatch_serving.repository import open_release
from deckwatch_vision.boxes import letterbox
from deckwatch_vision.images import decode
from deckwatch_vision.recognise import Prepared, assemble, find_fish, fuse, make_crops
from deckwatch_vision.release import Release

STAGES = (
    "decode",
    "letterbox",
    "detector",
    "heads and NMS",
    "crops",
    "classifier",
    "fuse",
    "result and SHA-256",
)


def measure(
    repository: Path, pictures: dict[str, list[str]], settings: Settings
) -> list[dict[str, Any]]:
    """Milliseconds of each stage: the mean over the pictures of the median over the passes."""
    cv2.setNumThreads(THREADS)
    release = open_release(repository)
    detector, classifier = (
        open_net(repository / file, threads=THREADS)
        for file in (release.detector.file, release.classifier.file)
    )
    rows = []
    for size, paths in pictures.items():
        taken: dict[str, list[list[float]]] = {path: [] for path in paths}
        for turn in range(1 + settings.passes):
            for path in paths:
                times = _timed(Path(path).read_bytes(), detector, classifier, release)
                if turn:  # the first pass warms up
                    taken[path].append(times)
        for index, stage in enumerate(STAGES):
            medians = [
                statistics.median(times[index] for times in passes) for passes in taken.values()
            ]
            rows.append(
                {"size": size, "stage": stage, "ms": round(statistics.mean(medians) * 1e3, 3)}
            )
    return rows


def _timed(data: bytes, detector: Net, classifier: Net, release: Release) -> list[float]:
    """Seconds of each stage; the steps are those of `deckwatch_vision.recognise.recognise`."""
    marks = [time.perf_counter()]
    image = decode(data)
    marks.append(time.perf_counter())
    canvas, fit = letterbox(image, release.detector.input_size)
    marks.append(time.perf_counter())
    heads = detector(canvas[None])[0]
    marks.append(time.perf_counter())
    boxes, scores = find_fish(heads, Prepared(image, canvas, fit), release)
    marks.append(time.perf_counter())
    crops, rows_boxes, rows_scores = make_crops(image, boxes, scores, release)
    marks.append(time.perf_counter())
    logits = classifier(crops)
    marks.append(time.perf_counter())
    fused = fuse(logits, rows_boxes, rows_scores, release)
    marks.append(time.perf_counter())
    assemble(fused, image.shape[:2], release, None, hashlib.sha256(data).hexdigest())
    marks.append(time.perf_counter())
    return [end - begin for begin, end in itertools.pairwise(marks)]
