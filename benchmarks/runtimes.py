"""Each net on each runtime and precision, one thread, the same inputs, interleaved."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving import spread
from benchmarks.settings import THREADS, Settings
from deckwatch_serving.net import Net, has_bfloat16, open_net
from deckwatch_serving.repository import open_release
from deckwatch_vision.boxes import whole
from deckwatch_vision.errors import DeckwatchError
from deckwatch_vision.images import decode
from deckwatch_vision.recognise import prepare

RUNTIMES = (("onnxruntime", "float32"), ("openvino", "float32"), ("openvino", "bfloat16"))
# Rows of the classifier in one call: a picture with a few fish.
ROWS = 4


def measure(repository: Path, paths: list[str], settings: Settings) -> dict[str, Any]:
    """Times of each net on the pictures of `paths`, and how far the outputs are apart.

    Returns:
        "bfloat16_in_hardware": where it is False, OpenVINO takes the bfloat16 hint but computes
        otherwise. "rows": a row for each net and runtime, ratios to onnxruntime's time of the same
        input in the same pass.
    """
    release = open_release(repository)
    pictures = [Path(path).read_bytes() for path in paths]
    canvases = [prepare(data, release).canvas[None] for data in pictures]
    crop = release.classifier.input_size
    crops = np.stack([whole(decode(data), crop) for data in pictures])
    batches = [crops[np.arange(first, first + ROWS) % len(crops)] for first in range(len(crops))]
    rows = []
    for name, file, inputs in (
        ("detector", release.detector.file, canvases),
        ("classifier", release.classifier.file, batches),
    ):
        rows += _compare(name, repository / file, inputs, settings.passes)
    return {"bfloat16_in_hardware": has_bfloat16(), "rows": rows}


def _compare(
    name: str, path: Path, inputs: list[NDArray[np.uint8]], passes: int
) -> list[dict[str, Any]]:
    nets: dict[tuple[str, str], Net] = {}
    refused = {}
    for runtime, precision in RUNTIMES:
        try:
            nets[runtime, precision] = open_net(
                path, threads=THREADS, runtime=runtime, precision=precision
            )
        except DeckwatchError as error:  # not installed, or no such precision on this processor
            refused[runtime, precision] = error.code
    outputs = {key: [net(each) for each in inputs] for key, net in nets.items()}  # and warm up
    times: dict[tuple[str, str], list[float]] = {key: [] for key in nets}
    for turn in range(passes):
        keys = list(nets)[turn % len(nets) :] + list(nets)[: turn % len(nets)]
        for each in inputs:
            for key in keys:
                begin = time.perf_counter()
                nets[key](each)
                times[key].append(time.perf_counter() - begin)
    rows: list[dict[str, Any]] = []
    for runtime, precision in RUNTIMES:
        row: dict[str, Any] = {"net": name, "runtime": runtime, "precision": precision}
        key = (runtime, precision)
        rows.append(row)
        if key in refused:
            row["refused"] = refused[key]
            continue
        # The order of the inputs is the same for all, so that times pair up within one pass only.
        ratios = [
            statistics.median(_of_pass(times[key], turn, len(inputs)))
            / statistics.median(_of_pass(times[RUNTIMES[0]], turn, len(inputs)))
            for turn in range(passes)
        ]
        row["ms"] = round(statistics.median(times[key]) * 1e3, 3)
        row["ratio"] = spread(ratios)
        row["max_difference"] = max(
            float(np.abs(mine - theirs).max())
            for mine, theirs in zip(outputs[key], outputs[RUNTIMES[0]], strict=True)
        )
    return rows


def _of_pass(times: list[float], turn: int, count: int) -> list[float]:
    return times[turn * count : (turn + 1) * count]
