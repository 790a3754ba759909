"""What Triton reads of a release, written from the release: every step's config and model.py.

The texts in `templates/` are the source; `model_repository/` holds them filled in for the release
that ships. So a config can never disagree with the release about labels, sizes or versions.

A repository holds many releases, and Triton has one config for all versions of a step. So the
configs of the python steps leave open what a release decides (canvas, crops, anchors, classes), and
only the ensemble, which is pinned to one release, says it. Triton's own onnxruntime backend accepts
no dimension but the net's, so `configs/gpu.pbtxt` of the nets says it as well; there only releases
of the same shapes can be loaded side by side.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from deckwatch_serving.net import net_output_shape
from deckwatch_serving.repository import ENSEMBLE

if TYPE_CHECKING:
    from deckwatch_vision.release import Release

_TEMPLATES = Path(__file__).with_name("templates")

# Class in `steps` of each python step.
_STEPS = {
    "detect": "Detect",
    "decode": "Decode",
    "crop": "Crop",
    "detector": "Net",
    "classifier": "Net",
    "fuse": "Fuse",
}

# Rows the classifier takes at once, more where one picture may have more: on a GPU larger batches
# gain little, on a processor nothing.
_ROWS = 64
# Pictures the detector takes at once on a GPU.
_PICTURES = 8


def write_configs(repository: Path, release: Release, beside: Sequence[Release] = ()) -> list[Path]:
    """Make `release` the live one in `repository`: model.py of its steps, configs of both profiles.

    Its nets must be there already (the number of the detector's anchors is read from its file).
    Configs of another live release are overwritten; the ensemble's config for processors, which
    says what is live, comes last.

    Args:
        repository: the model repository.
        release: the release that the ensemble is pinned to.
        beside: other releases of the repository that a server shall keep loaded as well.

    Returns:
        The files written.
    """
    return write_texts(repository, render(repository, release, beside))


def write_texts(repository: Path, texts: Iterable[tuple[str, str]]) -> list[Path]:
    """Write files of the repository, by their paths in it; each appears whole or not at all.

    A file that has the text already is left alone: Triton loads again what has a new date.

    Returns:
        The files written.
    """
    written = []
    for name, text in texts:
        path = repository / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        # Moved into place: a server that reads the folder now must never see half a config.
        new = path.with_name(f".{path.name}.new")
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave the name without the text
        new.replace(path)
        written.append(path)
    return written


def render(
    repository: Path, release: Release, beside: Sequence[Release] = ()
) -> Iterator[tuple[str, str]]:
    """Path in the repository and text of every file that `write_configs` writes."""
    yield from render_models(release)
    yield from render_steps(repository, release, beside)
    yield from render_ensemble(repository, release)


def render_models(release: Release) -> Iterator[tuple[str, str]]:
    """The model.py of every step of the release: all that a release that is not live needs."""
    for step, name in _STEPS.items():
        yield (
            f"{step}/{release.version}/model.py",
            f'"""Step `{step}` of the ensemble."""\n\n'
            f"from deckwatch_serving.steps import {name} as TritonPythonModel\n\n"
            '__all__ = ["TritonPythonModel"]\n',
        )


def render_steps(
    repository: Path, release: Release, beside: Sequence[Release] = ()
) -> Iterator[tuple[str, str]]:
    """The configs of every step, with these releases loaded.

    The nets' configs for GPUs have the shapes of `release`, and load only what has the same.
    """
    shapes = _shapes(repository, release)
    alike = [each for each in beside if _shapes(repository, each) == shapes]
    canvas, anchors, crop, classes = shapes
    values = {
        "loaded": _versions([release, *beside]),
        "loaded_on_gpu": _versions([release, *alike]),
        "classes": classes,
        "canvas": canvas,
        "anchors": anchors,
        "crop": crop,
        "pictures": _PICTURES,
        # Every candidate and the whole picture: Triton refuses a request over the batch size.
        "rows": max(_ROWS, *(each.detector.max_fish + 1 for each in (release, *beside))),
    }
    return (pair for pair in _filled(values) if not _of_ensemble(pair[0]))


def render_ensemble(repository: Path, release: Release) -> Iterator[tuple[str, str]]:
    """The ensemble's configs, pinned to the release; the one for processors last."""
    card = repository / model_card_file(release)
    values = {
        "version": release.version,
        "name": release.name,
        "labels": ",".join(release.labels.codes),
        "labels_file": labels_file(release).removeprefix(f"{ENSEMBLE}/"),
        "classes": len(release.labels.codes),
        "species": _quoted(json.dumps(release.labels.as_list(), ensure_ascii=False)),
        "card": _quoted(card.read_text(encoding="utf-8") if card.is_file() else ""),
    }
    pairs = [pair for pair in _filled(values) if _of_ensemble(pair[0])]
    return iter(sorted(pairs, reverse=True))


def labels_file(release: Release) -> str:
    """Path in the repository of the label names, one a line, that the ensemble gives to clients.

    Releases have a file of their own; the first ones shared deckwatch/labels.txt.
    """
    own = f"{ENSEMBLE}/{release.version}/labels.txt"
    shared = f"{ENSEMBLE}/labels.txt"
    return shared if shared in release.files and own not in release.files else own


def model_card_file(release: Release) -> str:
    """Path in the repository of the release's model card, which it may lack."""
    return f"{ENSEMBLE}/{release.version}/MODEL_CARD.md"


def same_shapes(repository: Path, one: Release, other: Release) -> bool:
    """Whether the nets of two releases have the same inputs and outputs."""
    return _shapes(repository, one) == _shapes(repository, other)


def _shapes(repository: Path, release: Release) -> tuple[int, int, int, int]:
    anchors = net_output_shape(repository / release.detector.file)[1]
    return (
        release.detector.input_size, anchors, release.classifier.input_size,
        len(release.labels.codes),
    )  # fmt: skip


def _versions(releases: Sequence[Release]) -> str:
    return ", ".join(map(str, sorted({each.version for each in releases})))


def _quoted(text: str) -> str:
    """A string of protobuf's text format; a literal for each line, which are joined when read."""
    lines = text.splitlines(keepends=True) or [""]
    # Protobuf knows the escapes of JSON, but not its surrogate pairs: so UTF-8 as it is.
    return "\n  ".join(json.dumps(line, ensure_ascii=False) for line in lines)


def _of_ensemble(name: str) -> bool:
    return name.startswith(f"{ENSEMBLE}/")


def _filled(values: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Every template that these values are enough for."""
    for template in sorted(_TEMPLATES.rglob("*.pbtxt")):
        text = Template(template.read_text(encoding="utf-8"))
        if set(text.get_identifiers()) <= values.keys():
            yield template.relative_to(_TEMPLATES).as_posix(), text.substitute(values)
