"""Weights of a data set's animals, written as a label and weights file, and their table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from deckwatch_training import balance
from deckwatch_training import catalogue as catalogues
from deckwatch_training.catalogue import Catalogue, Entry
from deckwatch_training.counting import UNKNOWN
from deckwatch_training.label_files import LabelRow, rows_of, write_rows
from deckwatch_training.label_map import sensitive_codes
from deckwatch_vision.errors import UsageError


def vessel_of(entry: Entry) -> str:
    """What species are balanced within: the vessel, else the camera, else everything unknown."""
    return entry.vessel or entry.camera or ""


def weights(
    entries: Iterable[Entry],
    sensitive: Iterable[str],
    *,
    sensitive_factor: float = 1.0,
    equal_vessels: bool = False,
) -> tuple[dict[balance.Cell, int], dict[balance.Cell, float]]:
    """How many animals each vessel has of each species, and the weight of one of them."""
    counts = balance.count(
        (vessel_of(entry), row.label) for entry in entries for row in rows_of(entry)
    )
    found = balance.weights(
        counts,
        sensitive=frozenset(sensitive),
        sensitive_factor=sensitive_factor,
        equal_vessels=equal_vessels,
    )
    return counts, found


def write(
    path: Path,
    out: Path,
    *,
    split: str | None = "train",
    sensitive_factor: float = 1.0,
    equal_vessels: bool = False,
) -> tuple[list[str], list[list[object]]]:
    """Write the label and weights file of a data set; returns head and rows of the table.

    split: only its pictures and those that have none; None takes all.

    Raises:
        UsageError: there is no data set, or it has no such pictures.
    """
    data = catalogues.read(path)
    entries = [each for each in data.entries if split is None or each.split in (None, split)]
    if not entries:
        raise UsageError(f"{path} has no pictures of the split {split}. Give another --split.")
    counts, found = weights(
        entries,
        sensitive_codes(data),
        sensitive_factor=sensitive_factor,
        equal_vessels=equal_vessels,
    )
    write_rows(out, _rows(entries, found), weights=True)
    return table(data, counts, found)


def _rows(entries: Iterable[Entry], found: dict[balance.Cell, float]) -> Iterator[LabelRow]:
    for entry in entries:
        vessel = vessel_of(entry)
        for row in rows_of(entry):
            yield replace(row, vessel=vessel or None, weight=found[vessel, row.label])


def _by_name(each: tuple[balance.Cell, int]) -> tuple[str, str]:
    (vessel, code), _ = each
    return str(vessel), code.casefold()


def table(
    data: Catalogue, counts: dict[balance.Cell, int], found: dict[balance.Cell, float]
) -> tuple[list[str], list[list[object]]]:
    """One row a vessel and species: animals, the weight of one, the sum; and the sums of all."""
    sensitive = sensitive_codes(data)
    rows: list[list[object]] = [
        [str(vessel) or UNKNOWN, code + (" *" if code in sensitive else ""), number,
         found[vessel, code], number * found[vessel, code]]
        for (vessel, code), number in sorted(counts.items(), key=_by_name)
    ]  # fmt: skip
    totals: dict[str, list[float]] = {}
    for (vessel, code), number in counts.items():
        total = totals.setdefault(code, [0, 0.0])
        total[0] += number
        total[1] += number * found[vessel, code]
    for code in sorted(totals, key=str.casefold):
        animals, weight = totals[code]
        rows.append(["all", code, int(animals), weight / animals, weight])
    everything = sum(counts.values())
    rows.append(["all", "all", everything, 1.0, sum(total[1] for total in totals.values())])
    return ["vessel", "species", "animals", "weight", "sum"], rows
