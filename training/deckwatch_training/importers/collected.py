"""What `data collect` noted of the pictures that it packed, for the tools that forget it.

A labelling tool gives back names and boxes. Vessel, camera, time and night of the pictures are in
`predicted.json` beside them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from deckwatch_training import catalogue as catalogues
from deckwatch_training.importers.source import Source
from deckwatch_vision.species import NO_FISH

PREDICTED, PICTURES = "predicted.json", "images"
FACTS = ("vessel", "camera", "captured_at", "source", "licence", "night")

# The name of a collected picture: its rank and its SHA-256. Label Studio puts eight digits and a
# dash before the names of pictures that are uploaded.
NAME = re.compile(r"\d+-([0-9a-f]{64})\.\w+$")


class Collected:
    """The pictures that a source's labels are of: where they lie and what is known of them."""

    def __init__(self, source: Source) -> None:
        beside = source.path if source.path.is_dir() else source.path.parent
        self._folder = source.images or (
            beside / PICTURES if (beside / PICTURES).is_dir() else beside
        )
        places = [beside, self._folder, self._folder.parent]
        found = next((each for each in places if (each / PREDICTED).is_file()), None)
        self._facts: dict[str, dict[str, Any]] = {}
        if found is not None:
            for entry in catalogues.read(found / PREDICTED).entries:
                facts = {key: getattr(entry, key) for key in FACTS}
                self._facts[entry.file] = {k: v for k, v in facts.items() if v is not None}

    def path(self, name: str) -> Path:
        """Where a picture lies that the tool calls `name`."""
        name = name.replace("\\", "/")
        known = NAME.search(name)
        plain = name[known.start() :] if known else name.rpartition("/")[2]
        for each in (name, plain):
            if (self._folder / each).is_file():
                return self._folder / each
        # Missing: the one name that a collected picture can have, for the message.
        return self._folder / plain

    def facts(self, path: Path) -> dict[str, Any]:
        """What is known of a picture; nothing where it was not collected."""
        return dict(self._facts.get(path.name, {}))


def label_of(boxes: tuple[object, ...]) -> dict[str, str]:
    """A picture that a person left without a box has no fish."""
    return {} if boxes else {"label": NO_FISH}
