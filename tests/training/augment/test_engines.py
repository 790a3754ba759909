"""Engines: in order, a bounded window, one thread a worker, and nothing lost with a worker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from deckwatch_serving import engines
from deckwatch_training.label_files import write_rows
from deckwatch_vision.errors import DeckwatchError, MissingExtra, UsageError
from tests.training.augment import on_ray
from tests.training.augment.conftest import write_pictures

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def ray_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """What on_ray found, and the folder where it worked."""
    folder = tmp_path_factory.mktemp("ray")
    write_rows(folder / "labels.csv", write_pictures(folder / "photos"), weights=False)
    # Ray's sockets lie under this folder, and the path of a socket is limited to 107 bytes.
    home = tempfile.mkdtemp(prefix="dw", dir="/tmp")
    environment = os.environ | {
        "RAY_TMPDIR": home,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",  # else it leaves a token in the home folder
        "PYTHONPATH": str(ROOT),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.training.augment.on_ray", folder, folder / "photos",
             folder / "labels.csv"],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170, check=False,
        )  # fmt: skip
    finally:
        shutil.rmtree(home, ignore_errors=True)
    assert done.returncode == 0, done.stderr[-3000:]
    # All that Ray has to say is on standard error.
    return json.loads(done.stdout), folder


def test_a_ray_worker_killed_midway_loses_nothing(ray_run: tuple[dict[str, Any], Path]) -> None:
    found, folder = ray_run
    assert (folder / "killed").exists()
    assert [square for square, _ in found["killed"]] == [i * i for i in range(24)]
    assert found["driver"] not in {process for _, process in found["killed"]}


def test_errors_order_and_window_on_ray(ray_run: tuple[dict[str, Any], Path]) -> None:
    found, _ = ray_run
    assert found["failed"] == [0, 1, 2, "three is no number"]
    assert found["ahead"] <= 5
    # A run ends the Ray that it started, and no other.
    assert (found["there"], found["gone"]) == (True, True)


def test_augmentation_on_ray_gives_the_same_bytes(ray_run: tuple[dict[str, Any], Path]) -> None:
    _, folder = ray_run
    on_ray.augmented("local", folder / "photos", folder / "labels.csv", folder / "local")
    local, ray = (
        {
            path.relative_to(folder / name): path.read_bytes()
            for path in (folder / name).rglob("*.jpg")
        }
        for name in ("local", "ray")
    )
    assert len(local) == 16
    assert local == ray
    assert (folder / "local.csv").read_bytes() == (folder / "ray.csv").read_bytes()


def test_a_local_worker_killed_midway_loses_nothing(tmp_path: Path) -> None:
    found = on_ray.killed("local", tmp_path / "killed")
    assert (tmp_path / "killed").exists()
    assert [square for square, _ in found] == [i * i for i in range(24)]
    assert os.getpid() not in {process for _, process in found}


def test_errors_order_and_window_in_processes() -> None:
    assert on_ray.failed("local") == [0, 1, 2, "three is no number"]
    assert on_ray.ahead("local") <= 5


def test_an_item_that_kills_every_worker_is_named(tmp_path: Path) -> None:
    deadly = on_ray.Square(tmp_path / "x", 2, always=True)
    with pytest.raises(DeckwatchError, match=r"died 3 times in a row, last at 2\. .*--workers"):
        list(engines.run(deadly, range(9), workers=2))


def _threads(_: int) -> tuple[str, int]:
    import cv2

    return os.environ.get("OMP_NUM_THREADS", ""), cv2.getNumThreads()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_worker_is_one_thread(workers: int) -> None:
    import cv2

    before = cv2.getNumThreads(), os.environ.get("OMP_NUM_THREADS")
    found = set(engines.run(_threads, range(3), workers=workers))
    assert {threads for _, threads in found} == {1}
    if workers > 1:
        assert {variable for variable, _ in found} == {"1"}
    assert (cv2.getNumThreads(), os.environ.get("OMP_NUM_THREADS")) == before


def test_wrong_engines_and_numbers() -> None:
    with pytest.raises(UsageError, match=r"No engine 'dask'\. Give one of: local, ray"):
        engines.run(on_ray.Fails(), [], engine="dask")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least 1"):
        engines.run(on_ray.Fails(), [], workers=-1)


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def fail(**_: Any) -> None:
        raise ConnectionError("could not connect to it.\nmore lines")

    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    message = r"Cannot use the cluster 10\.0\.0\.1:6379: could not connect to it\. .*--engine local"
    with pytest.raises(DeckwatchError, match=message):
        next(engines.run(on_ray.Fails(), [1], engine="ray"))


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'deckwatch\[ray\]'"):
        next(engines.run(on_ray.Fails(), [1], engine="ray"))
