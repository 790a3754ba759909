"""The same picture twice, and pictures that only look alike: frames of a burst, a copy saved again.

Exact duplicates have one SHA-256. Near duplicates differ in few bits of a pHash, and not in many of
a dHash, which sees other things. Comparing every pair of 100,000 pictures would be five billion
comparisons. Instead the 64 bits are cut into four bands (multi-index hashing, Norouzi, Punjani and
Fleet 2012): two hashes within 7 bits of each other have at least one band within one bit, and bands
are looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deckwatch_training.looks import Look
from deckwatch_training.unions import Unions
from deckwatch_vision.errors import ImageError, UsageError

BANDS, BAND_BITS = 4, 16
MOST = 2 * BANDS - 1
# Bits, at most, that two hashes of near duplicates differ in. dHash is a second opinion: hashes of
# pictures that have nothing in common differ in 32 bits, give or take 4.
NEAR_PHASH, NEAR_DHASH = MOST, 16
# Candidate pairs that are compared at once: 16 bytes each, twice.
_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Duplicates:
    """Groups of positions, each of at least two, ascending.

    exact: the same bytes. near: look alike, exact ones included; chains count, so that the first
    and the last frame of a slow turn are in one group. A black or fogged frame looks like every
    other, whatever the vessel, and is in no near group.
    """

    exact: list[list[int]]
    near: list[list[int]]


def find(
    looks: Sequence[Look | ImageError], phash_bits: int = NEAR_PHASH, dhash_bits: int = NEAR_DHASH
) -> Duplicates:
    """Duplicates among pictures; those that could not be decoded are in no group.

    Raises:
        UsageError: more bits than the bands can find.
    """
    if not 0 <= phash_bits <= MOST:
        raise UsageError(f"{phash_bits} bits: near duplicates differ in 0 to {MOST} bits of 64.")
    seen = [(i, look) for i, look in enumerate(looks) if isinstance(look, Look)]
    by_content: dict[str, list[int]] = {}
    by_hash: dict[tuple[int, int], list[int]] = {}
    for i, look in seen:
        by_content.setdefault(look.sha256, []).append(i)
        if not look.flat:
            by_hash.setdefault((look.phash, look.dhash), []).append(i)
    unions = Unions(len(looks))
    for members in by_hash.values():
        unions.join_all(members)
    # From here on every pair of hashes once: a burst of equal frames costs nothing.
    firsts = [members[0] for members in by_hash.values()]
    phashes = np.array([phash for phash, _ in by_hash], np.uint64)
    dhashes = np.array([dhash for _, dhash in by_hash], np.uint64)
    for one, other in _candidates(phashes):
        near = _apart(phashes[one], phashes[other]) <= phash_bits
        one, other = one[near], other[near]
        near = _apart(dhashes[one], dhashes[other]) <= dhash_bits
        for i, j in zip(one[near].tolist(), other[near].tolist(), strict=True):
            unions.join(firsts[i], firsts[j])
    exact = [members for members in by_content.values() if len(members) > 1]
    return Duplicates(exact, unions.groups(least=2))


def _candidates(hashes: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs of positions with a band in common but for one bit, in pieces; some come repeatedly."""
    # One hash may differ from another in no bit or in any one of a band.
    turned = np.array([0, *(1 << bit for bit in range(BAND_BITS))], np.int64)
    for band in range(BANDS):
        shift = np.uint64(band * BAND_BITS)
        keys = ((hashes >> shift) & np.uint64((1 << BAND_BITS) - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for mask in turned:
            wanted = keys ^ mask
            start = np.searchsorted(ordered, wanted, "left")
            sizes = np.searchsorted(ordered, wanted, "right") - start
            ends = np.cumsum(sizes)
            first = 0
            while first < len(keys):
                done = ends[first - 1] if first else 0
                last = max(first + 1, int(np.searchsorted(ends, done + _AT_ONCE, "right")))
                one = np.repeat(np.arange(first, last), sizes[first:last])
                inside = np.arange(len(one)) - np.repeat(
                    ends[first:last] - sizes[first:last] - done, sizes[first:last]
                )
                other = order[np.repeat(start[first:last], sizes[first:last]) + inside]
                once = one < other
                yield one[once], other[once]
                first = last


# Bits of every 16-bit number: numpy 1 cannot count them itself.
_ONES = np.array([i.bit_count() for i in range(1 << 16)], np.uint8)


def _apart(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """In how many bits pairs of hashes differ."""
    parts = (one ^ other).view(np.uint16).reshape(len(one), 4)
    return np.asarray(_ONES[parts].sum(axis=1, dtype=np.int64))
