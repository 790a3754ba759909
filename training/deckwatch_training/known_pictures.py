"""Which pictures are in a data set or a folder of tasks already, by their SHA-256."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deckwatch_training import catalogue as catalogues
from deckwatch_training.catalogue import FILE
from deckwatch_training.importers.collected import NAME, PREDICTED
from deckwatch_vision.release import sha256_file


def digests(places: Iterable[Path]) -> set[str]:
    """The digests of all their pictures; files that are missing have none.

    The name of a collected picture tells its digest; every other file is read.

    Raises:
        UsageError: at one of the places is neither.
    """
    found = set()
    for place in places:
        tasks = place / PREDICTED
        is_tasks = place.is_dir() and tasks.is_file() and not (place / FILE).exists()
        catalogue = catalogues.read(tasks if is_tasks else place)
        for entry in catalogue.entries:
            path = catalogue.path(entry)
            digest = digest_of_name(path.name)
            if digest is None and path.is_file():
                digest = sha256_file(path)
            if digest is not None:
                found.add(digest)
    return found


def digest_of_name(name: str) -> str | None:
    """The SHA-256 in the name of a collected picture: the original's, also where it was recoded."""
    known = NAME.search(name)
    return known[1] if known else None
