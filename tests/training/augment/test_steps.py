"""Every step by its name: what it does to the picture, reproducibly, and what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from deckwatch_training.augment import recipe, steps
from deckwatch_training.augment.night import cumulative, matched, read_references
from deckwatch_training.augment.samples import Sample, fish_in
from deckwatch_vision.daylight import is_night
from deckwatch_vision.errors import UsageError
from tests.training.augment.conftest import BOX, SIZE, deck, night

steps.load_all()
WON = ("night_vision", "channel_stretch", "rotate30", "flip", "rescale", "blur", "contrast")
ASKED = ("light", "brightness", "hue", "rain", "noise", "jpeg", "crop", "shift", "cutout", "fog")


def _sample(pixels: np.ndarray | None = None) -> Sample:
    fish = fish_in(0, BOX, SIZE)
    assert fish
    return Sample(deck(3) if pixels is None else pixels, [fish])


def _run(name: str, seed: int = 1, **parameters: object) -> Sample:
    sample = _sample()
    run, _ = steps.bind(name, dict(parameters), "test")
    assert run(sample, np.random.default_rng(seed))
    return sample


def test_the_steps_that_won_are_there_by_name() -> None:
    assert set(WON) | set(ASKED) <= set(steps.KINDS)


@pytest.mark.parametrize("name", sorted(steps.KINDS))
def test_every_step_changes_the_picture_and_repeats_itself(name: str) -> None:
    first, again, other = _run(name), _run(name), _run(name, seed=2)
    assert first.pixels.dtype == np.uint8
    assert first.pixels.flags.c_contiguous
    assert first.pixels.shape[2] == 3
    assert np.array_equal(first.pixels, again.pixels)
    assert [fish.box.tolist() for fish in first.fish] == [f.box.tolist() for f in again.fish]
    original = _sample().pixels
    assert any(
        each.pixels.shape != original.shape or not np.array_equal(each.pixels, original)
        for each in (first, other)
    )
    assert np.array_equal(original, deck(3))


@pytest.mark.parametrize("name", sorted(steps.KINDS))
def test_no_step_changes_the_pixels_that_it_was_given(name: str) -> None:
    pixels = deck(3)
    pixels.setflags(write=False)
    sample = _sample(pixels)
    run, _ = steps.bind(name, {}, "test")
    run(sample, np.random.default_rng(5))
    assert np.array_equal(pixels, deck(3))


def test_channels_are_stretched_by_no_more_than_asked() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    seen = np.array([
        steps.KINDS["channel_stretch"].function(_holding(grey), np.random.default_rng(i), limit=0.5)
        and _HELD[0].pixels[0, 0]
        for i in range(200)
    ])  # fmt: skip
    assert seen.min() >= 50
    assert seen.max() <= 150
    assert seen.min() < 60
    assert seen.max() > 140
    assert (seen[:, 0] != seen[:, 1]).any()


_HELD: list[Sample] = []


def _holding(pixels: np.ndarray) -> Sample:
    _HELD[:] = [Sample(pixels, [])]
    return _HELD[0]


def test_night_vision_takes_the_histograms_of_real_frames(night_frames: Path) -> None:
    references = read_references(night_frames)
    assert len(references.frames) == 3
    assert references.left_out == ("day.jpg: not taken at night",)
    made = matched(deck(5), references.frames[0])
    # Cumulative histograms apart by less than the largest single level of the day picture.
    apart = np.abs(cumulative(made) - references.frames[0]).max()
    grey = cv2.cvtColor(cv2.cvtColor(deck(5), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert apart < np.diff(cumulative(np.asarray(grey, np.uint8)), axis=1).max() + 0.02
    assert is_night(made)
    run, _ = steps.bind("night_vision", {"stretch": 0.0}, "test", references=references.frames)
    sample = _sample()
    assert run(sample, np.random.default_rng(0))
    means = [night(i).mean((0, 1)) for i in range(3)]
    assert min(np.abs(sample.pixels.mean((0, 1)) - mean).max() for mean in means) < 6


def test_night_vision_without_real_frames_looks_like_night() -> None:
    assert is_night(_run("night_vision", stretch=0.0).pixels)


def test_night_frames_stay_as_they_are() -> None:
    run, _ = steps.bind("night_vision", {}, "test")
    sample = _sample(night(2))
    assert run(sample, np.random.default_rng(0)) is False
    assert np.array_equal(sample.pixels, night(2))


def test_a_folder_without_night_frames_is_refused(photos: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match=r"None of the 8 pictures .* is a night frame"):
        read_references(photos[0])
    with pytest.raises(UsageError, match="is no folder"):
        read_references(photos[1])


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("flipp", {}, r"step 'flipp'. Give one of .*blur.*module:function"),
        ("blur", {"sigma": [3, 1]}, r"blur: sigma: .*lower bound 3 is over the upper one 1"),
        ("blur", {"radius": 3}, r"blur: radius: .*Its parameters are: sigma"),
        ("flip", {"horizontal": "maybe"}, r"flip: horizontal: .*given: 'maybe'"),
        ("no_such_module:step", {}, r"cannot load 'no_such_module:step'"),
        ("math:tau", {}, r"'math:tau' is no function"),
        ("albumentations.Nothing", {}, r"albumentations 2\.0\.8 has no transform 'Nothing'"),
        ("albumentations.Blur", {"blur_limit": "x"}, r"Blur: .*blur_limit"),
    ],
)
def test_wrong_steps_are_refused_with_the_cure(name: str, parameters: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        steps.bind(name, parameters, "recipe.yaml, step 3")
    assert error.value.message.startswith("recipe.yaml, step 3: ")


def test_a_function_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_steps_of_a_test.py").write_text(
        "import numpy as np\n"
        "def left(pixels, boxes, rng, *, by=4):\n"
        "    moved = np.roll(pixels, -by, 1)\n"
        "    return moved, boxes - [by, 0, by, 0]\n"
        "def darker(pixels, boxes, rng):\n"
        "    return pixels // 2\n"
        "def wrong(pixels, boxes, rng):\n"
        "    return pixels.astype(float), boxes\n"
        "def fewer(pixels, boxes, rng):\n"
        "    return pixels, boxes[:0]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    moved = _run("own_steps_of_a_test:left", by=10)
    assert moved.fish[0].box.tolist() == [20, 20, 56, 36]
    assert moved.fish[0].shown == pytest.approx(1)
    gone = _run("own_steps_of_a_test:left", by=48)
    assert gone.fish[0].box == pytest.approx([0, 20, 18, 36], abs=0.2)
    assert gone.fish[0].shown == pytest.approx(0.5, abs=0.02)
    assert _run("own_steps_of_a_test:darker").fish[0].box.tolist() == [30, 20, 66, 36]
    with pytest.raises(UsageError, match=r"gave pixels of float64 \[64, 96, 3\], expected uint8"):
        _run("own_steps_of_a_test:wrong")
    with pytest.raises(
        UsageError, match=r"gave boxes of float32 \[0, 4\], expected float32 \[1, 4\]"
    ):
        _run("own_steps_of_a_test:fewer")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("HorizontalFlip", {}),
        ("SafeRotate", {"limit": (40, 40), "border_mode": cv2.BORDER_CONSTANT}),
        ("Affine", {"translate_px": 5}),
        ("RandomScale", {"scale_limit": (0.5, 0.5)}),
    ],
)
def test_outlines_follow_any_transform_of_albumentations(name: str, parameters: dict) -> None:
    sample = _run(f"albumentations.{name}", **parameters)
    rows, columns = np.nonzero((sample.pixels > 200).all(2))
    white = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert sample.fish[0].box == pytest.approx(white, abs=1.6)


def test_a_transform_that_needs_more_than_a_picture_is_refused() -> None:
    with pytest.raises(UsageError, match=r"albumentations\.Mosaic cannot be used here"):
        _run("albumentations.Mosaic")


def test_albumentations_is_imported_in_one_file_only() -> None:
    folder = Path(steps.__file__).parents[1]
    found = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if "import albumentations" in path.read_text() or "from albumentations" in path.read_text()
    ]
    assert found == ["augment/library.py"]


def test_the_default_recipe_knows_every_step() -> None:
    named = {step.name for step in recipe.read(recipe.DEFAULT).steps}
    assert named == set(steps.KINDS) - {"brightness"}
