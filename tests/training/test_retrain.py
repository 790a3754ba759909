"""From simulated pictures to a live release with one command, twice, and a worse candidate."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.repository import find_repository, open_release
from deckwatch_training import catalogue, retrain_config, simulate
from deckwatch_training.cli_retrain import NOT_BETTER
from deckwatch_training.crops import picture_label
from deckwatch_training.dataset import read_coco
from deckwatch_training.evaluation import species_of
from deckwatch_vision.errors import UsageError

# One stage of a net's training on the slowest machine; the whole takes two minutes on two cores.
LONG = 900


def write_config(folder: Path, **changes: Any) -> Path:
    """A configuration that learns on `folder`/simulated, from the weights that ship."""
    shipped = find_repository()
    release = open_release(shipped, verify=False)
    document: dict[str, Any] = {
        "name": "decks",
        "work": str(folder / "work"),
        "repository": str(folder / "models"),
        "data_name": "simulated decks",
        "licence": "CC0-1.0",
        "attribution": "drawn by the tests",
        "sources": [{"path": str(folder / "simulated"), "format": "coco"}],
        "split": {"shares": {"train": 0.6, "calibrate": 0.2, "valid": 0.2}, "seed": 1},
        "augment": {"copies": 1, "sensitive_factor": 1.5},
        "detectors": [
            {
                "name": "yolox",
                "model": {
                    "architecture": "yolox_nano",
                    "input_size": 256,
                    "weights": str(shipped / release.detector.file),
                },
                "run": {
                    "epochs": 2, "batch": 8, "lr": 1e-3, "ema": 0.97, "warmup_steps": 5,
                    "validate_every": 2, "workers": 0,
                },
            }
        ],
        "classifiers": [
            {
                "name": "mobilenet",
                "model": {
                    "architecture": "mobilenet_v2",
                    "input_size": 96,
                    "weights": str(shipped / release.classifier.file),
                },
                "run": {
                    "epochs": 3, "batch": 32, "lr": 5e-4, "ema": 0.95, "warmup_steps": 5,
                    "validate_every": 3, "workers": 0,
                },
            }
        ],
        "promote": {"tolerance": 0.05},
        "card": "Simulated, for tests.",
    }  # fmt: skip
    path = folder / "retrain.yaml"
    path.write_text(yaml.safe_dump(document | changes))
    return path


def command(config: Path, *more: str) -> list[str]:
    program = str(Path(sys.executable).with_name("deckwatch"))
    return [program, "retrain", "--config", str(config), *more]


def retrain(config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(config, *more), cwd=config.parent, capture_output=True, text=True, timeout=LONG
    )


@pytest.fixture(scope="module")
def decks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with simulated pictures of ten vessels."""
    folder = tmp_path_factory.mktemp("decks")
    simulate.write(
        folder / "simulated", pictures=260, vessels=10, seed=3, size=(320, 192), skew=0.3
    )
    return folder


@pytest.fixture(scope="module")
def killed(decks: Path) -> subprocess.CompletedProcess[str]:
    """The whole command, after a first one was killed in the middle of a training."""
    config = write_config(decks)
    process = subprocess.Popen(command(config), cwd=decks, stderr=subprocess.DEVNULL)
    log = decks / "work" / "runs" / "yolox" / "log.jsonl"
    deadline = time.monotonic() + LONG
    while not log.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, "it ended before it was killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return retrain(config)


@pytest.mark.timeout(LONG)
def test_one_command_ends_in_a_live_release(
    decks: Path, killed: subprocess.CompletedProcess[str]
) -> None:
    assert killed.returncode == 0, killed.stderr
    assert "decks 1 is released" in killed.stdout
    for name in ("import", "check", "split", "augment"):
        assert f"{name}: unchanged" in killed.stderr  # done before the kill
    release = open_release(decks / "models")
    assert (release.name, release.version) == ("decks", 1)
    assert "simulated" in release.training_data[0].name
    told = json.loads((decks / "work" / "report.json").read_text())
    assert told["ending"]["outcome"] == "released"
    page = (decks / "work" / "report.html").read_text()
    assert "yolox+mobilenet" in page
    picture = next((decks / "simulated").rglob("*.jpg"))
    answer = LocalRecogniser(decks / "models").recognise(picture.read_bytes())
    assert answer.release.name == "decks"


def test_no_vessel_is_on_two_sides(decks: Path, killed: subprocess.CompletedProcess[str]) -> None:
    sides: dict[str, set[str | None]] = {}
    for entry in catalogue.read(decks / "work" / "split").entries:
        sides.setdefault(entry.vessel or "", set()).add(entry.split)
    assert len(sides) == 10
    assert all(len(each) == 1 for each in sides.values())
    assert {next(iter(each)) for each in sides.values()} == {"train", "calibrate", "valid"}


def test_unseen_vessels_are_named_better_than_a_majority_guess_can(
    decks: Path, killed: subprocess.CompletedProcess[str]
) -> None:
    valid = read_coco(decks / "work" / "split", split="valid", only=True)
    codes = species_of(valid)
    labels = Counter(picture_label(picture, codes) for picture in valid.pictures)
    majority = max(labels.values()) / len(valid)
    card = open_release(decks / "models").scorecard["valid"]
    assert card["pictures"] == len(valid)
    assert card["picture"]["accuracy"][0] > majority + 0.1
    # A guess recalls one species and no other.
    assert card["species"]["macro_recall"][0] > 1.5 / len(codes)
    assert card["detector"]["ap50"][0] > 0.3


def test_a_second_run_has_nothing_to_do(
    decks: Path, killed: subprocess.CompletedProcess[str]
) -> None:
    before = (decks / "models" / "deckwatch" / "1" / "release.json").read_bytes()
    again = retrain(decks / "retrain.yaml")
    assert again.returncode == 0, again.stderr
    states = [line.split(": ")[2] for line in again.stderr.splitlines() if "retrain:" in line]
    assert states
    assert set(states) == {"unchanged"}
    assert "decks 1 is already released" in again.stdout
    assert (decks / "models" / "deckwatch" / "1" / "release.json").read_bytes() == before


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    decks: Path, killed: subprocess.CompletedProcess[str]
) -> None:
    ledger = (decks / "work" / "stages.json").read_bytes()
    plan = retrain(write_config(decks, max_fish=20), "--dry-run")
    write_config(decks)
    assert plan.returncode == 0, plan.stderr
    states = {line.split()[0] for line in plan.stdout.splitlines()}
    assert states == {"unchanged", "to"}
    assert "export yolox+mobilenet" in plan.stdout
    assert (decks / "work" / "stages.json").read_bytes() == ledger


@pytest.mark.timeout(LONG)
def test_a_worse_candidate_is_refused(
    decks: Path, killed: subprocess.CompletedProcess[str]
) -> None:
    whole = yaml.safe_load((decks / "retrain.yaml").read_text())
    poor = whole["classifiers"][0]
    poor |= {"name": "untrained", "model": poor["model"] | {"weights": "none"}}
    poor["run"] |= {"epochs": 1, "lr": 1e-6}
    refused = retrain(write_config(decks, classifiers=[poor]))
    assert refused.returncode == NOT_BETTER, refused.stderr
    assert "Not better, nothing released: yolox+untrained." in refused.stdout
    assert "log loss of pictures" in refused.stdout
    assert "train yolox: unchanged" in refused.stderr
    assert open_release(decks / "models").version == 1
    again = retrain(decks / "retrain.yaml")
    assert again.returncode == NOT_BETTER  # nothing has changed, so neither has the answer


def test_two_at_once_are_refused(decks: Path, killed: subprocess.CompletedProcess[str]) -> None:
    import fcntl

    with (decks / "work" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second = retrain(write_config(decks))
    assert second.returncode == 2
    assert "Another retraining is at work" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"detectors": []}, "detectors"),
        ({"select": {"max_msec": 3}}, "select.max_msec"),
        ({"name": "a/b"}, "name"),
        ({"sources": [{"path": "x", "split": "training"}]}, "sources.0.split"),
    ],
)
def test_a_wrong_configuration_names_file_and_key(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    path = write_config(tmp_path, **changes)
    with pytest.raises(UsageError) as caught:
        retrain_config.load(path)
    assert str(path) in caught.value.message
    assert expected in caught.value.message


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    failed = retrain(write_config(tmp_path))
    assert failed.returncode == 2
    assert f"There is nothing at {tmp_path / 'simulated'}" in " ".join(failed.stderr.split())
    report = json.loads((tmp_path / "work" / "report.json").read_text())
    assert report["ending"]["outcome"] == "failed"
