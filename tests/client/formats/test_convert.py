"""`deckwatch convert` as a user calls it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deckwatch_client.cli import main
from deckwatch_client.formats.table import FORMATS
from deckwatch_client.records import Record
from deckwatch_client.run_info import read_run
from deckwatch_vision.images import encode_jpeg
from tests.client.formats.some_records import INFO, some_records, write_run
from tests.tiny_release import tiny_picture


@pytest.fixture
def season(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished batch's folder, in the working folder."""
    monkeypatch.chdir(tmp_path)
    write_run(["jsonl"], some_records(count=30), tmp_path / "season")
    (tmp_path / "season" / "run.json").write_text(json.dumps(INFO.as_dict()))
    return Path("season")


Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `deckwatch convert` in this process; its exit status."""

    def call(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["deckwatch", "convert", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0)

    return call


def test_several_formats_at_once(
    season: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(season, "--to", "csv,coco", "--to", "megadetector", "--out", "tables") == 0
    told = capsys.readouterr()
    names = ["pictures.csv", "fish.csv", "coco.json", "megadetector.json"]
    assert told.out.split() == [f"tables/{name}" for name in names]
    failed = sum(record.failure is not None for record in some_records(count=30))
    assert told.err == f"{len(some_records(count=30))} records, {failed} of them failures.\n"
    assert sorted(path.name for path in Path("tables").iterdir()) == sorted(names)


def test_there_and_back_again_nothing_is_lost(season: Path, run: Run) -> None:
    assert run(season, "--to", "parquet", "--out", "a") == 0
    assert run("a", "--to", "jsonl", "--out", "b") == 0
    info, records = read_run(Path("b"))
    assert info == INFO
    assert list(records) == some_records(count=30)
    assert Path("b/results.jsonl").read_bytes() == (season / "results.jsonl").read_bytes()


def test_nothing_is_replaced_unless_asked_for(
    season: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(season, "--to", "csv", "--out", "tables") == 0
    Path("tables/fish.csv").write_text("mine")
    assert run(season, "--to", "coco,csv", "--out", "tables") == 2
    assert "pictures.csv is there already" in capsys.readouterr().err
    assert Path("tables/fish.csv").read_text() == "mine"
    assert not Path("tables/coco.json").exists()
    assert run(season, "--to", "csv", "--out", "tables", "--force") == 0
    assert Path("tables/fish.csv").read_text() != "mine"


def test_a_run_beside_other_results_is_not_replaced(season: Path, run: Run) -> None:
    assert run(season, "--to", "csv", "--out", "tables") == 0
    Path("tables/run.json").write_text("{}")
    assert run(season, "--to", "jsonl", "--out", "tables") == 2
    assert Path("tables/run.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "deckwatch convert RESULTS --to csv --out DIR"),
        (("season", "--out", "x"), "deckwatch convert RESULTS"),
        (("season", "--to", "xls", "--out", "x"), "No format 'xls'. Give one of: jsonl, csv"),
        (("gone", "--to", "csv", "--out", "x"), "gone: there is no such file"),
        (("season", "--to", "camtrap-dp", "--out", "x"), "--latitude"),
        (("season", "--from", "xls", "--to", "csv", "--out", "x"), "No format 'xls'"),
        (("season", "--to", "csv", "--out", "season/results.jsonl"), "Cannot write"),
    ],
)
def test_wrong_usage_is_told_with_the_cure(
    words: tuple[str, ...], said: str, season: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    told = capsys.readouterr()
    assert said in " ".join(told.err.split())
    assert told.out == ""
    assert not Path("x").exists()


def test_a_broken_line_stops_it_and_leaves_nothing(
    season: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with (season / "results.jsonl").open("a") as file:
        file.write('{"image": {}}\n')
    assert run(season, "--to", "csv,yolo", "--out", "tables") == 1
    assert "results.jsonl, line" in capsys.readouterr().err
    assert list(Path("tables").iterdir()) == []


def test_pictures_that_are_gone_end_it_with_3(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deckwatch_client import Client

    monkeypatch.chdir(tmp_path)
    (tmp_path / "deck").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "deck" / name).write_bytes(encode_jpeg(tiny_picture(fish=2)))
    fish = {}
    with Client() as client, Path("results.jsonl").open("w") as file:
        for name in ("a.jpg", "b.jpg"):
            result = client.classify(tmp_path / "deck" / name, file=name)
            fish[name] = len(result.fish)
            file.write(json.dumps(Record(name, result).as_dict()) + "\n")
    assert run("results.jsonl", "--to", "crops,overlays", "--pictures", "deck", "--out", "x") == 0
    assert len(list(Path("x/crops").iterdir())) == sum(fish.values()) > 2
    (tmp_path / "deck" / "b.jpg").unlink()
    capsys.readouterr()
    assert run("results.jsonl", "--to", "crops", "--pictures", "deck", "--out", "y") == 3
    told = capsys.readouterr()
    assert "b.jpg: there is no such file" in told.err
    assert "1 times a picture could not" in told.err
    assert len(list(Path("y/crops").iterdir())) == fish["a.jpg"]


def test_the_formats_are_listed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(FORMATS)


def test_lines_of_classify_are_results_too(season: Path, run: Run) -> None:
    first = next(record for record in some_records() if record.result)
    assert first.result is not None
    Path("lines.json").write_text(
        json.dumps(first.result.as_dict() | {"image": {"file": "a.jpg", "width": 9, "height": 9}})
        + "\n"
        + json.dumps(first.result.as_dict() | {"image": {"file": "b.jpg", "width": 9, "height": 9}})
        + "\n"
    )
    assert run("lines.json", "--to", "csv", "--out", "tables") == 0
    assert Path("tables/pictures.csv").read_text().count("\n") == 3
