"""What is live in the files: the gate, the history, adopting, and a process killed anywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from deckwatch_serving import cli_releases, configs, gate, history
from deckwatch_serving.adopt import adopt
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.promotion import promote, rollback
from deckwatch_serving.repository import live_version, open_release, versions
from deckwatch_serving.settling import settle_if_free
from deckwatch_vision.errors import (
    DeckwatchError,
    ReleaseCorrupt,
    ReleaseNotFound,
    ReleaseRefused,
    UsageError,
)
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.release import Release
from deckwatch_vision.species import DEMO, NCFM, LabelSet
from tests.tiny_release import tiny_picture, write_release_file, write_tiny_release

WIDER = LabelSet((*DEMO, *(one for one in NCFM if one.code == "ALB")))


def card(**changes: Any) -> dict[str, Any]:
    """A scorecard as `deckwatch evaluate` writes it; `changes` by section__key."""
    content: dict[str, Any] = {
        "data": {"digest": "a" * 64, "pictures": 20},
        "picture": {"log_loss": [0.5, 0.4, 0.6], "calibration_error": [0.05, 0.02, 0.09]},
        "species": {"macro_recall": [0.8, 0.7, 0.9]},
        "detector": {"ap50": [0.7, 0.6, 0.8], "recall": [0.6, 0.5, 0.7]},
    }
    for name, value in changes.items():
        section, _, key = name.partition("__")
        content[section] = {**content[section], key: value}
    return content


def measured(repository: Path, version: int, content: dict[str, Any], **changes: Any) -> Release:
    """Give a release a scorecard."""
    release = open_release(repository, version)
    release = replace(release, scorecard={"valid": content}, **changes)
    write_release_file(repository, release)
    return release


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Release 1 is live, 2 is a little better and knows one species more."""
    folder = tmp_path / "models"
    write_tiny_release(folder)
    write_tiny_release(
        folder, version=2, name="better", labels=WIDER, canvas=128, crop=40, configs=False
    )
    measured(folder, 1, card())
    measured(folder, 2, card(picture__log_loss=[0.48, 0.4, 0.6]))
    return folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"picture__log_loss": [0.53, 0.4, 0.6]},
            r"log loss of pictures: 0\.53.*than 0\.5",
        ),
        ({"picture__calibration_error": 0.08}, "calibration error of pictures"),
        ({"species__macro_recall": [0.77, 0.7, 0.9]}, r"macro recall of species.*by 0\.0300"),
        ({"detector__ap50": [0.6, 0.5, 0.7]}, "AP50 of fish"),
        ({"detector__recall": [0.5, 0.4, 0.6]}, "recall of fish"),
        ({"detector__recall": [None, None, None]}, "recall of fish: not measured"),
        ({"data__digest": "b" * 64}, "measured on different pictures.*deckwatch evaluate"),
        ({"data__digest": None}, "of the new release does not say which pictures"),
    ],
)
def test_what_is_worse_is_named(changes: dict[str, Any], said: str) -> None:
    (reason,) = gate.worse(card(**changes), card())
    assert re.search(said, reason)


def test_within_the_tolerance_nothing_is_worse() -> None:
    slightly = card(picture__log_loss=[0.519, 0.4, 0.6], species__macro_recall=[0.781, 0.7, 0.9])
    assert gate.worse(card(), card()) == []
    assert gate.worse(slightly, card()) == []
    assert len(gate.worse(slightly, card(), tolerance=0.01)) == 2
    assert gate.worse(card(), card(), tolerance=0.0) == []


def test_what_the_live_one_never_measured_is_not_asked_for() -> None:
    lacking = card(detector__ap50=None, detector__recall=[None, None, None])
    assert gate.worse(lacking, lacking) == []
    assert gate.worse(card(), lacking) == []
    nothing = {"data": card()["data"]}
    assert gate.worse(nothing, nothing) == [
        "the two scorecards have no metric in common. Measure both on the same data: "
        "deckwatch evaluate"
    ]


def test_species_that_the_new_one_was_not_measured_on() -> None:
    kinder = card() | {"unknown": {"LAG": 3}}
    assert "does not know LAG" in gate.worse(kinder, card())[0]
    assert gate.worse(card(), kinder) == []


def test_promote_and_roll_back(repository: Path) -> None:
    change = promote(repository, 2, who="ann@boat")
    assert change is not None
    assert (change.before, change.after, change.name) == (1, 2, "better")
    assert (change.forced, change.reason) == ((), "")
    assert open_release(repository).name == "better"
    answer = LocalRecogniser(repository).recognise(encode_jpeg(tiny_picture()))
    assert list(answer.likelihoods) == list(WIDER.codes)
    assert promote(repository, 2) is None, "it is live already"
    back = rollback(repository, reason="misses sharks")
    assert (back.before, back.after, back.reason) == (2, 1, "misses sharks")
    assert live_version(repository) == 1
    with pytest.raises(UsageError, match=r"No release was live before tiny 1.*there: 1, 2"):
        rollback(repository)
    assert [(swap.action, swap.who) for swap in history.read(repository)] == [
        ("promote", "ann@boat"),
        ("rollback", history.somebody()),
    ]


def test_rollbacks_go_further_and_further_back(repository: Path) -> None:
    for version in (3, 4):
        write_tiny_release(repository, version=version, name=f"n{version}", configs=False)
        measured(repository, version, card())
    for version in (2, 3, 4):
        promote(repository, version, force="a test")
    assert [rollback(repository).after for _ in range(2)] == [3, 2]
    promote(repository, 4, force="a test")
    shutil.rmtree(repository / "deckwatch" / "2")
    assert rollback(repository).after == 1, "what was deleted is passed over"


def test_a_worse_release_needs_a_reason(repository: Path) -> None:
    measured(repository, 2, card(species__macro_recall=[0.6, 0.5, 0.7]))
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    with pytest.raises(ReleaseRefused, match=r"better 2 is not made live.*macro recall.*--force"):
        promote(repository, 2)
    after = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} <= {
        repository / "deckwatch" / ".lock"
    }
    with pytest.raises(UsageError, match="needs a reason"):
        promote(repository, 2, force=" ")
    promote(repository, 2, force="the old camera is gone")
    (swap,) = history.read(repository)
    assert swap.reason == "the old camera is gone"
    assert "macro recall of species" in swap.forced[0]


def test_simulated_pictures_do_not_replace_photographs(repository: Path) -> None:
    data = open_release(repository, 2).training_data[0]
    simulated = (replace(data, name="Decks (simulated)"),)
    measured(repository, 2, card(), training_data=simulated)
    with pytest.raises(ReleaseRefused, match="trained on simulated pictures"):
        promote(repository, 2)
    measured(repository, 1, card(), training_data=simulated)
    promote(repository, 2)  # both are


def test_a_species_is_not_lost_by_the_way(repository: Path) -> None:
    promote(repository, 2)
    measured(repository, 1, card())
    with pytest.raises(ReleaseRefused, match="does not know ALB"):
        promote(repository, 1)


def test_a_scorecard_measured_again_counts(repository: Path) -> None:
    measured(repository, 2, card(data__digest="c" * 64))
    with pytest.raises(ReleaseRefused, match="--live-scorecard"):
        promote(repository, 2)
    labels = list(open_release(repository).labels.codes)
    again = card(data__digest="c" * 64) | {"labels": labels}
    with pytest.raises(UsageError, match="scorecard given for tiny 1 is of a release that knows"):
        promote(repository, 2, live_card=again | {"labels": ["NoF", "LAG"]})
    promote(repository, 2, live_card=again)
    assert live_version(repository) == 2


def test_a_damaged_release_never_goes_live(repository: Path) -> None:
    with (repository / "detector" / "2" / "model.onnx").open("ab") as net:
        net.write(b"!")
    with pytest.raises(ReleaseCorrupt, match=r"detector/2/model\.onnx"):
        promote(repository, 2, force="a test")
    with pytest.raises(ReleaseNotFound, match="versions there: 1, 2"):
        promote(repository, 7)
    assert live_version(repository) == 1


def test_nets_that_answer_nonsense_never_go_live(repository: Path) -> None:
    """Digests are right, and still: what goes live has recognised a picture."""
    release = open_release(repository, 2)
    wrong = replace(release, classifier=replace(release.classifier, file=release.detector.file))
    write_release_file(repository, wrong)
    with pytest.raises(Exception, match=r"."):
        promote(repository, 2, force="a test")
    assert live_version(repository) == 1


def test_two_at_once(repository: Path) -> None:
    with history.locked(repository):
        found: list[BaseException] = []

        def other() -> None:
            try:
                promote(repository, 2)
            except DeckwatchError as error:
                found.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert f"process {os.getpid()}, is promoting or rolling back" in str(found[0])
    promote(repository, 2)


def test_a_broken_history_is_named(repository: Path) -> None:
    promote(repository, 2)
    path = repository / history.FILE
    half = path.read_text()[:40]
    with path.open("a") as file:
        file.write(half)  # what a power failure leaves
    assert [swap.after for swap in history.read(repository)] == [2]
    rollback(repository)
    assert [swap.after for swap in history.read(repository)] == [2, 1]
    path.write_text("nonsense\n" + path.read_text())
    with pytest.raises(ReleaseCorrupt, match=r"history\.jsonl, line 1"):
        rollback(repository)


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from deckwatch_serving import history, probe
from deckwatch_serving.promotion import promote

os.fsync = lambda handle: None  # a process is killed here, not the machine
probe.generated_picture()  # made once, before the forks
source, target = Path(sys.argv[1]), Path(sys.argv[2])
real_replace, real_unlink, real_note = Path.replace, Path.unlink, history.note

def run(folder, place):
    left = [place]
    def step(real):
        def do(*args, **options):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return real(*args, **options)
        return do
    Path.replace, Path.unlink, history.note = map(step, (real_replace, real_unlink, real_note))
    promote(folder, 2)

place = 0
while True:
    folder = target / str(place)
    shutil.copytree(source, folder)
    child = os.fork()
    if not child:
        run(folder, place)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    place += 1
"""


def test_killed_before_any_of_its_writes(repository: Path, tmp_path: Path) -> None:
    """SIGKILL before each rename, note and removal in turn: every state can be served and ended."""
    target = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, str(repository), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    folders = sorted(target.iterdir(), key=lambda folder: int(folder.name))
    assert len(folders) > 20
    lives = []
    for folder in folders:
        live = live_version(folder)
        lives.append(live)
        open_release(folder)  # every digest
        for name in ("detect", "classifier", "fuse"):
            loaded = (folder / name / "config.pbtxt").read_text().partition("versions: [")[2]
            assert str(live) in loaded.partition("]")[0], "what is pinned is loaded"
            assert all((folder / name / str(each) / "model.py").is_file() for each in (live,))
        settle_if_free(folder)
        assert live_version(folder) == live
        rendered = dict(configs.render(folder, open_release(folder)))
        assert {name: (folder / name).read_text() for name in rendered} == rendered
        noted = [swap.after for swap in history.read(folder)]
        assert noted == ([2] if live == 2 else [])
        if live == 2:
            assert rollback(folder).after == 1
        else:
            promote(folder, 2)
            assert live_version(folder) == 2
    assert sorted(lives) == lives, "once it has happened it stays"
    assert set(lives) == {1, 2}


def test_a_candidate_is_taken_over(repository: Path, tmp_path: Path) -> None:
    candidate = tmp_path / "candidate"
    write_tiny_release(candidate, name="spring", labels=WIDER, canvas=160)
    (candidate / "deckwatch/1/MODEL_CARD.md").write_text(
        "# Model card: spring, version 1\n\nversion 1\n"
    )
    taken = adopt(candidate, repository)
    assert (taken.name, taken.version) == ("spring", 3)
    assert live_version(repository) == 1, "taking over is not promoting"
    assert open_release(repository, 3) == taken
    text = (repository / "deckwatch/3/MODEL_CARD.md").read_text()
    assert text == "# Model card: spring, version 3\n\nversion 1\n"
    assert adopt(candidate, repository) == taken, "once is enough"
    assert adopt(candidate, repository, as_version=9).version == 9
    with pytest.raises(UsageError, match="has a version 2 already"):
        adopt(candidate, repository, as_version=2)
    picture = encode_jpeg(tiny_picture())
    here = LocalRecogniser(repository, version=3).recognise(picture)
    assert here.likelihoods == LocalRecogniser(candidate).recognise(picture).likelihoods


def test_the_first_release_of_a_repository_is_live_at_once(
    repository: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    taken = adopt(repository, empty, version=2)
    assert taken.version == 1
    assert live_version(empty) == 1
    assert (empty / "deckwatch" / "config.pbtxt").is_file()
    assert LocalRecogniser(empty).release.name == "better"


def invoke(command: Callable[..., None], *arguments: object) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_the_commands(repository: Path, tmp_path: Path) -> None:
    there = ("--repository", repository)
    listed = invoke(cli_releases.releases, *there)
    head, first, second = listed.stdout.splitlines()
    assert head.split()[:2] == ["version", "name"]
    assert first.split()[:5] == ["1", "tiny", "live", "2026-01-01", "0.500"]
    assert second.split()[:3] == ["2", "better", "2026-01-01"]

    tried = invoke(cli_releases.promote, 2, "--dry-run", *there)
    assert (tried.exit_code, tried.stdout) == (
        0, "Nothing speaks against better 2 after 1.\n",
    )  # fmt: skip
    assert live_version(repository) == 1
    result = invoke(cli_releases.promote, 2, *there, "--by", "ann")
    assert result.stdout == "better 2 is live; it was 1.\n"
    assert invoke(cli_releases.promote, 2, *there).stdout == "Version 2 is live already.\n"

    rows = [
        json.loads(row)
        for row in invoke(cli_releases.releases, "--json", *there).stdout.splitlines()
    ]
    assert [(row["version"], row["live"], row["previous"]) for row in rows] == [
        (1, False, True), (2, True, False),
    ]  # fmt: skip
    assert rows[1]["scores"]["picture.log_loss"] == 0.48
    assert rows[1]["labels"] == list(WIDER.codes)
    assert rows[1]["size"] > 1000

    refused = invoke(cli_releases.promote, 1, "--dry-run", *there)
    assert refused.exit_code == 1
    assert "does not know ALB" in refused.stdout
    again = invoke(cli_releases.rollback, *there, "--reason", "a look")
    assert again.stdout == "tiny 1 is live again; it was 2.\n"
    text = invoke(cli_releases.releases, "--history", *there).stdout.splitlines()
    assert "promote 1 -> 2 (better) by ann" in text[0]
    assert "rollback 2 -> 1 (tiny)" in text[1]
    assert "reason: a look" in text[1]

    candidate = tmp_path / "candidate"
    write_tiny_release(candidate, name="spring")
    unwanted = invoke(cli_releases.promote, "--from", candidate, *there)
    assert isinstance(unwanted.exception, ReleaseRefused)
    assert versions(repository) == [1, 2], "what is refused is not taken over"
    measured(candidate, 1, card())
    taken = invoke(cli_releases.promote, "--from", candidate, *there)
    assert taken.stdout == "spring 3 is live; it was 1.\n"
    assert "stands in" in taken.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name either a version"),
        ((2, "--from", "there"), "Name either a version"),
        ((2, "--triton", "grpc://127.0.0.1:8001"), r"is no address of Triton's HTTP endpoint"),
        ((2, "--triton", "127.0.0.1:8000"), r"is no address of Triton's HTTP endpoint"),
        ((2, "--live-scorecard", "nowhere.json"), "Cannot read nowhere.json"),
    ],
)
def test_wrong_calls_are_named(repository: Path, arguments: tuple[object, ...], said: str) -> None:
    result = invoke(cli_releases.promote, *arguments, "--repository", repository)
    assert isinstance(result.exception, UsageError)
    assert said in result.exception.message


def test_no_torch_is_needed(repository: Path) -> None:
    """The base install promotes: neither torch nor the training part is loaded."""
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from deckwatch_client.cli import app\n"
        f"app(['promote', '2', '--repository', {str(repository)!r}], standalone_mode=False)\n"
        "assert not [name for name in sys.modules if name.startswith('deckwatch_training')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "better 2 is live; it was 1.\n"
