"""Nets in INT8 for onnxruntime on CPUs: written beside the float32 files, timed against them.

Static post-training quantisation (onnxruntime's QDQ format): the range of every activation is
measured on held-back pictures, weights are quantised channel by channel. What follows the last
convolutions stays in float32: a detector's heads mix offsets, sizes and logits in one tensor, which
a single scale would flatten.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray

from deckwatch_serving.net import open_net
from deckwatch_vision.errors import UsageError

Item = TypeVar("Item")
Inputs = list[NDArray[np.uint8]]

FILE = "model.int8.onnx"
# Pictures or crops that ranges are measured on, at most and at least.
LARGEST = 128
LEAST = 8
# What computes; everything behind the last of them stays as it is.
_LAYERS = ("Conv", "Gemm", "MatMul", "ConvTranspose")
_ROUNDS = 30


class _Reader:
    """Hands onnxruntime one input after the other, as its CalibrationDataReader does."""

    def __init__(self, name: str, inputs: Inputs) -> None:
        self._rows: Iterator[dict[str, NDArray[np.uint8]]] = ({name: row[None]} for row in inputs)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._rows, None)

    def __iter__(self) -> Iterator[dict[str, NDArray[np.uint8]]]:
        return self._rows


def quantise(source: Path, target: Path, inputs: Inputs) -> None:
    """Write the net `source` as `target` in INT8, ranges measured on `inputs` [S, S, 3].

    Raises:
        UsageError: fewer than `LEAST` inputs; ranges from so few would cut off what comes later.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if len(inputs) < LEAST:
        raise UsageError(
            f"INT8 needs at least {LEAST} held-back pictures and boxes to measure ranges on; there "
            f"are {len(inputs)}. Hold back more (data.held_back, or the split `calibrate`), or "
            "export without --quantise."
        )
    CalibrationDataReader.register(_Reader)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        with _quiet():
            # Batch norm is folded and every shape known; symbolic inference needs sympy.
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            graph = onnx.load(prepared).graph
            quantize_static(
                str(prepared),
                str(target),
                _Reader(graph.input[0].name, inputs),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                nodes_to_exclude=_tail(graph),
            )


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """`most` of the items, evenly from the whole range: neighbours look alike."""
    places = np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int)
    return [items[i] for i in dict.fromkeys(places.tolist())]


def _tail(graph: Any) -> list[str]:
    """The last layers of a net and all nodes behind them."""
    makers = {name: node for node in graph.node for name in node.output}
    waiting = [output.name for output in graph.output]
    found: dict[str, None] = {}
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in found:
            continue
        found[node.name] = None
        if node.op_type not in _LAYERS:
            waiting += node.input
    return list(found)


def time_ratio(source: Path, target: Path, inputs: Inputs) -> dict[str, float]:
    """How long the two files take for one input on one thread, in turn: medians in ms, and ratio.

    Under 1 the INT8 net is the faster one.
    """
    float32 = open_net(source, threads=1)
    int8 = open_net(target, threads=1, precision="int8")
    times: dict[str, list[float]] = {"float32": [], "int8": []}
    for turn in range(_ROUNDS + 3):
        row = inputs[turn % len(inputs)][None]
        for name, net in (("float32", float32), ("int8", int8)):
            start = time.perf_counter()
            net(row)
            if turn >= 3:  # the first calls allocate
                times[name].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(times["int8"], times["float32"], strict=True)]
    return {
        "float32_ms": round(statistics.median(times["float32"]) * 1000, 2),
        "int8_ms": round(statistics.median(times["int8"]) * 1000, 2),
        "ratio": round(statistics.median(ratios), 3),
    }


class _quiet:  # noqa: N801 -- a context, as contextlib's
    """onnxruntime's quantiser warns on the root logger of what we do on purpose."""

    def __enter__(self) -> None:
        self._level = logging.root.level
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(logging.NOTSET)
