"""Fixed cameras in a run: the background is learnt first, kept, and used by every worker."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from deckwatch_client.background.options import BackgroundOptions
from deckwatch_client.background.stage import BackgroundStage
from deckwatch_client.batch import fixed
from deckwatch_client.batch.origin import Origins
from deckwatch_client.pictures import read_picture
from deckwatch_client.video.options import VideoOptions
from deckwatch_vision.errors import DeckwatchError, UsageError
from deckwatch_vision.images import decode, encode_jpeg
from tests.client.batch.seasons import called, go, outputs, results
from tests.client.video.videos import write_video
from tests.tiny_release import COLOURS

CAMERAS = Origins(camera_from="{camera}/*")
FIXED = BackgroundOptions(sample=20)


def shot(number: int, *, fish: bool = True) -> bytes:
    """A buoy that always hangs in the same place, and a shark that is elsewhere in each picture."""
    random = np.random.default_rng(number)
    noise = random.normal(0, 3, (240, 320, 1))
    picture = (np.array([90, 100, 130]) + noise).clip(0, 255).astype(np.uint8)
    # Planks and boxes, for a camera is known again by the edges that it sees.
    for left in range(0, 320, 30):
        picture[:, left : left + 4] //= 3
    for place in range(12):
        x, y = (place * 83) % 300, (place * 47) % 220
        picture[y : y + 14, x : x + 20] = (40 + 10 * place, 130, 150)
    picture[150:190, 30:70] = COLOURS["RAY"]
    if fish:
        left = 100 + (number * 37) % 170
        picture[40:88, left : left + 48] = COLOURS["SHARK"]
    return encode_jpeg(np.ascontiguousarray(picture), 95)


@pytest.fixture
def decks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cameras with 20 pictures each."""
    monkeypatch.chdir(tmp_path)
    for camera in ("bow", "stern"):
        (tmp_path / "decks" / camera).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "decks" / camera / f"{number:02}.jpg").write_bytes(shot(number))
    return tmp_path / "decks"


def labels(out: str) -> set[str]:
    """Of all fish that were reported."""
    return {fish["label"] for each in results(Path(out)) for fish in each["fish"]}


def test_what_always_hangs_there_is_no_fish(decks: Path) -> None:
    go("decks", out=Path("plain"), origins=CAMERAS)
    assert labels("plain") >= {"RAY", "SHARK"}
    go("decks", out=Path("out"), origins=CAMERAS, background=FIXED)
    assert labels("out") == {"SHARK"}
    dropped = [fish["label"] for each in results(Path("out")) for fish in each.get("static", ())]
    assert set(dropped) == {"RAY"}
    assert len(dropped) >= 40
    assert {each["camera"] for each in results(Path("out"))} == {"bow", "stern"}
    assert len(list(Path("out/background").glob("*.npz"))) == 2
    told = json.loads(Path("out/run.json").read_text())["options"]["background"]
    assert (told["method"], told["from"]) == ("median", None)


def test_a_run_goes_on_with_the_background_that_it_began_with(decks: Path) -> None:
    go("decks", out=Path("out"), origins=CAMERAS, background=FIXED)
    before = outputs(Path("out"))
    for number in range(20):
        # Nothing of this is learnt any more: what changed is another picture of the same deck.
        (decks / "bow" / f"{number:02}.jpg").write_bytes(shot(100 + number, fish=False))
    go("decks", out=Path("out"), origins=CAMERAS, background=FIXED)
    now = outputs(Path("out"))
    learnt = [name for name in before if name.startswith("background/")]
    assert {name: now[name] for name in learnt} == {name: before[name] for name in learnt}
    assert labels("out") == {"SHARK"}


def test_other_cameras_or_another_way_are_other_options(decks: Path) -> None:
    go("decks", out=Path("out"), origins=CAMERAS, background=FIXED)
    with pytest.raises(UsageError, match="its camera_from is"):
        go("decks", out=Path("out"), background=FIXED)
    masked = BackgroundOptions(sample=20, mask=True)
    with pytest.raises(UsageError, match="its background is"):
        go("decks", out=Path("out"), origins=CAMERAS, background=masked)
    with pytest.raises(UsageError, match="its background is"):
        go("decks", out=Path("out"), origins=CAMERAS)


@pytest.mark.parametrize("learnt", [False, True])
def test_it_may_be_learnt_elsewhere(decks: Path, learnt: bool) -> None:
    quiet = Path("quiet/bow")
    quiet.mkdir(parents=True)
    for number in range(12):
        (quiet / f"{number}.jpg").write_bytes(shot(200 + number, fish=False))
    source = Path("quiet")
    if learnt:
        source = Path("backgrounds")
        stage = BackgroundStage(source, FIXED)
        stage.learn_from(("bow", each.read_bytes()) for each in sorted(quiet.iterdir()))
    go("decks/bow", out=Path("out"), origins=CAMERAS, background=FIXED, background_from=source)
    assert labels("out") == {"SHARK"}
    with pytest.raises(UsageError, match="no such file or folder to learn"):
        go("decks", out=Path("b"), background=FIXED, background_from=Path("none"))


def test_frames_of_a_fixed_camera_are_learnt_from_as_well(decks: Path) -> None:
    Path("films/bow").mkdir(parents=True)
    video = write_video(Path("films/bow/a.mkv"), [decode(shot(number)) for number in range(20)])
    each = VideoOptions(rate_hz=10)
    go(video, out=Path("out"), origins=CAMERAS, background=FIXED, video=each)
    assert len(results(Path("out"))) == 20
    assert labels("out") == {"SHARK"}


def test_the_command_takes_it(decks: Path) -> None:
    done = called("decks", "--out", "out", "--background", "--camera-from", "{camera}/*", "--mask")
    assert done.returncode == 0, done.stderr
    assert "bow by day: learnt from" in done.stderr
    assert labels("out") == {"SHARK"}
    done = called("decks", "--out", "b", "--mask")
    assert done.returncode == 2
    assert "--mask needs a background" in done.stderr
    done = called("-", "--out", "b", "--background", stdin="decks\n")
    assert done.returncode == 2
    assert "Give --background-from" in done.stderr


def test_where_nothing_was_learnt_pictures_stay_as_they_were(
    decks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("few/bow").mkdir(parents=True)
    for number in range(3):
        (Path("few/bow") / f"{number}.jpg").write_bytes(shot(number))
    go("few", out=Path("out"), origins=CAMERAS, background=FIXED)
    said = capsys.readouterr().err
    assert "nothing learnt from 3 pictures" in said
    assert "left as they were" in said
    assert labels("out") >= {"RAY", "SHARK"}


def test_a_full_disk_while_learning_is_told(decks: Path) -> None:
    from tests.client.batch.test_batch_log import disk_of

    with disk_of(600), pytest.raises(DeckwatchError, match=r"[Mm]ake room"):
        go("decks", out=Path("out"), origins=CAMERAS, background=FIXED)
    go("decks", out=Path("out"), origins=CAMERAS, background=FIXED)
    assert labels("out") == {"SHARK"}


def test_learning_can_be_interrupted(decks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupting(path: str) -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        return read_picture(path)

    monkeypatch.setattr(fixed, "read_picture", interrupting)
    with pytest.raises(KeyboardInterrupt):
        go("decks", out=Path("out"), origins=CAMERAS, background=FIXED)
    assert not Path("out/run.json").exists()
