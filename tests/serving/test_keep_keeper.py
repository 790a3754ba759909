"""The keeper: never waits, never raises, and says once what goes wrong."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from deckwatch_serving.keep import FolderSource, FolderStore, Keeper, Origin, Policy
from deckwatch_serving.keep.keeper import LOOK_EVERY
from deckwatch_serving.keep.record import Kept
from deckwatch_serving.keep.store import Stored
from deckwatch_vision.result import Result
from tests.serving.keeping import picture, shark, sure, unsure


class Told:
    """What a keeper counted and told."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.errors: list[Exception | None] = []

    def count(self, outcome: str, reasons: tuple[str, ...]) -> None:
        self.outcomes[outcome] += 1
        self.reasons.update(reasons)


def run(
    folder: Path, offers: list[tuple[bytes, Result, Origin]], policy: Policy | None = None
) -> Told:
    told = Told()
    keeper = Keeper(
        FolderStore(folder), policy or Policy(), count=told.count, tell=told.errors.append
    )
    for data, result, origin in offers:
        keeper.offer(data, result, origin)
    keeper.close(60)
    return told


def test_what_is_worth_it_is_kept_with_its_reasons(tmp_path: Path) -> None:
    dull, close, rare = (picture(seed) for seed in range(3))
    told = run(
        tmp_path,
        [
            (dull, sure(dull), Origin()),
            (close, unsure(close), Origin()),
            (rare, shark(rare), Origin("Aurora", "2", "2026-07-01T05:00:00")),
            (rare, shark(rare), Origin("Aurora", "2", "2026-07-01T05:00:01")),
        ],
    )
    assert told.outcomes == {"dull": 1, "kept": 2, "duplicate": 1}
    assert told.errors == []
    records = {each.answer: each for each in FolderSource(tmp_path).records()}
    assert set(records["OTHER"].reasons) == {"unsure"}
    assert set(records["SHARK"].reasons) == {"sensitive", "vessel", "camera"}
    assert records["SHARK"].origin == Origin("Aurora", "2", "2026-07-01T05:00:00")
    assert records["SHARK"].result == shark(rare)
    assert records["SHARK"].result.release.version == 3
    assert FolderSource(tmp_path).read(records["SHARK"]) == rare


def test_nights_seldom_seen_are_found_among_dull_pictures(tmp_path: Path) -> None:
    pictures = [picture(seed, night=True) for seed in range(2 * LOOK_EVERY)]
    told = run(tmp_path, [(data, sure(data), Origin()) for data in pictures])
    assert told.outcomes == {"dull": 2 * LOOK_EVERY - 2, "kept": 2}
    assert told.reasons == {"night": 2}
    assert all(each.night for each in FolderSource(tmp_path).records())
    days = [picture(seed) for seed in range(50, 50 + LOOK_EVERY)]
    assert run(tmp_path, [(d, sure(d), Origin()) for d in days]).outcomes == {"dull": LOOK_EVERY}


class Stuck(FolderStore):
    """A store that does not answer until told to, or that fails."""

    go = threading.Event()
    broken = False

    def keep(self, kept: Kept, data: bytes) -> Stored:
        assert self.go.wait(60)
        if self.broken:
            raise OSError(28, "No space left on device")
        return super().keep(kept, data)


def test_a_full_queue_drops_and_does_not_wait(tmp_path: Path) -> None:
    store, told = Stuck(tmp_path), Told()
    store.go = threading.Event()
    keeper = Keeper(store, Policy(), count=told.count, queue_pictures=4)
    for seed in range(10):
        keeper.offer(picture(seed), unsure(picture(seed)))
    assert told.outcomes == {"dropped": 6}
    store.go.set()
    keeper.close(60)
    assert told.outcomes == {"dropped": 6, "kept": 4}
    keeper.offer(picture(20), unsure(picture(20)))  # closed: dropped, not an error
    assert told.outcomes["dropped"] == 7


def test_bytes_that_wait_are_bounded(tmp_path: Path) -> None:
    store, told = Stuck(tmp_path), Told()
    store.go = threading.Event()
    data = picture(1)
    keeper = Keeper(store, Policy(), count=told.count, queue_bytes=int(2.5 * len(data)))
    for _ in range(3):
        keeper.offer(data, unsure(data))
    assert told.outcomes == {"dropped": 1}
    store.go.set()
    keeper.close(60)


def test_a_failure_is_told_once_and_its_end_as_well(tmp_path: Path) -> None:
    store, told = Stuck(tmp_path), Told()
    store.go.set()
    keeper = Keeper(store, Policy(), count=told.count, tell=told.errors.append)
    store.broken = True
    for seed in range(3):
        keeper.offer(picture(seed), unsure(picture(seed)))
    while told.outcomes["failed"] < 3:
        threading.Event().wait(0.01)
    store.broken = False
    for seed in range(3):
        keeper.offer(picture(seed), unsure(picture(seed)))
    keeper.close(60)
    assert told.outcomes == {"failed": 3, "kept": 3}
    (first, second) = told.errors
    assert isinstance(first, OSError)
    assert second is None


@pytest.mark.parametrize("data", [b"", b"not a picture", picture(1)[:300]])
def test_a_picture_that_cannot_be_read_harms_nothing(tmp_path: Path, data: bytes) -> None:
    good = picture(2)
    told = run(tmp_path, [(data, unsure(data), Origin()), (good, unsure(good), Origin())])
    assert told.outcomes == {"failed": 1, "kept": 1}
