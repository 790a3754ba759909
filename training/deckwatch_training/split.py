"""Dividing a data set so that nothing stands on both sides, and every species on each as it can.

What must stay together: a vessel, a camera, a group that the data set names, and duplicates, exact
or near, also where they are of two vessels. Those chains are the units that are dealt out. A unit
goes where its rarest species is missing most (iterative stratification, Sechidis, Tsoumakas and
Vlahavas 2011), from several seeded orders; then single units are moved as long as that helps.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deckwatch_training.catalogue import SPLITS, Catalogue, Entry
from deckwatch_training.counting import species
from deckwatch_training.unions import Unions
from deckwatch_vision.errors import UsageError

# Orders that are tried, fewer where there are many units: the work is about the same.
_TRIES, _WORK = 32, 4_000
# What a species that one side lacks, though it could have it, costs against shares being off.
_MISSING = 4.0

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Divided:
    """The data set with splits, and what could not be had: sentences for people."""

    catalogue: Catalogue
    units: int
    warnings: tuple[str, ...]


def divide(
    data: Catalogue,
    shares: Mapping[str, float],
    *,
    seed: int = 0,
    keep: bool = False,
    near: Iterable[Sequence[int]] = (),
) -> Divided:
    """Give every picture a split.

    Args:
        data: the data set.
        shares: of the pictures, for each split; they sum to 1.
        seed: another seed, another division; the same seed always the same.
        keep: pictures that have a split keep it and stay as they are; a unit that is partly on one
            side goes there whole.
        near: groups of positions that look alike (`duplicates.find`). Pictures of one that have no
            group yet get one, so that whoever divides later keeps them together too.

    Raises:
        UsageError: a split that does not exist, or shares that do not sum to 1.
    """
    _check(shares)
    groups = [list(group) for group in near]
    units = find_units(data.entries, groups)
    given = _given(data.entries, units) if keep else {}
    codes, counts = _counts(data.entries, units)
    names = [name for name in SPLITS if shares.get(name)]
    fixed = {u: names.index(s) for u, s in given.items() if s in names}
    free = [u for u in range(len(units)) if u not in given]
    chosen = dict(fixed)
    if free:
        wanted = np.array([shares[name] for name in names])
        chosen = _best(counts, wanted, fixed, free, seed)
    split_of = {u: names[s] for u, s in chosen.items()} | given
    named = {i: f"alike-{n}" for n, group in enumerate(groups, start=1) for i in group}
    entries = list(data.entries)
    for u, members in enumerate(units):
        for i in members:
            entry = entries[i]
            if keep and entry.split:
                continue
            group = entry.group or _group(entry, named.get(i))
            entries[i] = replace(entry, split=split_of[u], group=group)
    result = data.having(entries)
    told = [*_torn(data.entries, units, keep), *_mixed(data.entries, units)]
    # Where all splits were given, nobody asked for others.
    sides = names if free else [name for name in SPLITS if name in split_of.values()]
    return Divided(result, len(units), (*told, *lacking(result, codes, sides)))


def _group(entry: Entry, name: str | None) -> str | None:
    """A group is only of use where no vessel or camera keeps the pictures together already."""
    return None if entry.vessel or entry.camera else name


def _check(shares: Mapping[str, float]) -> None:
    unknown = sorted(set(shares) - set(SPLITS))
    if unknown:
        raise UsageError(f"No split {', '.join(unknown)}. Use {', '.join(SPLITS)}.")
    total = sum(shares.values())
    if min(shares.values(), default=0) < 0 or abs(total - 1) > 1e-6:
        listed = ",".join(f"{name}={share:g}" for name, share in shares.items())
        raise UsageError(f"The shares {listed} sum to {total:g}. Give shares that sum to 1.")


def find_units(entries: Sequence[Entry], near: Sequence[Sequence[int]]) -> list[list[int]]:
    """Positions that no split may divide, by whatever chain they are connected."""
    unions = Unions(len(entries))
    first: dict[tuple[str, str], int] = {}
    for i, entry in enumerate(entries):
        for kind, name in (("unit", entry.unit), ("vessel", entry.vessel), ("group", entry.group)):
            if name:
                unions.join(first.setdefault((kind, name), i), i)
        if entry.camera and not entry.vessel:
            # Cameras of two vessels may have one name; without vessels the camera counts.
            unions.join(first.setdefault(("camera", entry.camera), i), i)
        # What was made from a picture names its file as its group.
        unions.join(first.setdefault(("group", entry.file), i), i)
    for group in near:
        unions.join_all(group)
    return unions.groups()


def _given(entries: Sequence[Entry], units: Sequence[Sequence[int]]) -> dict[int, str]:
    """Units of which pictures have a split already, with the one that most of them have."""
    found: dict[int, str] = {}
    for u, members in enumerate(units):
        counted = Counter(split for i in members if (split := entries[i].split))
        if counted:
            found[u] = counted.most_common(1)[0][0]
    return found


def _counts(entries: Sequence[Entry], units: Sequence[Sequence[int]]) -> tuple[list[str], Matrix]:
    """Species codes, and float64 [units, 1 + species]: pictures, then animals of each species."""
    of_units = [Counter(code for i in members for code in species(entries[i])) for members in units]
    codes = sorted({code for each in of_units for code in each}, key=str.casefold)
    counts = np.zeros((len(units), 1 + len(codes)))
    for u, members in enumerate(units):
        counts[u, 0] = len(members)
        counts[u, 1:] = [of_units[u][code] for code in codes]
    return codes, counts


def _best(
    counts: Matrix, wanted: Matrix, fixed: Mapping[int, int], free: Sequence[int], seed: int
) -> dict[int, int]:
    """The best of several divisions: unit -> position of its split."""
    total = counts.sum(axis=0)
    # Shares, so that a rare species counts as much as a common one.
    shares = counts / np.maximum(total, 1)
    base = np.zeros((len(wanted), counts.shape[1]))
    for unit, side in fixed.items():
        base[side] += shares[unit]
    # How many units have a species: fewer than sides, and some side must go without.
    carriers = (counts > 0).sum(axis=0)
    rng = random.Random(seed)
    tries = max(1, min(_TRIES, _WORK // max(1, len(free))))
    best: tuple[float, dict[int, int]] | None = None
    for _ in range(tries):
        order = list(free)
        rng.shuffle(order)
        sides, held = _deal(shares, wanted, base, order)
        cost = _improve(shares, wanted, carriers, sides, held, order)
        if best is None or cost < best[0] - 1e-12:
            best = cost, sides
    return dict(fixed) | (best[1] if best else {})


def _deal(
    shares: Matrix, wanted: Matrix, base: Matrix, order: Sequence[int]
) -> tuple[dict[int, int], Matrix]:
    """One division: large units first, each to the side that lacks its rarest species most."""
    held = base.copy()
    sides: dict[int, int] = {}
    sizes = shares.max(axis=1)
    for unit in sorted(order, key=lambda u: -sizes[u]):
        rarest = int(np.argmax(shares[unit, 1:])) + 1 if shares.shape[1] > 1 else 0
        lack = wanted - held[:, rarest]
        # Between sides that lack it alike, the one that lacks pictures most.
        side = int(np.lexsort((held[:, 0] - wanted, -np.round(lack, 9)))[0])
        sides[unit] = side
        held[side] += shares[unit]
    return sides, held


def _cost(held: Matrix, wanted: Matrix, carriers: NDArray[np.int64]) -> float:
    off = ((held - wanted[:, None]) ** 2 / wanted[:, None]).sum()
    missing = ((held <= 0) & (carriers >= len(wanted))).sum()
    return float(off + _MISSING * missing)


def _improve(
    shares: Matrix, wanted: Matrix, carriers: NDArray[np.int64],
    sides: dict[int, int], held: Matrix, order: Sequence[int],
) -> float:  # fmt: skip
    """Move single units while the cost falls; at most a few rounds. Returns the cost."""
    cost = _cost(held, wanted, carriers)
    for _ in range(4):
        before = cost
        for unit in order:
            home = sides[unit]
            for side in range(len(wanted)):
                if side == home:
                    continue
                held[home] -= shares[unit]
                held[side] += shares[unit]
                # A side from which all was taken is empty, whatever rounding left.
                held[np.abs(held) < 1e-12] = 0
                new = _cost(held, wanted, carriers)
                if new < cost - 1e-12:
                    cost, home = new, side
                    sides[unit] = side
                else:
                    held[side] -= shares[unit]
                    held[home] += shares[unit]
        if cost >= before - 1e-9:
            break
    return cost


def lacking(data: Catalogue, codes: Sequence[str], names: Sequence[str]) -> list[str]:
    """A sentence for each species that a side lacks, and each side that is empty."""
    sides: dict[str, Counter[str]] = {name: Counter() for name in names}
    units: dict[str, set[str]] = {}
    for entry in data.entries:
        for code in species(entry):
            sides.setdefault(entry.split or "", Counter())[code] += 1
            units.setdefault(code, set()).add(entry.unit)
    told = []
    for name in names:
        if not sides[name]:
            told.append(f"{name} is empty: there are fewer vessels, cameras or groups than splits.")
            continue
        for code in codes:
            if not sides[name][code]:
                places = len(units[code])
                told.append(
                    f"{code} is not in {name}: it is on pictures of {places} "
                    f"{'vessel, camera or group' if places == 1 else 'vessels, cameras or groups'}."
                    f" {_means(name)}"
                )
    return told


def _means(name: str) -> str:
    if name == "train":
        return "A model cannot learn it."
    if name == "calibrate":
        return "Its likelihoods cannot be calibrated."
    return "Nothing can be said of how well it is recognised."


def _torn(entries: Sequence[Entry], units: Sequence[Sequence[int]], keep: bool) -> list[str]:
    """With splits as given: units on several sides."""
    if not keep:
        return []
    torn = [u for u in units if len({entries[i].split for i in u}) > 1]
    if not torn:
        return []
    sides = sorted({str(entries[i].split) for u in torn for i in u})
    first = ", ".join(entries[i].file for i in torn[0][:3])
    return [
        f"{len(torn)} vessels, cameras or groups of duplicates stand on several sides as given "
        f"({', '.join(sides)}; the first: {first}). Figures measured on them are too kind; leave "
        "--keep out to divide anew."
    ]


def _mixed(entries: Sequence[Entry], units: Sequence[Sequence[int]]) -> list[str]:
    """Vessels that duplicates chain together."""
    told = []
    for members in units:
        vessels = sorted({v for i in members if (v := entries[i].vessel)})
        if len(vessels) > 1:
            told.append(
                f"{', '.join(vessels[:5])}{' ...' if len(vessels) > 5 else ''} have pictures in "
                "common and stay together. Check the vessels of the duplicates that `check` lists."
            )
    return told
