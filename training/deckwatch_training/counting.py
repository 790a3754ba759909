"""What is in a data set, counted: pictures, vessels and species of every split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from deckwatch_training.catalogue import SPLITS, Catalogue, Entry
from deckwatch_training.label_files import rows_of

# What is shown for something that nobody said.
UNKNOWN = "unknown"


def species(entry: Entry) -> list[str]:
    """The species of every animal of a picture; NoF, or its label, where it has no box."""
    return [row.label for row in rows_of(entry)]


def count(entries: Iterable[Entry]) -> Counter[str]:
    """Animals of every species."""
    return Counter(code for entry in entries for code in species(entry))


def splits(data: Catalogue) -> list[str]:
    """The splits that occur, in their usual order; "" for pictures without one comes last."""
    found = {entry.split or "" for entry in data.entries}
    return [name for name in (*SPLITS, "") if name in found]


def of_split(data: Catalogue, split: str) -> list[Entry]:
    """The pictures of a split; of none with ""."""
    return [entry for entry in data.entries if (entry.split or "") == split]


def vessels(entries: Iterable[Entry]) -> set[str]:
    """Vessels, or cameras where the vessel is not known."""
    return {entry.vessel or entry.camera or "" for entry in entries} - {""}


def split_table(data: Catalogue) -> tuple[list[str], list[list[object]]]:
    """Head and rows: of every split its pictures, vessels or cameras, and animals by species."""
    codes = sorted(count(data.entries), key=str.casefold)
    rows: list[list[object]] = []
    for split in splits(data):
        of = of_split(data, split)
        counted = count(of)
        rows.append(
            [split or "(none)", len(of), len(vessels(of)), *(counted[code] for code in codes)]
        )
    everything = count(data.entries)
    rows.append(
        ["all", len(data), len(vessels(data.entries)), *(everything[code] for code in codes)]
    )
    return ["split", "pictures", "vessels", *codes], rows
