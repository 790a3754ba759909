"""`deckwatch report` as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deckwatch_client.backends import open_backend
from deckwatch_client.records import Failure, Origin, Record
from deckwatch_vision.errors import BrokenImage
from deckwatch_vision.images import encode_jpeg
from tests.client.report.runs import failure, fish, record, season, write_run
from tests.tiny_release import tiny_picture

Report = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Runs the command in a folder of its own."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "deckwatch_client.cli", "report",
             *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )  # fmt: skip

    return run


def test_the_page_lies_in_the_run(report: Report, tmp_path: Path) -> None:
    season(tmp_path)
    process = report("out")
    assert (process.returncode, process.stdout) == (0, "out/report.html\n")
    assert process.stderr == "26 pictures, 24 fish, 2 failures\n"
    assert "<title>Trip report</title>" in (tmp_path / "out" / "report.html").read_text()


def test_a_page_is_not_written_over_unless_told(report: Report, tmp_path: Path) -> None:
    write_run(tmp_path / "out", [record("a.jpg")])
    (tmp_path / "here.html").write_text("old")
    process = report("out", "--out", "here.html")
    assert process.returncode == 2
    assert "here.html exists. Give --force" in process.stderr
    assert (tmp_path / "here.html").read_text() == "old"
    process = report("out", "--out", "here.html", "--force", "--title", "Trip 12", "--quiet")
    assert (process.returncode, process.stdout, process.stderr) == (0, "here.html\n", "")
    assert "<h1>Trip 12</h1>" in (tmp_path / "here.html").read_text()


def test_missing_pictures_are_told_with_the_cure(report: Report, tmp_path: Path) -> None:
    write_run(tmp_path / "out", [record(f"{n}.jpg", fish("RAY")) for n in range(9)])
    process = report("out", "--log-format", "json")
    assert process.returncode == 0
    lines = [json.loads(line) for line in process.stderr.splitlines()]
    assert [line["event"] for line in lines].count("picture not shown") == 6  # five, and the rest
    last = lines[-2]
    assert (last["event"], last["pictures"]) == ("pictures not shown", 9)
    assert "--pictures" in last["message"]


@pytest.mark.parametrize(
    ("lines", "status", "told"),
    [
        (None, 2, "there is no such file"),
        ("", 2, "nothing to tell"),
        ('{"image": {}}\n', 1, "line 1: this is not a record"),
    ],
)
def test_what_is_no_run_is_refused(
    report: Report, tmp_path: Path, lines: str | None, status: int, told: str
) -> None:
    if lines is not None:
        (tmp_path / "results.jsonl").write_text(lines)
    process = report("results.jsonl")
    assert process.returncode == status
    assert told in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "results.html").exists()


def test_an_unfinished_run_is_told_how_to_finish(report: Report, tmp_path: Path) -> None:
    write_run(tmp_path / "out", [record("a.jpg")])
    (tmp_path / "out" / "results.jsonl").unlink()
    process = report("out")
    assert process.returncode == 2
    assert "Run the same `deckwatch batch` again" in process.stderr


def test_lines_of_classify_become_a_page(
    report: Report, tmp_path: Path, tiny_repository: Path
) -> None:
    """Recognised by a release, not written by hand."""
    backend = open_backend("", repository=str(tiny_repository), timeout_s=30)
    results = []
    for seed, species in enumerate(("SHARK", "OTHER", "RAY")):
        name = f"{species}.jpg"
        data = encode_jpeg(tiny_picture(fish=2, species=(species,), seed=seed))
        (tmp_path / name).write_bytes(data)
        results.append(backend.infer(data, file=name))
    backend.close()
    lines = [json.dumps(each.as_dict()) for each in results]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines) + "\n")
    process = report("lines.jsonl", "--repository", tiny_repository)
    assert (process.returncode, process.stdout) == (0, "lines.html\n")
    content = (tmp_path / "lines.html").read_text()
    found = Counter(one.label for each in results for one in each.fish)
    assert found["SHARK"]
    assert found["RAY"]
    assert f"SHARK: {found['SHARK']} called so" in content
    assert f"RAY: {found['RAY']} called so" in content
    assert "could not be read" not in content


def test_help_says_what_comes_out(report: Report) -> None:
    process = report("--help")
    assert process.returncode == 0
    for said in ("Examples:", "--pictures", "Exit status:", "--suspect", "report.html"):
        assert said in process.stdout


def test_a_failure_of_a_later_version_is_told(report: Report, tmp_path: Path) -> None:
    records = [
        failure("a.jpg", BrokenImage("torn")),
        Record("b.jpg", failure=Failure("of-tomorrow", "new"), origin=Origin("deck")),
    ]
    write_run(tmp_path / "out", records)
    process = report("out")
    assert process.returncode == 0
    assert "See the messages." in (tmp_path / "out" / "report.html").read_text()
