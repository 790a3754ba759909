"""One picture at a time: static fish dropped, real ones kept, nothing lost."""

from __future__ import annotations

import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from deckwatch_client.background.options import BackgroundOptions
from deckwatch_client.background.stage import BackgroundStage
from deckwatch_vision.errors import BrokenImage
from deckwatch_vision.images import decode, encode_jpeg
from deckwatch_vision.result import Result
from tests.client.background.decks import REAL, SIZE, STATIC, finder, passing, shot


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Backgrounds of the camera "deck", by day and by night."""
    folder = tmp_path_factory.mktemp("backgrounds")
    nights = [shot(number, night=True, gain=0.8) for number in range(10)]
    BackgroundStage(folder).learn_from(("deck", data) for data in [*passing(20), *nights])
    return folder


@pytest.fixture
def stage(learnt: Path) -> BackgroundStage:
    return BackgroundStage(learnt)


both = finder(STATIC, REAL)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"gain": 0.55},
        {"gain": 1.3},
        {"night": True, "gain": 0.8},
        {"night": True, "gain": 0.5},
        {"size": (960, 540)},
    ],
)
def test_the_static_fish_goes_and_the_real_one_stays(stage: BackgroundStage, how: dict) -> None:
    data = shot(99, fish=[REAL], **how)
    scale = how.get("size", SIZE)[0] / SIZE[0]
    still, lying = (tuple(scale * edge for edge in box) for box in (STATIC, REAL))
    result, static, unchanged = stage.recognise(data, "deck", finder(still, lying))
    assert [fish.box for fish in result.fish] == [lying]
    assert [fish.box for fish in static] == [still]
    assert unchanged[0] < 0.6 < 0.9 < unchanged[1]
    assert result.label == "SHARK"
    assert stage.warnings() == []


def test_shares_are_those_of_the_fish_and_then_of_the_static_ones(stage: BackgroundStage) -> None:
    second = (200.0, 20.0, 290.0, 70.0)
    data = shot(98, fish=[REAL, second])
    result, static, unchanged = stage.recognise(data, "deck", finder(second, STATIC, REAL))
    assert [fish.box for fish in (*result.fish, *static)] == [second, REAL, STATIC]
    assert [share > 0.8 for share in unchanged] == [False, False, True]


def test_a_picture_of_nothing_but_background_has_no_fish(stage: BackgroundStage) -> None:
    result, static, unchanged = stage.recognise(shot(97), "deck", both)
    assert (result.label, result.fish, len(static), len(unchanged)) == ("NoF", (), 2, 2)


def test_without_fish_there_is_nothing_to_do(stage: BackgroundStage) -> None:
    result, static, unchanged = stage.recognise(shot(96), "deck", finder())
    assert (result, static, unchanged) == (finder()(shot(96)), (), ())


@pytest.mark.parametrize(
    ("camera", "how", "why"),
    [
        ("another", {}, "nothing was learnt of it"),
        (None, {}, "nothing was learnt of it"),
        ("deck", {"seed": 2}, "moved"),
        ("deck", {"shift": 90}, "moved"),
        ("deck", {"size": (480, 400)}, "size"),
    ],
)
def test_a_picture_that_no_background_fits_is_left_as_it_is_and_told(
    stage: BackgroundStage, camera: str | None, how: dict, why: str
) -> None:
    data = shot(95, **how)
    for _ in range(2):
        assert stage.recognise(data, camera, both) == (both(data), (), ())
    [warning] = stage.warnings()
    assert why in warning
    assert "2 pictures" in warning


@pytest.mark.parametrize("shift", [-12, -3, 1, 6, 15])
def test_a_small_shift_of_the_camera_is_made_good(stage: BackgroundStage, shift: int) -> None:
    data = shot(94, fish=[REAL], shift=shift)
    still, lying = ((x1 + shift, y1, x2 + shift, y2) for x1, y1, x2, y2 in (STATIC, REAL))
    result, static, _ = stage.recognise(data, "deck", finder(still, lying))
    assert [fish.box for fish in result.fish] == [lying]
    assert [fish.box for fish in static] == [still]


def test_boxes_at_and_beyond_the_edges(stage: BackgroundStage) -> None:
    width, height = SIZE
    boxes = [
        (-5.0, -5.0, 60.0, 40.0), (width - 50.0, height - 30.0, width + 9.0, height + 9.0),
        (0.0, 0.0, float(width), float(height)), (width - 0.5, 10.0, float(width), 10.5),
        (width + 5.0, 0.0, width + 9.0, 9.0),
    ]  # fmt: skip
    _, static, unchanged = stage.recognise(shot(93), "deck", finder(*boxes))
    assert len(static) == 4
    assert all(0 <= share <= 1 for share in unchanged)
    assert min(unchanged) == 0  # nothing is known of what lies outside


def test_the_threshold_is_an_option(learnt: Path) -> None:
    never = BackgroundStage(learnt, BackgroundOptions(unchanged=1.0))
    always = BackgroundStage(learnt, BackgroundOptions(unchanged=0.01))
    data = shot(92, fish=[REAL])
    assert len(always.recognise(data, "deck", both)[1]) == 2
    shares = never.recognise(data, "deck", both)[2]
    assert sum(share == 1 for share in shares) == len(never.recognise(data, "deck", both)[1])


def test_masked_pictures_are_sent_and_the_original_is_told(learnt: Path) -> None:
    stage = BackgroundStage(learnt, BackgroundOptions(mask=True))
    data, sent = shot(91, fish=[REAL], size=(960, 540)), []

    def infer(given: bytes) -> Result:
        sent.append(given)
        return finder((600, 300, 800, 400))(given)

    result, static, unchanged = stage.recognise(data, "deck", infer)
    [painted] = (decode(each) for each in sent)
    original = decode(data)
    assert painted.shape == original.shape
    assert np.abs(painted[310:390, 620:780].astype(int) - original[310:390, 620:780]).max() < 40
    still, blurred = (each[130:210, 130:310].astype(int) for each in (original, painted))
    assert blurred.std() < 0.5 * still.std()
    expected = cv2.blur(original, (61, 61))[130:210, 130:310].astype(int)
    assert np.abs(blurred - expected).max() < 12
    assert result.image.sha256 == hashlib.sha256(data).hexdigest()
    assert (result.image.width, result.image.height) == (960, 540)
    assert (len(result.fish), len(static), len(unchanged)) == (1, 0, 1)


def test_without_a_background_nothing_is_masked(tmp_path: Path) -> None:
    stage = BackgroundStage(tmp_path, BackgroundOptions(mask=True))
    data, sent = shot(90), []

    def infer(given: bytes) -> Result:
        sent.append(given)
        return both(given)

    result, _, _ = stage.recognise(data, "deck", infer)
    assert sent == [data]
    assert result == both(data)


def test_errors_of_the_picture_are_its_own(learnt: Path) -> None:
    for mask in (False, True):
        stage = BackgroundStage(learnt, BackgroundOptions(mask=mask))
        with pytest.raises(BrokenImage):
            stage.recognise(shot(89)[:3000], "deck", both)


def test_pickled_and_in_threads_it_gives_the_same(stage: BackgroundStage) -> None:
    pictures = [shot(number, fish=[REAL]) for number in range(4)]
    alone = [stage.recognise(data, "deck", both) for data in pictures]
    again: BackgroundStage = pickle.loads(pickle.dumps(stage))

    def one(data: bytes) -> object:
        return again.recognise(data, "deck", both)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(one, pictures)) == alone


def test_what_was_learnt_is_used_at_once(tmp_path: Path) -> None:
    stage = BackgroundStage(tmp_path)
    assert stage.recognise(shot(88), "deck", both)[1] == ()
    stage.learn_from(("deck", data) for data in passing(10))
    assert len(stage.recognise(shot(88), "deck", both)[1]) == 2
    assert stage.warnings() == []


def test_a_shadow_over_a_static_fish_does_not_make_it_real(
    stage: BackgroundStage,
) -> None:
    pixels = decode(shot(87)).astype(np.float32)
    shade = np.ones(pixels.shape[:2], np.float32)
    cv2.rectangle(shade, (0, 30), (240, 200), (0.55,), -1)
    shaded = np.asarray(pixels * cv2.blur(shade, (25, 25))[..., None], np.uint8)
    _, static, unchanged = stage.recognise(encode_jpeg(shaded), "deck", finder(STATIC))
    assert (len(static), unchanged[0] > 0.8) == (1, True)
