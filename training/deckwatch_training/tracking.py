"""MLflow, kept at arm's length: a process of its own that hears of epochs through a pipe.

Importing MLflow and making its SQLite file takes many seconds, and a tracking server can be away:
neither may delay or break a training. Whatever goes wrong there is said once, and the training goes
on. The run is continued where a training is: its number lies in the run's folder.

    python -m deckwatch_training.tracking FOLDER URI EXPERIMENT < messages
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from deckwatch_training.config import TrainConfig

VARIABLES = ("DECKWATCH_MLFLOW", "MLFLOW_TRACKING_URI")
EXPERIMENT, RUN = "deckwatch", "mlflow.json"
# Seconds that the end of a training waits for what the tracker still has to write.
PATIENCE = 60.0


def address(root: Path) -> str | None:
    """Where runs are tracked, None where they are not.

    DECKWATCH_MLFLOW (a tracking URI, or "off"), else MLFLOW_TRACKING_URI, else the SQLite file
    `mlflow.db` in `root`, the folder of the run's folder.
    """
    for name in VARIABLES:
        if given := os.environ.get(name):
            return None if given.lower() == "off" else given
    return f"sqlite:///{root.resolve() / 'mlflow.db'}"


class Tracker:
    """A run in MLflow; every method returns at once and raises nothing."""

    def __init__(self, folder: Path, uri: str):
        self.folder, self.uri = folder, uri
        self._process: subprocess.Popen[str] | None = None

    def begin(self, config: TrainConfig, digest: str) -> None:
        """Start the process and tell it the configuration."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            # Its own session: Ctrl-C is for the training, which then says how it ended.
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(self.folder), self.uri, EXPERIMENT],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
            )  # fmt: skip
        params = dict(flat(config.model_dump(mode="json", exclude={"tune"})))
        self._tell({"kind": "begin", "name": config.name, "params": params, "digest": digest})

    def epoch(self, row: dict[str, float]) -> None:
        """An epoch's losses and metrics."""
        self._tell({"kind": "epoch", "row": row})

    def end(self, state: str, files: Sequence[Path]) -> None:
        """The end of the run, with its artefacts; waits for what is still to be written."""
        names = [str(path) for path in files if path.exists()]
        self._tell({"kind": "end", "state": state, "files": names})
        if not self._process:
            return
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            _warn(f"{self.uri} did not answer within {PATIENCE:.0f} s")
        self._process = None

    def _tell(self, message: dict[str, Any]) -> None:
        if not self._process or not self._process.stdin:
            return
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            # It has said why before it ended.
            self._process.wait()
            self._process = None


def flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested sections as `run.lr`: value, as text."""
    for key, value in section.items():
        if isinstance(value, dict) and prefix + key != "data.species":
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value if isinstance(value, str) else json.dumps(value)


def _warn(reason: str) -> None:
    sys.stderr.write(f"tracking: {' '.join(reason.split())[:300]}. The training goes on without.\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Two trainings that start together must not both make the tables."""
    with (root / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Listener:
    """The other end of the pipe."""

    def __init__(self, folder: Path, uri: str, experiment: str):
        import logging

        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.folder = folder
        self.client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        root = folder.resolve().parent
        local = uri.startswith("sqlite:")
        with _alone(root) if local else contextlib.nullcontext():
            found = self.client.get_experiment_by_name(experiment)
            place = (root / "mlruns").as_uri() if local else None
            self.experiment = (
                found.experiment_id
                if found
                else self.client.create_experiment(experiment, artifact_location=place)
            )
        self.run = ""

    def begin(self, message: dict[str, Any]) -> None:
        held = self.folder / RUN
        with contextlib.suppress(OSError, ValueError, KeyError):
            document = json.loads(held.read_text(encoding="utf-8"))
            if document["digest"] == message["digest"]:
                self.client.update_run(document["run"], status="RUNNING")
                self.run = document["run"]
        if self.run:
            return
        tags = {"deckwatch.digest": message["digest"], "deckwatch.folder": str(self.folder)}
        created = self.client.create_run(self.experiment, run_name=message["name"], tags=tags)
        self.run = created.info.run_id
        held.write_text(json.dumps({"run": self.run, "digest": message["digest"]}))
        for key, value in message["params"].items():
            # MLflow's own limit.
            self.client.log_param(self.run, key, value[:6000])

    def epoch(self, message: dict[str, Any]) -> None:
        from mlflow.entities import Metric

        row, now = message["row"], int(time.time() * 1000)
        step = int(row["epoch"])
        metrics = [Metric(k, float(v), now, step) for k, v in row.items() if k != "epoch"]
        self.client.log_batch(self.run, metrics=metrics)

    def end(self, message: dict[str, Any]) -> None:
        for name in message["files"]:
            self.client.log_artifact(self.run, name)
        self.client.set_terminated(self.run, message["state"])
        self.run = ""


def listen(folder: Path, uri: str, experiment: str, messages: IO[str]) -> None:
    """Write what arrives into MLflow; a training that went away without a word was killed."""
    listener = _Listener(folder, uri, experiment)
    for line in messages:
        message = json.loads(line)
        getattr(listener, message["kind"])(message)
    if listener.run:
        listener.client.set_terminated(listener.run, "KILLED")


def main(arguments: Sequence[str]) -> int:
    """The process: 0 when all was written, 1 after a warning when it could not be."""
    import warnings

    folder, uri, experiment = arguments
    # A server that is away is given up soon; what MLflow remarks on its way is nobody's concern.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    warnings.simplefilter("ignore")
    try:
        listen(Path(folder), uri, experiment, sys.stdin)
    except Exception as error:
        _warn(f"MLflow at {uri} failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
