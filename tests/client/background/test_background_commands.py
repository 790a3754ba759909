"""`deckwatch background learn | show`, and `classify --background`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deckwatch_client.cli import main
from deckwatch_client.records import Record
from deckwatch_vision.images import decode, encode_jpeg
from tests.client.background.decks import deck

RED, YELLOW = (230, 20, 20), (230, 200, 20)


def photo(number: int, *, fish: bool = False, seed: int = 1) -> bytes:
    """A deck with a red square that never moves and, if asked, a fish: to the tiny release both."""
    pixels = deck(seed)
    pixels[..., 0] //= 3  # the rest of it is not red
    pixels[180:240, 40:100] = RED
    if fish:
        pixels[60:120, 330:390] = YELLOW
    noise = np.random.default_rng(number).integers(0, 9, pixels.shape, dtype=np.uint8)
    return encode_jpeg(np.asarray(np.clip(pixels.astype(int) + noise, 0, 255), np.uint8), 92)


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: quiet pictures of two cameras, and two of camera a to look at."""
    for seed, camera in ((1, "a"), (3, "b")):
        (tmp_path / "quiet" / camera).mkdir(parents=True)
        for number in range(10):
            file = tmp_path / "quiet" / camera / f"{number:02}.jpg"
            file.write_bytes(photo(number, seed=seed))
    (tmp_path / "empty.jpg").write_bytes(photo(50))
    (tmp_path / "shark.jpg").write_bytes(photo(51, fish=True))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Call `deckwatch background` in this process."""

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["deckwatch", "background", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0)

    return call


def test_learn_and_show(trip: Path, run: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("learn", "quiet", "--camera-from", "{camera}/*", "--out", "kept") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "a by day: learnt from 10 pictures\nb by day: learnt from 10 pictures\n"

    assert run("show", "kept") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("camera 'a' by day, median of 10 pictures of 480 x 270")

    assert run("show", "kept", "--json", "--out", "look") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["camera"], each["night"], each["pictures"]) for each in told] == [
        ("a", False, 10), ("b", False, 10)
    ]  # fmt: skip
    drawn = decode(Path(told[0]["png"]).read_bytes())
    assert np.abs(drawn[140, 45].astype(int) - RED).max() < 25


def test_learn_speaks_json_and_keeps_quiet(
    trip: Path, run: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("learn", "quiet/a", "--camera", "a", "--out", "kept", "--log-format", "json") == 0
    [line] = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["event"], line["camera"], line["used"]) == ("background", "a", 10)
    assert run("learn", "quiet/a", "--camera", "a", "--out", "kept", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_learning_nothing_is_a_failure(
    trip: Path, run: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    (trip / "few").mkdir()
    (trip / "few" / "one.jpg").write_bytes(photo(1))
    (trip / "few" / "torn.jpg").write_bytes(photo(2)[:2000])
    assert run("learn", "few", "--camera", "a", "--out", "kept") == 1
    said = capsys.readouterr().err
    assert "nothing learnt from 1 pictures" in said
    assert "torn.jpg" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["learn", "nowhere", "--out", "kept"], "nowhere"),
        (["learn", "kept", "--out", "kept"], "kept"),
        (["learn", "quiet", "--out", "kept", "--method", "mean"], "median, mog2"),
        (["learn", "quiet", "--out", "kept", "--sample", "2"], "8 or more"),
        (["show", "nowhere"], "nowhere"),
        (["show", "quiet"], "background learn"),
        (["show", "empty.jpg"], "empty.jpg"),
    ],
)
def test_wrong_usage(
    trip: Path, run: Callable, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err
    assert not (trip / "kept").exists()


def test_classify_with_a_background(trip: Path, run: Callable, run_classify: Callable) -> None:
    pictures = ("empty.jpg", "shark.jpg")
    before = run_classify(*pictures)
    assert before.out == "empty.jpg: ['RAY']\nshark.jpg: ['SHARK']\n"
    run("learn", "quiet/a", "--camera", "a", "--out", "kept", "--quiet")
    after = run_classify("--background", "kept", *pictures)
    assert (after.status, after.err) == (0, "")
    assert after.out == "empty.jpg: ['NoF']\nshark.jpg: ['SHARK']\n"

    [file] = (trip / "kept").iterdir()
    told = run_classify("--background", str(file), "--json", "shark.jpg", "-", stdin=photo(52))
    first, second = (json.loads(line) for line in told.out.splitlines())
    record = Record.from_dict(first)
    assert record.result is not None
    assert {fish.label for fish in record.result.fish} == {"SHARK"}
    assert {fish.label for fish in record.static} == {"RAY"}
    lying, still = len(record.result.fish), len(record.static)
    assert [share >= 0.8 for share in record.unchanged] == [False] * lying + [True] * still
    assert (second["label"], second["fish"], len(second["static"])) == ("NoF", [], still)
    assert "file" not in second["image"]


def test_classify_tells_pictures_that_no_background_fits(
    trip: Path, run: Callable, run_classify: Callable
) -> None:
    run("learn", "quiet/a", "--camera", "a", "--out", "kept", "--quiet")
    (trip / "other.jpg").write_bytes(photo(9, seed=4))
    outcome = run_classify("--background", "kept", "other.jpg", "--json")
    assert outcome.status == 0
    assert "unchanged" not in json.loads(outcome.out)
    assert outcome.err.startswith("classify: warning: pictures of camera 'a' by day")


def test_classify_needs_to_know_which_camera(
    trip: Path, run: Callable, run_classify: Callable
) -> None:
    run("learn", "quiet", "--camera-from", "{camera}/*", "--out", "kept", "--quiet")
    (trip / "none").mkdir()
    for arguments, told in (
        (["--background", "kept"], "'a', 'b'. Say which with --camera"),
        (["--background", "kept", "--camera", "c"], "of 'c', but of 'a', 'b'. Correct --camera"),
        (["--background", "none"], "deckwatch background learn"),
        (["--background", "nowhere"], "nowhere"),
        (["--camera", "a"], "--background"),
    ):
        outcome = run_classify("empty.jpg", *arguments)
        assert (outcome.status, outcome.out) == (2, "")
        assert told in outcome.err
    assert run_classify("empty.jpg", "--background", "kept", "--camera", "a").out == "['NoF']\n"
