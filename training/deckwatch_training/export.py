"""From trained nets to a release: ONNX files, their parity with torch, and release.json."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from deckwatch_training.detection import MAX_BOXES, MIN_SCORE, NMS_IOU
from deckwatch_vision.boxes import nms
from deckwatch_vision.errors import UsageError
from deckwatch_vision.heads import decode_heads

OPSET = 18
# Largest difference between torch and ONNX that a release may have, and of boxes in pixels.
TOLERANCE, BOX_TOLERANCE = 1e-3, 0.05


def export_onnx(net: nn.Module, size: int, path: Path, names: tuple[str, str]) -> None:
    """Write a net that takes uint8 [N, size, size, 3] as ONNX with any N.

    names: of the input and of the output.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    net = net.eval().to(memory_format=torch.contiguous_format)
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        # The exporter's own deprecations say nothing about the graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (example,),
            str(path),
            input_names=[names[0]],
            output_names=[names[1]],
            opset_version=OPSET,
            dynamo=False,
            dynamic_axes={names[0]: {0: "n"}, names[1]: {0: "n"}},
        )
    with torch.inference_mode():
        _fix_shape(path, tuple(net(example).shape[1:]))


def _fix_shape(path: Path, shape: tuple[int, ...]) -> None:
    """Write the output's true shape into the file: the exporter leaves names for its numbers.

    Triton's configs are written from it.
    """
    model = onnx.load(path)
    dims = model.graph.output[0].type.tensor_type.shape.dim
    for dim, size in zip(list(dims)[1:], shape, strict=True):
        dim.dim_value = size
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def export_detector(net: nn.Module, size: int, path: Path) -> None:
    """Write a detector: IMAGES uint8 [N, S, S, 3] -> HEADS float32 [N, A, 5]."""
    export_onnx(net, size, path, ("IMAGES", "HEADS"))


def export_classifier(net: nn.Module, size: int, path: Path) -> None:
    """Write a classifier: CROPS uint8 [N, c, c, 3] -> LOGITS float32 [N, C]."""
    export_onnx(net, size, path, ("CROPS", "LOGITS"))


@dataclass(frozen=True)
class Parity:
    """How far ONNX is from torch: the outputs, and the boxes after NMS."""

    pictures: int
    max_difference: float
    max_box_difference: float

    def as_dict(self) -> dict[str, float]:
        """For the scorecard."""
        return {
            "pictures": self.pictures,
            "max_difference": self.max_difference,
            "max_box_difference": self.max_box_difference,
        }


def check_parity(
    net: nn.Module, path: Path, inputs: list[NDArray[np.uint8]], *, detector: bool
) -> Parity:
    """Run torch and ONNX on the same inputs [S, S, 3].

    Raises UsageError where an output differs by more than `TOLERANCE` or, for a detector, where the
    boxes after NMS are not the same.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    worst = worst_box = 0.0
    for canvas in inputs:
        with torch.inference_mode():
            ours = net.eval()(torch.from_numpy(canvas)[None]).numpy()
        theirs = session.run(None, {name: canvas[None]})[0]
        worst = max(worst, float(np.abs(ours - theirs).max()))
        if detector:
            worst_box = max(worst_box, _box_difference(net, ours[0], theirs[0], canvas.shape[0]))
    if worst > TOLERANCE or worst_box > BOX_TOLERANCE:
        raise UsageError(
            f"{path} differs from torch by {worst:.2g} (at most {TOLERANCE}), its boxes by "
            f"{worst_box:.2g} px (at most {BOX_TOLERANCE}). Do not release it; check the exporter."
        )
    return Parity(len(inputs), float(f"{worst:.2g}"), float(f"{worst_box:.2g}"))


def _box_difference(
    net: nn.Module, a: NDArray[np.float32], b: NDArray[np.float32], size: int
) -> float:
    """Largest distance between the boxes after NMS; infinite where their number differs."""
    found = []
    for heads in (a, b):
        boxes, scores = decode_heads(heads, net.head, size, net.strides, MIN_SCORE * 10)  # type: ignore[arg-type]
        found.append(boxes[nms(boxes, scores, NMS_IOU, MAX_BOXES)])
    if len(found[0]) != len(found[1]):
        return float("inf")
    return float(np.abs(found[0] - found[1]).max(initial=0))


def as_json(value: Any) -> Any:
    """Floats of a scorecard to four significant decimals, so that it can be read."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
