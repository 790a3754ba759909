"""A data set looked at from all sides, once: what its report and its comparison are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deckwatch_training import balancing, counting, data_check, duplicates, importing, looks
from deckwatch_training import catalogue as catalogues
from deckwatch_training.catalogue import Catalogue
from deckwatch_training.counting import UNKNOWN
from deckwatch_training.data_check import Checked
from deckwatch_training.duplicates import Duplicates
from deckwatch_training.importers.source import Problem
from deckwatch_vision.errors import ImageError, UsageError


@dataclass(frozen=True)
class Studied:
    """A data set with all that a report needs to know of it."""

    data: Catalogue
    seen: Sequence[looks.Look | ImageError]
    nights: Sequence[bool | None]
    twins: Duplicates
    checked: Checked
    problems: Sequence[Problem]

    @classmethod
    def of(cls, path: Path, workers: int = 0) -> Studied:
        """Look at a data set.

        Raises:
            UsageError: there is none, or it is empty.
        """
        data = catalogues.read(path)
        if not len(data):
            raise UsageError(f"{path} holds no pictures. Import some first.")
        seen = looks.survey_catalogue(data, path, workers=workers)
        twins = duplicates.find(seen)
        checked = data_check.check_looks(data, seen, twins)
        beside = looks.data_file(path).parent / importing.PROBLEMS
        return cls(
            data, seen, looks.nights(data, seen), twins, checked, importing.read_problems(beside)
        )

    @property
    def codes(self) -> list[str]:
        """Species, the most frequent first."""
        return [code for code, _ in counting.count(self.data.entries).most_common()]

    def cells(self) -> Counter[tuple[str, str, str]]:
        """Animals by species, vessel and time; what cannot be read counts as of the day."""
        counted: Counter[tuple[str, str, str]] = Counter()
        for entry, night in zip(self.data.entries, self.nights, strict=True):
            vessel = balancing.vessel_of(entry) or UNKNOWN
            for code in counting.species(entry):
                counted[code, vessel, "night" if night else "day"] += 1
        return counted
