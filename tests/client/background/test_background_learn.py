"""What is learnt from a camera's pictures, and what is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deckwatch_client.background.learn import Learnt
from deckwatch_client.background.options import FEWEST, BackgroundOptions
from deckwatch_client.background.stage import BackgroundStage
from deckwatch_client.background.store import LONGEST, Backgrounds
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import encode_jpeg
from tests.client.background.decks import SIZE, deck, passing, shot


def learn(folder: Path, pictures: list[bytes], **options: object) -> list[Learnt]:
    stage = BackgroundStage(folder, BackgroundOptions(**options))  # type: ignore[arg-type]
    return stage.learn_from(("deck", data) for data in pictures)


@pytest.mark.parametrize("method", ["median", "mog2"])
def test_what_passes_by_is_left_out(tmp_path: Path, method: str) -> None:
    [learnt] = learn(tmp_path, passing(30), method=method)
    assert (learnt.camera, learnt.night, learnt.pictures, learnt.used) == ("deck", False, 30, 30)
    [found] = Backgrounds(tmp_path).of("deck", night=False)
    assert (found.size, found.method, found.pictures) == (SIZE, method, 30)
    height, width = found.picture.shape[:2]
    assert max(height, width) == LONGEST
    empty = cv2.resize(deck(), (width, height), interpolation=cv2.INTER_AREA)
    apart = cv2.absdiff(found.picture, empty).max(axis=2)
    assert np.mean(apart < 25) > 0.97
    assert np.median(found.spread) < 10


def test_light_and_noise_are_no_change(tmp_path: Path) -> None:
    pictures = [shot(number, gain=0.6 + 0.05 * (number % 12)) for number in range(24)]
    [learnt] = learn(tmp_path, pictures)
    assert learnt.used == 24
    assert np.mean(learnt.backgrounds[0].spread > 25) < 0.05


def test_day_and_night_are_learnt_apart(tmp_path: Path) -> None:
    nights = [shot(number, night=True, gain=0.8) for number in range(10)]
    learnt = learn(tmp_path, [*passing(12), *nights])
    assert [(each.night, each.used) for each in learnt] == [(False, 12), (True, 10)]
    assert len(Backgrounds(tmp_path).of("deck", night=True)) == 1


def test_too_few_pictures_are_said(tmp_path: Path) -> None:
    [learnt] = learn(tmp_path, passing(FEWEST - 1))
    assert (learnt.backgrounds, learnt.used) == ((), 0)
    assert f"nothing learnt from {FEWEST - 1} pictures" in str(learnt)
    assert Backgrounds(tmp_path).cameras() == []


def test_pictures_of_everywhere_are_no_background(tmp_path: Path) -> None:
    [learnt] = learn(tmp_path, [shot(number, seed=number) for number in range(20)])
    assert learnt.backgrounds == ()
    assert "nothing learnt" in str(learnt)


def test_too_much_change_is_no_background(tmp_path: Path) -> None:
    """The rim stands still and so the pictures look alike, but most of the view does not."""
    random, pictures = np.random.default_rng(3), []
    for _ in range(16):
        picture = deck()
        cells = random.integers(0, 2, (30, 60, 1), dtype=np.uint8) * np.uint8(200)
        moving = cv2.resize(cells, (SIZE[0], SIZE[1]), interpolation=cv2.INTER_NEAREST)
        mixed = cv2.addWeighted(picture, 0.75, cv2.merge([moving] * 3), 0.4, 0)
        pictures.append(encode_jpeg(np.asarray(mixed, np.uint8)))
    [learnt] = learn(tmp_path, pictures)
    assert learnt.backgrounds == ()


def test_a_camera_that_was_moved_has_a_background_for_each_view(tmp_path: Path) -> None:
    [learnt] = learn(tmp_path, [*passing(20), *passing(12, shift=60)])
    assert [(each.view, each.pictures) for each in learnt.backgrounds] == [(1, 20), (2, 12)]
    assert "2 views" in str(learnt)
    assert len(Backgrounds(tmp_path).of("deck", night=False)) == 2


def test_other_sizes_are_learnt_together_where_only_their_scale_differs(tmp_path: Path) -> None:
    larger = passing(10, size=(960, 540))
    [learnt] = learn(tmp_path, [*passing(10), *larger])
    assert [each.pictures for each in learnt.backgrounds] == [20]
    other_shape = passing(10, size=(480, 360))
    [learnt] = learn(tmp_path, [*passing(12), *other_shape])
    assert [each.size for each in learnt.backgrounds] == [SIZE, (480, 360)]


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    good = passing(10)
    [learnt] = learn(tmp_path, [b"", *good, good[0][:500]])
    assert learnt.used == 10


def test_no_more_than_the_sample_is_looked_at(tmp_path: Path) -> None:
    [learnt] = learn(tmp_path, passing(25), sample=10)
    assert (learnt.pictures, learnt.used) == (10, 10)


def test_learning_again_replaces_what_was_seen_anew_alone(tmp_path: Path) -> None:
    nights = [shot(number, night=True, gain=0.8) for number in range(10)]
    learn(tmp_path, [*passing(10), *passing(10, shift=60), *nights])
    learn(tmp_path, passing(12))
    store = Backgrounds(tmp_path)
    assert [each.pictures for each in store.of("deck", night=False)] == [12]
    assert [each.pictures for each in store.of("deck", night=True)] == [10]


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        learn(tmp_path / name, passing(12))
    one, two = (next((tmp_path / name).glob("*.npz")) for name in ("one", "two"))
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_cameras_come_one_after_another(tmp_path: Path) -> None:
    stage = BackgroundStage(tmp_path)
    pictures = passing(2)
    with pytest.raises(ValueError, match="sort"):
        stage.learn_from([(camera, pictures[0]) for camera in ("a", "b", "a")])


@pytest.mark.parametrize(
    "wrong", [{"method": "mean"}, {"sample": FEWEST - 1}, {"unchanged": 0}, {"unchanged": 1.1}]
)
def test_options_that_make_no_sense(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(UsageError):
        BackgroundStage(tmp_path, BackgroundOptions(**wrong))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file"):
        learn(tmp_path / "file", passing(10))
