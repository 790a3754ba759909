"""From nothing to an answer: `classify --image` and `deckwatch up`, each in a new process."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.asking import BenchmarkError
from benchmarks.servers import python_path
from benchmarks.settings import Settings

_TIMEOUT_S = 60.0
# What stands in for the installed commands where Deckwatch runs from its sources.
_SOURCES = {
    "classify": ["-m", "deckwatch_client.classify"],
    "deckwatch": [
        "-c",
        "import sys, typer; from deckwatch_serving.cli import up; del sys.argv[1]; typer.run(up)",
    ],
}


def measure(photo: Path, settings: Settings) -> dict[str, Any]:
    """Seconds of wall time, the median and every run."""
    classify = [_classify(photo) for _ in range(settings.cold_starts)]
    up = [_up() for _ in range(settings.ups)]
    return {
        name: {"median_s": round(statistics.median(runs), 3), "runs_s": [round(s, 3) for s in runs]}
        for name, runs in (("classify", classify), ("up", up))
    }


def command(name: str) -> list[str]:
    """How a command of ours is called here, installed or from its sources."""
    installed = Path(sys.executable).with_name(name)
    return [str(installed)] if installed.is_file() else [sys.executable, *_SOURCES[name]]


def _classify(photo: Path) -> float:
    words = [*command("classify"), "--image", str(photo)]
    begin = time.perf_counter()
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=_TIMEOUT_S, env=python_path(), check=False
    )
    took = time.perf_counter() - begin
    if done.returncode:
        raise BenchmarkError(f"classify ended with {done.returncode}: {done.stderr.strip()}")
    return took


def _up() -> float:
    """Seconds until `deckwatch up` says on standard output that it is up."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*command("deckwatch"), "up", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**python_path(), "PYTHONUNBUFFERED": "1"},
    )
    limit = threading.Timer(_TIMEOUT_S, process.kill)
    limit.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
        took = time.perf_counter() - begin
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        process.wait(_TIMEOUT_S)
        limit.cancel()
        if process.stdout:
            process.stdout.close()
    if "is up" not in line:
        raise BenchmarkError(f"`deckwatch up` was not ready in {_TIMEOUT_S:.0f} s.")
    return took
