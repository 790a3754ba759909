"""A run in this process: what it writes, how it goes on, what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import piexif
import pytest

from deckwatch_client.batch.log import Log
from deckwatch_client.batch.origin import Origins
from deckwatch_client.batch.plan import Plan, locked
from deckwatch_client.batch.work import Connection, Recognise
from deckwatch_client.classify import main as classify
from deckwatch_client.run_info import read_run
from deckwatch_client.video.options import VideoOptions
from deckwatch_vision.errors import DeckwatchError, UsageError
from tests.client.batch.seasons import go, lines, names, outputs, results, told_apart
from tests.client.batch.test_batch_log import disk_of
from tests.tiny_release import write_two_releases


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that were really worked on."""
    worked: list[str] = []
    recognise = Recognise.__call__

    def noting(self: Any, task: Any) -> Any:
        worked.append(task.name)
        return recognise(self, task)

    monkeypatch.setattr(Recognise, "__call__", noting)
    return worked


def test_results_are_those_of_classify_in_order(
    season: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = go("season", out=Path("out"))
    assert (summary.status, summary.tally.pictures, summary.done) == (0, 12, 12)
    expected = [f"season/day-{n // 4:03}/{n:05}.jpg" for n in range(12)]
    assert names(Path("out")) == expected
    capsys.readouterr()
    assert classify(["--json", *expected]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert results(Path("out")) == told
    assert {each["label"] for each in told} == {"NoF", "SHARK"}
    assert summary.tally.by_label["NoF"] == sum(each["label"] == "NoF" for each in told)
    assert summary.tally.fish.total() == sum(len(each["fish"]) for each in told)
    assert all(Path(each).is_file() for each in summary.outputs)


def test_a_folder_whose_name_is_no_text_reads_back_and_goes_on(
    season: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = tmp_path / os.fsdecode(b"card-\xff")
    strange.mkdir()
    shutil.move(season, strange / "season")
    monkeypatch.chdir(strange)
    go("season", out=Path("out"))
    assert go("season", out=Path("out")).taken_over == 12
    info, _ = read_run(Path("out"))
    assert info.options["folder"] == str(strange)


def test_a_finished_run_reads_back(season: Path) -> None:
    go("season", out=Path("out"))
    info, records = read_run(Path("out"))
    assert (info.release.name, info.release.version) == ("tiny", 1)
    assert info.codes == ("NoF", "OTHER", "SHARK", "RAY")
    assert info.options["folder"] == os.getcwd()
    assert len(list(records)) == 12


def test_the_same_again_recognises_nothing_and_gives_the_same(
    season: Path, asked: list[str]
) -> None:
    go("season", out=Path("out"))
    before = outputs(Path("out"))
    asked.clear()
    summary = go("season", out=Path("out"))
    assert asked == []
    assert (summary.done, summary.taken_over, summary.tally.pictures) == (0, 12, 12)
    assert outputs(Path("out")) == before


def test_new_and_changed_pictures_are_taken_in(season: Path, asked: list[str], jpegs: Any) -> None:
    go("season", out=Path("out"))
    new, changed = season / "day-000" / "00000b.jpg", season / "day-001" / "00004.jpg"
    new.write_bytes(told_apart(jpegs[1], 100))
    changed.write_bytes(told_apart(jpegs[2], 10_000))
    asked.clear()
    summary = go("season", out=Path("out"))
    assert asked == ["season/day-000/00000b.jpg", "season/day-001/00004.jpg"]
    assert summary.tally.pictures == 13
    go("season", out=Path("fresh"))
    assert outputs(Path("out")) == outputs(Path("fresh"))


def test_failures_are_data_and_are_tried_again(season: Path, asked: list[str]) -> None:
    broken, whole = (
        season / "day-001" / "00005.jpg",
        (season / "day-001" / "00005.jpg").read_bytes(),
    )
    broken.write_bytes(whole[:200])
    (season / "day-001" / "00005x.jpg").write_bytes(b"")
    summary = go("season", out=Path("out"))
    assert (summary.status, summary.tally.failed) == (3, 2)
    assert summary.tally.failures == {"broken-image": 1, "empty-image": 1}
    failed = [each for each in results(Path("out")) if "failure" in each]
    assert [each["image"] for each in failed] == [
        {"file": "season/day-001/00005.jpg"}, {"file": "season/day-001/00005x.jpg"},
    ]  # fmt: skip
    assert "label" not in failed[0]
    asked.clear()
    stamp = broken.stat()
    broken.write_bytes(whole)
    os.utime(broken, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    summary = go("season", out=Path("out"))
    assert sorted(asked) == ["season/day-001/00005.jpg", "season/day-001/00005x.jpg"]
    assert summary.tally.failures == {"empty-image": 1}
    assert len(results(Path("out"))) == 13


def test_all_failed_is_a_failure(season: Path) -> None:
    Path("a.jpg").write_bytes(b"no picture at all, but long enough")
    summary = go("a.jpg", out=Path("out"))
    assert summary.status == 1
    assert results(Path("out"))[0]["failure"]["code"] == "unsupported-format"


def test_overlapping_sources_count_once(season: Path, asked: list[str]) -> None:
    os.symlink(season / "day-000", "again")
    Path("list.txt").write_text("season/day-000/00000.jpg\n./season/day-002/00008.jpg\nseason\n")
    sources: list[str | Path] = [
        "season/day-000",
        "season",
        "season/day-001/00004.jpg",
        season,
        "again",
        "list.txt",
    ]
    summary = go(*sources, out=Path("out"))
    assert len(asked) == 12
    assert (summary.tally.pictures, len(lines(Path("out")))) == (12, 12)
    # Nor where another run spells them otherwise.
    asked.clear()
    assert go(season, out=Path("out")).tally.pictures == 12
    assert asked == []


def test_a_missing_path_of_a_list_is_a_failure_until_nobody_names_it(season: Path) -> None:
    Path("list.txt").write_text("season/day-000/00000.jpg\ntypo.jpg\nnull\0name.jpg\n")
    summary = go("list.txt", out=Path("out"))
    assert summary.tally.failures == {"unreadable-image": 2}
    Path("list.txt").write_text("season/day-000/00000.jpg\n")
    summary = go("list.txt", out=Path("out"))
    assert (summary.status, summary.tally.pictures) == (0, 1)


def test_a_run_may_take_in_one_folder_after_the_other(season: Path) -> None:
    for day in range(3):
        go(f"season/day-00{day}", out=Path("out"))
    shutil.rmtree("season/day-000")  # the card is needed elsewhere
    assert go("season", out=Path("out")).tally.pictures == 12


def test_names_that_are_no_text_are_kept(season: Path) -> None:
    odd = os.fsencode(season) + b"/\xff\xfe \xc3\xbc\n.jpg"
    os.rename(season / "day-000" / "00000.jpg", odd)
    summary = go("season", out=Path("out"))
    assert summary.status == 0
    assert b"season/\xff\xfe \xc3\xbc\n.jpg" in map(os.fsencode, names(Path("out")))
    assert go("season", out=Path("out")).done == 0


def test_results_do_not_depend_on_the_order_of_work(season: Path) -> None:
    go("season", out=Path("one"), workers=1)
    go("season", out=Path("many"), workers=9)
    go(*(f"season/day-00{day}" for day in (2, 0, 1)), out=Path("other"))
    assert outputs(Path("one")) == outputs(Path("many")) == outputs(Path("other"))


def test_exif_tells_the_time_and_the_path_the_camera(season: Path) -> None:
    picture = season / "day-000" / "00001.jpg"
    exif = piexif.dump({"Exif": {piexif.ExifIFD.DateTimeOriginal: "2026:05:05 07:30:09"}})
    piexif.insert(exif, str(picture))
    (season / "day-000" / "00002.jpg").rename(season / "day-000" / "20260506_010203.jpg")
    go("season", out=Path("out"))
    first = dict(zip(names(Path("out")), results(Path("out")), strict=True))
    assert first["season/day-000/00001.jpg"]["captured_at"] == "2026-05-05T07:30:09"
    assert first["season/day-000/20260506_010203.jpg"]["captured_at"] == "2026-05-06T01:02:03"
    assert "captured_at" not in first["season/day-000/00000.jpg"]
    # Told from the path: may be changed without recognising anything again.
    summary = go("season", out=Path("out"), origins=Origins(camera_from="{camera}/*"))
    assert summary.done == 0
    assert {each["camera"] for each in results(Path("out"))} == {"day-000", "day-001", "day-002"}
    assert results(Path("out"))[1]["captured_at"] == "2026-05-05T07:30:09"
    told = json.loads(Path("out/run.json").read_text())
    assert told["options"]["camera_from"] == "{camera}/*"


def test_other_options_are_refused_each_by_name(
    season: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go("season", out=Path("out"))
    before = outputs(Path("out"))
    with pytest.raises(UsageError, match=r"its rate_hz is 1\.0, now it would be 2\.0;.*seconds"):
        go("season", out=Path("out"), video=VideoOptions(rate_hz=2.0, seconds=5))
    (season / "deeper").mkdir()
    monkeypatch.chdir(season / "deeper")
    with pytest.raises(UsageError, match=r"its names start from .*, where the command has"):
        go("..", out=Path("../../out"))
    monkeypatch.chdir(season.parent)
    assert outputs(Path("out")) == before
    # What is only written otherwise may change.
    assert go("season", out=Path("out"), formats=(), video=VideoOptions(track=False)).done == 0


def test_another_release_is_refused_unless_told_so(season: Path, tmp_path: Path) -> None:
    go("season", out=Path("out"))
    log, before = Path("out/log.jsonl").read_bytes(), outputs(Path("out"))
    write_two_releases(tmp_path / "two")
    repository = tmp_path / "two"
    from tests.tiny_release import write_tiny_release

    write_tiny_release(repository, version=3, name="newer")
    connection = Connection(repository=str(repository))
    with pytest.raises(
        UsageError, match=r"its release is tiny 1, now it would be newer 3.*--again"
    ):
        go("season", out=Path("out"), connection=connection)
    assert outputs(Path("out")) == before
    summary = go("season", out=Path("out"), connection=connection, again=True)
    assert (summary.done, summary.status) == (12, 0)
    assert {each["release"]["name"] for each in results(Path("out"))} == {"newer"}
    kept = Path("out/before-1")
    assert (kept / "log.jsonl").read_bytes() == log
    assert outputs(kept) == before
    go("season", out=Path("out"), again=True)
    assert (Path("out/before-2/run.json")).is_file()


def test_two_runs_at_once_are_refused(season: Path) -> None:
    with locked(Path("out")), pytest.raises(UsageError, match="Another run works in out"):
        go("season", out=Path("out"))
    assert go("season", out=Path("out")).status == 0


def test_a_folder_of_others_is_left_alone(season: Path) -> None:
    Path("out").mkdir()
    Path("out/results.jsonl").write_text("mine\n")
    with pytest.raises(UsageError, match=r"out holds results\.jsonl, which no run"):
        go("season", out=Path("out"))
    assert Path("out/results.jsonl").read_text() == "mine\n"


def test_results_may_lie_within_the_season(season: Path) -> None:
    go("season", out=season / "results", formats=("csv",))
    (season / "results" / "overlay.jpg").write_bytes(b"no picture")
    assert go("season", out=season / "results").tally.pictures == 12


def test_nothing_to_find_is_told(season: Path) -> None:
    Path("empty").mkdir()
    Path("empty/readme.md").write_text("")
    with pytest.raises(UsageError, match=r"No picture and no video found\. 1 other files"):
        go("empty", out=Path("out"))


def test_a_torn_line_costs_its_picture_alone(season: Path, asked: list[str]) -> None:
    go("season", out=Path("out"))
    before = outputs(Path("out"))
    log = Path("out/log.jsonl")
    log.write_bytes(log.read_bytes()[:-40])
    asked.clear()
    assert go("season", out=Path("out")).done == 1
    assert len(asked) == 1
    assert outputs(Path("out")) == before


def test_lines_that_are_damaged_or_strange_are_told(
    season: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    go("season", out=Path("out"))
    before = outputs(Path("out"))
    log = Path("out/log.jsonl")
    told = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([b"\0" * 50 + b"\n", *told[2:], b'{"image": 3}\n']))
    asked.clear()
    go("season", out=Path("out"))
    assert len(asked) == 2
    assert "2 lines of out/log.jsonl are damaged" in capsys.readouterr().err
    assert outputs(Path("out")) == before


def test_a_full_disk_stops_the_run_and_nothing_is_lost(season: Path) -> None:
    go("season", out=Path("whole"))
    with disk_of(2500), pytest.raises(DeckwatchError, match="make room") as caught:
        go("season", out=Path("out"))
    assert not isinstance(caught.value, UsageError)
    done = len(lines(Path("out")))
    assert 0 < done < 12
    assert not Path("out/results.jsonl").exists()
    summary = go("season", out=Path("out"))
    assert (summary.taken_over, summary.done) == (done, 12 - done)
    assert outputs(Path("out")) == outputs(Path("whole"))


def test_a_disk_that_fills_up_with_results_keeps_the_old_ones(season: Path) -> None:
    go("season", out=Path("out"))
    before = outputs(Path("out"))
    shutil.copy("season/day-000/00001.jpg", "season/day-000/00001b.jpg")
    size = Path("out/log.jsonl").stat().st_size
    results_size = Path("out/results.jsonl").stat().st_size
    assert size > results_size
    with Log(Path("out/log.jsonl")):
        pass
    with disk_of(3000), pytest.raises(DeckwatchError, match="make room"):
        go("season", out=Path("out"))
    assert outputs(Path("out")) == before


def test_it_can_be_called_from_any_thread(season: Path) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(go("season", out=Path("out")).status))
    thread.start()
    thread.join()
    assert found == [0]


def test_a_mistake_of_ours_in_a_worker_ends_the_run(
    season: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Recognise, "_recognised", fail)
    with pytest.raises(ZeroDivisionError):
        go("season", out=Path("out"))
    monkeypatch.undo()


def test_the_plan_is_what_was_asked_for() -> None:
    plan = Plan(("a",), Path("out"), formats=("coco", "jsonl", "coco"))
    assert plan.all_formats == ("jsonl", "coco")


def test_results_of_pictures_that_were_moved_away_stay(season: Path) -> None:
    Path("list.txt").write_text("season/day-000/00000.jpg\nseason/day-000/00001.jpg\n")
    go("list.txt", out=Path("out"))
    before = outputs(Path("out"))
    (season / "day-000" / "00001.jpg").unlink()
    assert go("list.txt", out=Path("out")).status == 0
    assert outputs(Path("out")) == before
