"""What importing vision costs, and the names it offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import deckwatch_vision

NAMES = [
    "DeckwatchError",
    "Fish",
    "LabelSet",
    "Release",
    "Result",
    "Species",
    "decode",
    "encode_jpeg",
]


def test_the_exported_names_are_pinned() -> None:
    assert deckwatch_vision.__all__ == NAMES
    assert dir(deckwatch_vision) == NAMES
    for name in NAMES:
        assert getattr(deckwatch_vision, name).__name__ == name
    with pytest.raises(AttributeError, match="'deckwatch_vision' has no attribute 'fish'"):
        deckwatch_vision.fish  # noqa: B018


def imported(statement: str) -> set[str]:
    """Top-level modules loaded by a statement in a fresh interpreter."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = [sys.executable, "-W", "error", "-c", code]
    return set(subprocess.run(run, check=True, capture_output=True, text=True).stdout.split())


def test_the_fast_path_stays_lean() -> None:
    loaded = imported("import deckwatch_vision.recognise, deckwatch_vision.release")

    heavy = {"PIL", "onnxruntime", "torch", "pydantic", "typer", "fastapi", "scipy", "asyncio"}
    assert not loaded & heavy
    assert {name for name in loaded if name.startswith("deckwatch")} == {"deckwatch_vision"}


def test_errors_and_results_need_no_pixels() -> None:
    for module in ("errors", "result", "species"):
        assert not imported(f"import deckwatch_vision.{module}") & {"numpy", "cv2", "simplejpeg"}
