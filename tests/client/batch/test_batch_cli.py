"""`deckwatch batch` as people call it: its summary, its exit status, what it says meanwhile."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from deckwatch_client.batch import progress
from deckwatch_client.batch.progress import Progress
from deckwatch_client.batch.sources import Sources
from deckwatch_client.logs import Speaker
from deckwatch_client.records import Failure, Record
from tests.client.batch.seasons import called, command, names, outputs, write_season


def test_the_summary_is_an_answer_and_the_rest_is_not(season: Path) -> None:
    (season / "torn.jpg").write_bytes((season / "day-000" / "00001.jpg").read_bytes()[:200])
    (season / "notes.md").write_text("")
    done = called("season", "--out", "out")
    assert done.returncode == 3
    told = done.stdout.splitlines()
    assert told[0] == "13 pictures, 1 failed"
    assert re.fullmatch(r"  NoF    \d+ pictures, 0 fish", told[1])
    assert re.fullmatch(r"  SHARK  \d+ pictures, \d+ fish", told[2])
    assert told[-3:] == [
        "  1 failure: broken-image",
        "1 other file left aside: 1 .md",
        "Results: out/results.jsonl, out/pictures.csv, out/fish.csv",
    ]
    assert "season/torn.jpg: " in done.stderr
    # The same again: what was known, and nothing but the failure is tried.
    done = called("season", "--out", "out", "--quiet", "--format", "coco, megadetector")
    assert done.stdout.startswith("13 pictures (12 of them known already), 1 failed\n")
    assert done.stdout.endswith(
        "Results: out/results.jsonl, out/coco.json, out/megadetector.json\n"
    )
    assert len(done.stderr.splitlines()) == 1  # the failure


def test_crops_and_overlays_on_request(season: Path) -> None:
    done = called("season", "--out", "out", "--crops", "--overlays", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert list(Path("out/crops").rglob("*.jpg"))
    assert len(list(Path("out/overlays").rglob("*.jpg"))) == 12
    # Pictures that are gone since cannot be cut again; their results stay.
    before = Path("out/results.jsonl").read_bytes()
    (season / "day-000" / "00001.jpg").unlink()
    done = called("season", "--out", "out", "--crops")
    assert done.returncode == 3
    assert "1 picture could not be read again for crops or overlays" in done.stdout
    assert Path("out/results.jsonl").read_bytes() == before


def test_logs_for_programs(season: Path) -> None:
    (season / "torn.jpg").write_bytes(b"no picture, whatever its name says")
    done = called("season", "--out", "out", "--log-format", "json")
    said = [json.loads(line) for line in done.stderr.splitlines()]
    (failure,) = (each for each in said if each["event"] == "picture failed")
    assert (failure["image"], failure["code"]) == ("season/torn.jpg", "unsupported-format")
    done = called("season", "--out", "out", "--log-format", "json", "--quiet")
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["picture failed"]


def test_a_list_from_a_pipe(season: Path) -> None:
    listed = "season/day-000/00000.jpg\nseason/day-001\n"
    done = called("-", "--out", "out", stdin=listed)
    assert done.returncode == 0, done.stderr
    assert len(names(Path("out"))) == 5
    # The same list as a file.
    Path("some").write_text(listed)
    assert called("--list", "some", "--out", "filed").returncode == 0
    assert names(Path("filed")) == names(Path("out"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "out"], "Nothing to recognise"),
        (["season"], "--out"),
        (["typo", "--out", "out"], "typo: there is no such file or folder"),
        (["season", "--out", "out", "--format", "csv,excel"], "No format 'excel'"),
        (["season", "--out", "out", "--format", "camtrap-dp"], "--latitude"),
        (["season", "--out", "out", "--rate", "-1"], "Give a rate above 0"),
        (["season", "--out", "out", "--camera-from", "deck"], "names no camera"),
        (["season", "--out", "out", "--engine", "dask"], "dask"),
    ],
)
def test_wrong_usage_is_told_before_the_work(
    season: Path, arguments: list[str], message: str
) -> None:
    done = called(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("out/log.jsonl").exists()


def test_without_a_release_it_fails(season: Path) -> None:
    done = called("season", "--out", "out", "--repository", "season")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_on_a_terminal_a_bar_shows_how_far_it_is(season: Path) -> None:
    write_season(Path("more"), 400)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("more", "--out", "out"),
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
        stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # the other end was closed
        pass
    told, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode()
    assert "recognising" in text
    assert "/400" in text
    assert "pictures/s" in text
    assert "400 pictures, 0 failed" in told.decode()
    called("more", "--out", "plain")
    assert outputs(Path("plain")) == outputs(Path("out"))


class Heard(Speaker):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def _say(self, level: str, event: str, message: str, fields: dict[str, object]) -> None:
        self.said.append(message)


def test_lines_tell_speed_and_time_left(season: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])  # type: ignore[attr-defined]
    heard = Heard()
    shown = Progress(heard, Sources(["season"], (), Path("out")))
    shown.total = 1_000
    for _ in range(50):
        clock[0] += 1.0
        shown.advance(Record("a.jpg"), 100)
    assert heard.said[0] == "105 of 1,000 done, 1.0 pictures/s"
    assert heard.said[1] == "135 of 1,000 done, 1.0 pictures/s, 14 min left"
    # Of late it is slower: that speed counts, not the whole run's.
    for _ in range(40):
        clock[0] += 4.0
        shown.advance(Record("a.jpg"), 100)
    assert "0.2 pictures/s, 54 min left" in heard.said[-1] or "0.3 pictures/s" in heard.said[-1]


def test_many_failures_are_not_all_told(season: Path) -> None:
    heard = Heard()
    shown = Progress(heard, Sources(["season"], (), Path("out")))
    for number in range(100):
        shown.advance(Record(f"{number}.jpg", failure=Failure("broken-image", "torn")), 0)
    shown.close()
    failures = [each for each in heard.said if "torn" in each]
    assert len(failures) == progress.MOST_FAILURES
    assert "Further failures are in the results only." in heard.said
