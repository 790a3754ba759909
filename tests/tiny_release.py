"""A release of a few kilobytes that runs at once: for tests that need a release, not its skill.

Its detector sees red as fish; its classifier goes by colour as well: SHARK where the crop is also
green (yellow), RAY where it is also blue (magenta), OTHER where it is only red, NoF elsewhere.
Nothing is trained: the weights are written down here.

    release = write_tiny_release(folder)      # a whole model repository
    data = encode_jpeg(tiny_picture(fish=2))  # with two red squares on a grey deck
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from deckwatch_serving.configs import write_configs
from deckwatch_vision.release import Release, sha256_file
from deckwatch_vision.species import DEMO, NCFM, LabelSet

Constants: TypeAlias = dict[str, NDArray[np.float32] | NDArray[np.int64]]

STRIDES = (8, 16, 32)
COLOURS = {"OTHER": (230, 20, 20), "SHARK": (230, 200, 20), "RAY": (230, 20, 200)}


def write_tiny_release(
    repository: Path,
    *,
    version: int = 1,
    name: str = "tiny",
    labels: LabelSet = DEMO,
    canvas: int = 96,
    crop: int = 32,
    whole_picture: str = "no_fish",
    configs: bool = True,
) -> Release:
    """Write a model repository with a tiny release, and return the release.

    The first four labels mean what DEMO's do; more get logits of their own and are never best.
    """
    files = [f"detector/{version}/model.onnx", f"classifier/{version}/model.onnx"]
    for file, net in zip(files, (_detector(canvas), _classifier(len(labels))), strict=True):
        path = repository / file
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(net, path)
    (repository / "deckwatch" / str(version)).mkdir(parents=True, exist_ok=True)
    files.append(f"deckwatch/{version}/labels.txt")
    (repository / files[-1]).write_text("".join(f"{each}\n" for each in labels.codes))
    content = {
        "schema": 1,
        "name": name,
        "version": version,
        "created": "2026-01-01T00:00:00Z",
        "labels": labels.as_list(),
        "detector": {
            "file": files[0],
            "architecture": "tiny",
            "input_size": canvas,
            "head": "yolox",
            "strides": list(STRIDES),
            "candidate_threshold": 0.3,
            "iou_threshold": 0.3,
            "max_fish": 32,
        },
        "classifier": {
            "file": files[1],
            "architecture": "tiny",
            "input_size": crop,
            "context": 1.2,
            "temperature": 1.1,
        },
        "fusion": {
            "method": "noisy_or",
            "whole_picture": whole_picture,
            "veto": 0.5,
            "score_threshold": 0.4,
            "sharpness": 1.0,
        },
        "files": {file: sha256_file(repository / file) for file in files},
        "training_data": [
            {
                "name": "none",
                "licence": "CC0-1.0",
                "attribution": "weights written by hand",
                "url": None,
                "pictures": 0,
            }
        ],
        "runtime": {"onnxruntime": "float32"},
        "scorecard": {},
    }
    release = Release.from_dict(content)
    write_release_file(repository, release)
    if configs:
        write_configs(repository, release)
    return release


WIDER = LabelSet((*DEMO, *(one for one in NCFM if one.code in ("ALB", "YFT"))))


def write_two_releases(repository: Path) -> None:
    """Write a model repository with two releases that differ in everything a release decides.

    Version 1, `tiny`, is live; version 2, `wider`, knows the labels `WIDER`.
    """
    write_tiny_release(repository)
    write_tiny_release(
        repository, version=2, name="wider", labels=WIDER, canvas=160, crop=48,
        whole_picture="always", configs=False,
    )  # fmt: skip


def write_release_file(repository: Path, release: Release) -> Path:
    """Write release.json; for tests that change a release."""
    import json

    path = repository / "deckwatch" / str(release.version) / "release.json"
    path.write_text(json.dumps(release.as_dict()), encoding="utf-8")
    return path


def tiny_picture(
    *,
    fish: int = 2,
    species: Sequence[str] = ("SHARK", "OTHER", "RAY"),
    height: int = 240,
    width: int = 320,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """A noisy grey-blue deck [H,W,3] with `fish` coloured squares, the species in turn."""
    random = np.random.default_rng(seed)
    picture = random.integers(90, 120, (height, width, 3), dtype=np.uint8)
    picture[..., 2] += 30
    side = min(height, width) // 5
    for place in range(fish):
        left = int(width * (0.1 + 0.8 * place / max(1, fish)))
        top = int(random.integers(0, height - side))
        picture[top : top + side, left : left + side] = COLOURS[species[place % len(species)]]
    return picture


def _detector(canvas: int) -> onnx.ModelProto:
    """Heads of the "yolox" kind; the logit is the mean redness of the grid cell."""
    parts, nodes = [], [*_to_planes("IMAGES")]
    # Rows: dx, dy, log w, log h (in strides), logit. Columns: red, green, blue from 0 to 1.
    weights = np.zeros((5, 3, 1, 1), np.float32)
    weights[4, :, 0, 0] = (16.0, -4.0, -4.0)
    bias = np.array([0.5, 0.5, 0.4, 0.4, -7.0], np.float32)
    for stride in STRIDES:
        pooled, heads, rows, part = (
            f"{each}{stride}" for each in ("pool", "heads", "rows", "part")
        )
        square = [stride, stride]
        nodes += [
            helper.make_node(
                "AveragePool", ["planes"], [pooled], kernel_shape=square, strides=square
            ),
            helper.make_node("Conv", [pooled, "weights", "bias"], [heads]),
            helper.make_node("Reshape", [heads, "to_rows"], [rows]),
            helper.make_node("Transpose", [rows], [part], perm=[0, 2, 1]),
        ]
        parts.append(part)
    nodes.append(helper.make_node("Concat", parts, ["HEADS"], axis=1))
    anchors = sum((canvas // stride) ** 2 for stride in STRIDES)
    to_rows = np.array([0, 5, -1], np.int64)
    constants: Constants = {"weights": weights, "bias": bias, "to_rows": to_rows}
    return _net(nodes, constants, ("IMAGES", [canvas, canvas, 3]), ("HEADS", [anchors, 5]))


def _classifier(classes: int) -> onnx.ModelProto:
    """Logits from the mean colour of a crop."""
    weights = np.zeros((3, classes), np.float32)
    #                  NoF  OTHER SHARK  RAY
    weights[:, :4] = [
        [-8.0, 8.0, 8.0, 8.0],
        [2.0, -4.0, 6.0, -6.0],
        [2.0, -4.0, -6.0, 6.0],
    ]
    bias = np.full(classes, -3.0, np.float32)
    bias[:4] = (7.0, 0.0, -1.0, -1.0)
    nodes = [
        *_to_planes("CROPS"),
        helper.make_node("ReduceMean", ["planes", "area"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["colour", "weights"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["LOGITS"]),
    ]
    constants: Constants = {"weights": weights, "bias": bias, "area": np.array([2, 3], np.int64)}
    return _net(nodes, constants, ("CROPS", [None, None, 3]), ("LOGITS", [classes]))


def _to_planes(source: str) -> list[onnx.NodeProto]:
    """uint8 [N,H,W,3] to float [N,3,H,W] from 0 to 1, named "planes"."""
    return [
        helper.make_node("Cast", [source], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["white"], value_float=255.0),
        helper.make_node("Div", ["pixels", "white"], ["shares"]),
        helper.make_node("Transpose", ["shares"], ["planes"], perm=[0, 3, 1, 2]),
    ]


def _net(
    nodes: list[onnx.NodeProto],
    constants: Constants,
    source: tuple[str, list[int | None]],
    target: tuple[str, list[int]],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(source[0], TensorProto.UINT8, ["N", *source[1]])],
        [helper.make_tensor_value_info(target[0], TensorProto.FLOAT, ["N", *target[1]])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    # The oldest pair that has ReduceMean's axes as an input: runs on every onnxruntime we support.
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(net)
    return net
