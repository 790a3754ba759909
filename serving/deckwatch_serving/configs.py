"""What Triton reads of a release, written from the release: every step's config and model.py.

The texts in `templates/` are the source; `model_repository/` holds them filled in for the release
that ships. So a config can never disagree with the release about labels, sizes or versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from deckwatch_serving.net import net_output_shape

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


def write_configs(repository: Path, release: Release) -> list[Path]:
    """Write the steps of `release` into `repository`: configs of both profiles, and model.py.

    The nets must be there already (the number of the detector's anchors is read from its file).
    Configs of another version are overwritten: the release given becomes the live one.

    Returns:
        The files written.
    """
    written = []
    for name, text in render(repository, release):
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Moved into place: a server that reads the folder now must never see half a config.
        new = path.with_name(f".{path.name}.new")
        new.write_text(text, encoding="utf-8")
        new.replace(path)
        written.append(path)
    return written


def render(repository: Path, release: Release) -> Iterator[tuple[str, str]]:
    """Path in the repository and text of every file that `write_configs` writes."""
    anchors = net_output_shape(repository / release.detector.file)[1]
    values = {
        "version": release.version,
        "name": release.name,
        "labels": ",".join(release.labels.codes),
        "classes": len(release.labels.codes),
        "canvas": release.detector.input_size,
        "anchors": anchors,
        "crop": release.classifier.input_size,
        "pictures": _PICTURES,
        # Every candidate and the whole picture: Triton refuses a request over the batch size.
        "rows": max(_ROWS, release.detector.max_fish + 1),
    }
    for template in sorted(_TEMPLATES.rglob("*.pbtxt")):
        text = Template(template.read_text(encoding="utf-8")).substitute(values)
        yield template.relative_to(_TEMPLATES).as_posix(), text
    for step, name in _STEPS.items():
        yield (
            f"{step}/{release.version}/model.py",
            f'"""Step `{step}` of the ensemble."""\n\n'
            f"from deckwatch_serving.steps import {name} as TritonPythonModel\n\n"
            '__all__ = ["TritonPythonModel"]\n',
        )
