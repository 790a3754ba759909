"""Which pictures of a camera are learnt from."""

from __future__ import annotations

from itertools import pairwise

import pytest

from deckwatch_client.background.sample import EvenSample


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 19, 20, 21, 999, 12345])
def test_evenly_spaced_and_bounded(count: int) -> None:
    sample: EvenSample[int] = EvenSample(10)
    for number in range(count):
        sample.offer("deck", number)
    kept = [item for _, item in sample.chosen()]
    assert min(count, 10) <= len(kept) < 20
    assert kept[:1] == list(range(min(count, 1)))
    assert len({later - former for former, later in pairwise(kept)}) <= 1
    if len(kept) > 1:
        assert count - kept[-1] <= kept[1] - kept[0]


def test_cameras_are_apart_and_come_one_after_another() -> None:
    sample: EvenSample[int] = EvenSample(4)
    for number in range(100):
        sample.offer(("a", "b", None)[number % 3], number)
    chosen = list(sample.chosen())
    cameras = [camera for camera, _ in chosen]
    assert cameras == sorted(cameras, key=["a", "b", None].index)
    assert all(("a", "b", None)[number % 3] == camera for camera, number in chosen)
    assert all(4 <= cameras.count(camera) < 8 for camera in ("a", "b", None))
