"""`deckwatch select`: releases timed side by side, and a choice that depends on nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from deckwatch_serving.repository import open_release
from deckwatch_training import cli_select, evaluation, selection, timing
from deckwatch_vision.errors import DeckwatchError, UsageError
from tests.tiny_release import write_release_file, write_tiny_release
from tests.training.evaluating import write_deck


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_deck(tmp_path_factory.mktemp("deck"), vessels=3, each=3)


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two releases: one as it is, one whose likelihoods are made doubtful."""
    root = tmp_path_factory.mktemp("candidates")
    for name, sharpness in (("sharp", 1.0), ("doubtful", 0.1)):
        release = write_tiny_release(root / name, name=name)
        fusion = replace(release.fusion, sharpness=sharpness)
        write_release_file(root / name, replace(release, fusion=fusion))
    return {name: root / name for name in ("doubtful", "sharp")}


def command(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(cli_select.select)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def row(name: str, loss: float | None, p50: float, p95: float = 0.0, **other: Any) -> dict:
    spread = [None, None] if loss is None else [loss - 0.1, loss + 0.1]
    return {
        "name": name, "log_loss": loss, "accuracy": None, "macro_recall": None, "map50": None,
        "ap50": None, "p50_ms": p50, "p95_ms": p95 or 2 * p50,
        "intervals": dict.fromkeys(selection.METRICS, spread), **other,
    }  # fmt: skip


ROWS = [row("large", 0.5, 80), row("middle", 0.55, 30), row("small", 0.9, 10), row("bad", 0.95, 40)]


@pytest.mark.parametrize(
    ("budget", "name"),
    [
        ({}, "large"),
        ({"max_ms": 50}, "middle"),
        ({"max_ms": 50, "percentile": 95}, "small"),
        ({"max_log_loss": 0.92}, "small"),
        ({"max_log_loss": 0.92, "max_ms": 100}, "large"),
        ({"max_log_loss": 0.6}, "middle"),
        ({"metric": "time"}, "small"),
        ({"max_ms": 80}, "large"),
    ],
)
def test_the_best_within_the_budget(budget: dict[str, Any], name: str) -> None:
    assert selection.choose(ROWS, **budget).name == name
    assert selection.choose(ROWS[::-1], **budget).name == name


def test_none_is_better_in_both_than_those_on_the_front() -> None:
    choice = selection.choose(ROWS)
    assert choice.pareto == ("small", "middle", "large")
    assert choice.ranked == ("large", "middle", "small", "bad")
    # Of 0.5 and 0.55, each give or take 0.1, nobody knows which is less.
    assert choice.alike == ("middle",)
    assert "lowest log loss" in choice.words


def test_equals_are_told_apart_by_time_and_then_by_name() -> None:
    assert selection.choose([row("b", 0.5, 9), row("a", 0.5, 10)]).name == "b"
    assert selection.choose([row("b", 0.5, 9), row("a", 0.5, 9)]).name == "a"


def test_more_of_a_share_is_better() -> None:
    rows = [row("a", 0.5, 9, accuracy=0.7), row("b", 0.6, 9, accuracy=0.8)]
    assert selection.choose(rows, metric="accuracy").name == "b"


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ({"max_ms": 5}, "p50 in ms of at most 5. The nearest is small with a p50 in ms of 10."),
        ({"max_log_loss": 0.4}, "nearest is large with a log loss of 0.5"),
        ({"max_ms": 15, "max_log_loss": 0.8}, "nearest is small with a log loss of 0.9"),
    ],
)
def test_nothing_fits_and_the_nearest_is_named(budget: dict[str, Any], told: str) -> None:
    with pytest.raises(DeckwatchError) as error:
        selection.choose(ROWS, **budget)
    assert told in error.value.message
    assert not isinstance(error.value, UsageError)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"metric": "speed"}, "No metric 'speed'"),
        ({"percentile": 99}, "No percentile 99"),
        ({"metric": "accuracy"}, "No candidate has accuracy"),
    ],
)
def test_a_wrong_question_is_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        selection.choose(ROWS, **arguments)


def test_select_measures_once_and_then_only_decides(
    deck: Path, candidates: dict[str, Path], tmp_path: Path
) -> None:
    short = ("--pictures", 3, "--repeats", 2)
    given = (*candidates.values(), "--data", deck, *short)
    result = command(*given, "--out", tmp_path / "one")
    assert result.exit_code == 0, result.output
    first = json.loads((tmp_path / "one/selection.json").read_text())
    assert first["chosen"] == "sharp"
    assert "sharp has the lowest log loss" in result.stdout
    times = json.loads((tmp_path / "one/timings.json").read_text())
    assert {name: len(ms) for name, ms in times["ms"].items()} == {"sharp": 6, "doubtful": 6}
    for each in first["candidates"]:
        assert each["p50_ms"] == timing.percentile(times["ms"][each["name"]], 50)
    html = (tmp_path / "one/selection.html").read_text()
    assert "data:image/png;base64," in html
    assert "chosen" in html

    # The same command, and another one with the kept times: the same numbers to the last digit.
    assert command(*given, "--out", tmp_path / "one").exit_code == 0
    kept = ("--timings", tmp_path / "one/timings.json", "--out", tmp_path / "two")
    assert command(*given, *kept).exit_code == 0
    for again in ("one", "two"):
        assert json.loads((tmp_path / again / "selection.json").read_text()) == first

    limit = min(each["p50_ms"] for each in first["candidates"]) / 2
    refused = command(*given, *kept, "--max-ms", limit)
    assert isinstance(refused.exception, DeckwatchError)
    assert "The nearest is" in refused.exception.message
    assert "doubtful" in refused.stdout
    assert "Nothing fits" in (tmp_path / "two/selection.html").read_text()


def test_a_scorecard_of_the_same_pictures_is_not_measured_again(
    deck: Path, candidates: dict[str, Path], tmp_path: Path
) -> None:
    write_tiny_release(tmp_path / "known", name="known")
    release = open_release(tmp_path / "known")
    _, card = evaluation.measure(tmp_path / "known", evaluation.pictures_of(deck, "valid"))
    card["picture"]["log_loss"] = [0.0123, 0.01, 0.02]
    write_release_file(tmp_path / "known", replace(release, scorecard={"valid": card}))
    found = selection.measure({"known": tmp_path / "known"}, deck, pictures=1, repeats=1)
    assert found["candidates"][0]["log_loss"] == 0.0123
    card["data"]["digest"] = "of other pictures"
    write_release_file(tmp_path / "known", replace(release, scorecard={"valid": card}))
    found = selection.measure({"known": tmp_path / "known"}, deck, pictures=1, repeats=1)
    assert found["candidates"][0]["log_loss"] > 0.1
    with pytest.raises(UsageError, match="do not compare"):
        selection.measure({"known": tmp_path / "known", **candidates})


def test_times_of_another_release_are_refused(
    deck: Path, candidates: dict[str, Path], tmp_path: Path
) -> None:
    kept = tmp_path / "timings.json"
    selection.measure({"one": candidates["sharp"]}, deck, keep=kept, pictures=1, repeats=1)
    # The same nets and numbers under another version are the same release.
    write_tiny_release(tmp_path / "again", name="again", version=4)
    selection.measure({"one": tmp_path / "again"}, deck, timings=kept)
    with pytest.raises(UsageError, match="no times of these releases: one"):
        selection.measure({"one": candidates["doubtful"]}, deck, timings=kept)
    card = {"data": {"digest": "x"}}
    release = open_release(tmp_path / "again")
    write_release_file(tmp_path / "again", replace(release, scorecard={"valid": card}))
    with pytest.raises(UsageError, match="needs pictures"):
        selection.measure({"one": tmp_path / "again"})


def test_two_candidates_of_one_name_are_refused(candidates: dict[str, Path], deck: Path) -> None:
    one = candidates["sharp"]
    result = command(one, one.parent / "." / "sharp", "--data", deck, "--out", deck / "out")
    assert isinstance(result.exception, UsageError)
    assert "both called sharp" in result.exception.message


def test_pictures_are_spread_over_the_whole_set() -> None:
    paths = [Path(f"{i}.jpg") for i in range(100)]
    assert [path.stem for path in timing.sample(paths, 4)] == ["0", "33", "66", "99"]
    assert timing.sample(paths[:2], 4) == paths[:2]
