"""The content of a release.json for the tests of what reads it."""

from __future__ import annotations

from typing import Any

from deckwatch_vision.release import Release
from deckwatch_vision.species import DEMO


def content(**changes: Any) -> dict[str, Any]:
    """A well-formed release.json; `changes` replace top-level keys."""
    return {
        "schema": 1,
        "name": "demo",
        "version": 3,
        "created": "2026-11-24T00:00:00Z",
        "labels": DEMO.as_list(),
        "detector": {
            "file": "detector/3/model.onnx",
            "architecture": "yolox_nano",
            "input_size": 64,
            "head": "yolox",
            "strides": [8, 16, 32],
            "candidate_threshold": 0.2,
            "iou_threshold": 0.5,
            "max_fish": 4,
        },
        "classifier": {
            "file": "classifier/3/model.onnx",
            "architecture": "mobilenet_v2",
            "input_size": 24,
            "context": 1.3,
            "temperature": 1.1,
        },
        "fusion": {
            "method": "noisy_or",
            "whole_picture": "no_fish",
            "veto": 0.5,
            "score_threshold": 0.4,
            "sharpness": 1.0,
        },
        "files": {
            "detector/3/model.onnx": "a" * 64,
            "classifier/3/model.onnx": "b" * 64,
            "deckwatch/3/labels.txt": "0" * 64,
        },
        "training_data": [
            {
                "name": "a set",
                "licence": "CC BY 4.0",
                "attribution": "its makers",
                "url": None,
                "pictures": 448,
            }
        ],
        "runtime": {"onnxruntime": "float32", "openvino": "bfloat16"},
        "scorecard": {"ap50": 0.76},
        **changes,
    }


def release(**fusion: Any) -> Release:
    """A release; `fusion` replaces values of its fusion."""
    given = content()
    given["fusion"].update(fusion)
    return Release.from_dict(given)
