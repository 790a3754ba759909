"""The examples in the OpenAPI document: commands to type, and what the release that ships answers.

Tests run every command against the real stack and hold the answer against the example of the same
name, so neither can drift.
"""

from __future__ import annotations

from typing import Any

BASE = "http://127.0.0.1:8080"
PHOTO = "examples/photos/shark.jpg"

RESULT: dict[str, Any] = {
    "label": "SHARK",
    "likelihoods": {"NoF": 0.0437986, "OTHER": 0.011361, "RAY": 0.0139013, "SHARK": 0.9309391},
    "fish": [
        {
            "box": [31.56, 251.74, 437.57, 545.41],
            "score": 0.946439,
            "label": "SHARK",
            "likelihoods": {
                "NoF": 0.0162424,
                "OTHER": 0.0106128,
                "RAY": 0.0136119,
                "SHARK": 0.9595329,
            },
        }
    ],
    "image": {
        "file": "shark.jpg",
        "width": 480,
        "height": 640,
        "sha256": "04158b725ed2ca866d35db85d2fe93e1f5f69efa3b5598ea09c0cc3abd6bf6e9",
    },
    "release": {"name": "demo", "version": 1},
}
PAIRS = [["SHARK", 0.93094], ["NoF", 0.0438], ["RAY", 0.0139], ["OTHER", 0.01136]]


def samples(**commands: str) -> dict[str, Any]:
    """The part of an operation that shows commands; their names are those of the answers' examples.

    `$BASE` in a command is the gateway's address, `$PHOTO` a photograph of the repository.
    """
    filled = {
        name: command.replace("$BASE", BASE).replace("$PHOTO", PHOTO)
        for name, command in commands.items()
    }
    return {
        "x-codeSamples": [
            {"lang": "Shell", "label": name, "source": command} for name, command in filled.items()
        ]
    }
