"""Stages run when what they depend on has changed, and only then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deckwatch_training.stages import Stage, plan, run
from deckwatch_vision.errors import UsageError


class Kitchen:
    """Two stages, the second made from the first's output; counts how often each ran."""

    def __init__(self, folder: Path):
        self.folder, self.ran = folder, []  # type: ignore[var-annotated]
        self.source, self.middle, self.end = (folder / n for n in ("source", "middle", "end.txt"))
        self.source.mkdir()
        (self.source / "a.txt").write_text("1")
        self.factor = 2
        self.fail = False

    def stages(self) -> list[Stage]:
        return [
            Stage(
                "double",
                {"source": self.source, "factor": self.factor},
                (self.middle,),
                self.double,
            ),
            Stage("add", {"middle": self.middle}, (self.end,), self.add),
        ]

    def double(self) -> None:
        self.ran.append("double")
        self.middle.mkdir(exist_ok=True)
        number = int((self.source / "a.txt").read_text()) * self.factor
        (self.middle / "b.txt").write_text(str(number))

    def add(self) -> None:
        self.ran.append("add")
        if self.fail:
            raise UsageError("out of eggs")
        self.end.write_text(str(int((self.middle / "b.txt").read_text()) + 1))

    def cook(self) -> list[tuple[str, str]]:
        self.ran.clear()
        outcomes = run(self.stages(), self.folder / "ledger.json")
        return [(one.name, one.state) for one in outcomes]

    def planned(self) -> list[tuple[str, str, str]]:
        return [
            (one.name, one.state, one.reason)
            for one in plan(self.stages(), self.folder / "ledger.json")
        ]


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def test_a_second_run_does_nothing(kitchen: Kitchen) -> None:
    assert kitchen.cook() == [("double", "done"), ("add", "done")]
    assert kitchen.end.read_text() == "3"
    assert kitchen.cook() == [("double", "unchanged"), ("add", "unchanged")]
    assert kitchen.ran == []


def test_a_file_that_is_only_touched_is_unchanged(kitchen: Kitchen) -> None:
    kitchen.cook()
    os.utime(kitchen.source / "a.txt", ns=(1, 1))
    kitchen.cook()
    assert kitchen.ran == []


def test_changed_content_runs_what_depends_on_it(kitchen: Kitchen) -> None:
    kitchen.cook()
    (kitchen.source / "a.txt").write_text("5")
    assert kitchen.planned() == [
        ("double", "to do", "changed: source"),
        ("add", "to do", "after double"),
    ]
    kitchen.cook()
    assert kitchen.ran == ["double", "add"]
    assert kitchen.end.read_text() == "11"


def test_a_stage_that_gives_the_same_stops_the_chain(kitchen: Kitchen) -> None:
    kitchen.cook()
    (kitchen.source / "a.txt").write_text("4")
    kitchen.factor = 0
    kitchen.cook()
    (kitchen.source / "a.txt").write_text("9")
    kitchen.cook()
    assert kitchen.ran == ["double"]  # 0 again: nothing new for the second stage


@pytest.mark.parametrize("how", ["deleted", "edited"])
def test_a_lost_output_is_made_again(kitchen: Kitchen, how: str) -> None:
    kitchen.cook()
    if how == "deleted":
        kitchen.end.unlink()
    else:
        kitchen.end.write_text("made up")
    kitchen.cook()
    assert kitchen.ran == ["add"]
    assert kitchen.end.read_text() == "3"


def test_a_failed_stage_is_tried_again_and_those_before_it_are_not(kitchen: Kitchen) -> None:
    kitchen.fail = True
    with pytest.raises(UsageError, match="out of eggs"):
        kitchen.cook()
    kitchen.fail = False
    assert kitchen.cook() == [("double", "unchanged"), ("add", "done")]


def test_a_stage_that_fails_after_it_had_succeeded_no_longer_counts(kitchen: Kitchen) -> None:
    kitchen.cook()
    (kitchen.source / "a.txt").write_text("5")
    kitchen.fail = True
    with pytest.raises(UsageError):
        kitchen.cook()
    (kitchen.source / "a.txt").write_text("1")  # as in the beginning, but `end` was in the works
    kitchen.fail = False
    assert kitchen.cook() == [("double", "done"), ("add", "done")]


def test_a_stage_must_write_what_it_promises(kitchen: Kitchen) -> None:
    idle = Stage("idle", {}, (kitchen.folder / "nothing.txt",), lambda: None)
    with pytest.raises(UsageError, match=r"idle ended without writing .*nothing\.txt"):
        run([idle], kitchen.folder / "ledger.json")


def test_a_damaged_ledger_is_named(kitchen: Kitchen) -> None:
    (kitchen.folder / "ledger.json").write_text("{")
    with pytest.raises(UsageError, match=r"ledger\.json is damaged"):
        kitchen.cook()
