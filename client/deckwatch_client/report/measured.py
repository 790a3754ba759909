"""What is known of the release that answered: its classes, its scorecard, whom it is owed to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deckwatch_client.run_info import RunInfo
from deckwatch_serving.repository import find_repository, open_release
from deckwatch_vision.errors import ReleaseError
from deckwatch_vision.release import Release
from deckwatch_vision.species import Species


@dataclass(frozen=True, slots=True)
class Measured:
    """A share measured on labelled pictures, with its 95 % interval where that is known."""

    value: float
    low: float | None = None
    high: float | None = None

    def per_cent(self) -> str:
        """In words, such as "72 % (65 to 78)", which do not come apart at the end of a line."""
        digits = 0 if self.value >= 0.1 else 1
        words = f"{100 * self.value:.{digits}f}\N{NO-BREAK SPACE}%"
        if self.low is None or self.high is None:
            return words
        return f"{words} ({100 * self.low:.{digits}f} to {100 * self.high:.{digits}f})"


def release_of(info: RunInfo, repository: Path | None) -> Release | None:
    """The release that answered, from a model repository at hand; None where it is not there.

    Args:
        info: name, version and classes must be the release's.
        repository: the one to look in; None takes the one in use.

    Raises:
        ReleaseError: a repository was named, and the release is not in it.
    """
    try:
        found = open_release(find_repository(repository), info.release.version, verify=False)
    except ReleaseError:
        if repository is not None:
            raise
        return None
    same = found.name == info.release.name and found.labels.codes == info.codes
    return found if same else None


def with_species(info: RunInfo, release: Release | None) -> tuple[RunInfo, tuple[str, ...]]:
    """The run with its classes in full, and the codes of those of which nothing is known.

    A file of `classify --json` lines holds codes alone, and so does the run of an old release. The
    release at hand knows what they mean; without it an unknown one may well be sensitive.
    """
    nameless = tuple(
        one.code
        for one in info.species
        if one == Species(one.code, one.code, None, None, None, sensitive=False)
    )
    if nameless and release is not None:
        return replace(info, species=tuple(release.labels)), ()
    return info, nameless


def figure(release: Release | None, *keys: str) -> Measured | None:
    """A figure of the scorecard on the valid split, such as "detector", "recall"."""
    found: Any = release.scorecard.get("valid") if release else None
    for name in keys:
        found = found.get(name) if isinstance(found, dict) else None
    numbers: Sequence[Any] = found if isinstance(found, list) else [found]
    if not all(isinstance(one, int | float) for one in numbers) or len(numbers) not in (1, 3):
        return None
    return Measured(*(float(one) for one in numbers))
