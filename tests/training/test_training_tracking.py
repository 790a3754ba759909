"""MLflow hears of a training, and cannot hurt it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deckwatch_training import checkpoints, config, runs, tracking


@pytest.fixture
def default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user who has set nothing."""
    for name in tracking.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_where_runs_are_tracked(default: None, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path("/somewhere/runs")
    assert tracking.address(here) == "sqlite:////somewhere/runs/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking.address(here) == "http://127.0.0.1:5000"
    monkeypatch.setenv("DECKWATCH_MLFLOW", "off")
    assert tracking.address(here) is None
    monkeypatch.setenv("DECKWATCH_MLFLOW", "sqlite:////elsewhere.db")
    assert tracking.address(here) == "sqlite:////elsewhere.db"


# MLflow asks SQLAlchemy for what the newest one has deprecated.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
@pytest.mark.usefixtures("default")
def test_a_training_stands_in_mlflow(configs: Path) -> None:
    """Parameters, every epoch, artefacts; one that is killed and goes on stays one run."""
    loaded = config.load(configs / "classifier.yaml", ["run.epochs=2"])
    folder = configs / "runs" / "one"
    uri = tracking.address(folder.parent)
    assert uri
    train, held = runs.training_data(loaded)
    digest = runs.digest(loaded, train, held)

    # A training that dies without a word: its end of the pipe is closed by the system.
    cut = tracking.Tracker(folder, uri)
    cut.begin(loaded, digest)
    cut.epoch({"epoch": 1, "loss": 9.0})
    assert cut._process
    assert cut._process.stdin
    cut._process.stdin.close()
    assert cut._process.wait(120) == 0

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    name = json.loads((folder / tracking.RUN).read_text())["run"]
    assert client.get_run(name).info.status == "KILLED"

    runs.train(loaded, folder)
    assert json.loads((folder / tracking.RUN).read_text())["run"] == name
    run = client.get_run(name)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "classifier"
    assert run.data.params["model.architecture"] == "squeezenet1_1"
    assert run.data.params["run.epochs"] == "2"
    log = checkpoints.read_log(folder / "log.jsonl")
    history = client.get_metric_history(name, "loss")
    assert [each.value for each in history][-2:] == [row["loss"] for row in log]
    assert run.data.metrics["macro_recall"] == log[-1]["macro_recall"]
    assert {each.path for each in client.list_artifacts(name)} == {
        "config.yaml", "curves.png", "log.jsonl",
    }  # fmt: skip
    assert sorted(each.name for each in (configs / "runs").iterdir()) == [
        "mlflow.db", "mlflow.lock", "mlruns", "one",
    ]  # fmt: skip


def test_a_tracker_that_fails_is_said_once_and_changes_nothing(
    configs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DECKWATCH_MLFLOW", f"sqlite:///{configs}/detector.yaml/mlflow.db")
    loaded = config.load(configs / "classifier.yaml")
    runs.train(loaded, configs / "run")
    assert runs.finished(loaded, configs / "run")
    said = capfd.readouterr().err
    assert said.count("tracking: MLflow at") == 1
    assert "The training goes on without." in said
    assert "Traceback" not in said
    assert "mlflow.store" not in said


def test_no_track_starts_nothing(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_MLFLOW", f"sqlite:///{configs}/mlflow.db")
    loaded = config.load(configs / "classifier.yaml", ["run.epochs=1"])
    runs.train(loaded, configs / "run", track=False)
    assert not (configs / "mlflow.db").exists()
    assert not (configs / "run" / tracking.RUN).exists()
