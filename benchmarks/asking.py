"""The handle on the process of `load`, and what one turn of an arm came to."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.servers import Arm, python_path, runtime

_JOB_TIMEOUT_S = 90.0


class BenchmarkError(Exception):
    """An arm failed; the message names it and says how."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn in figures.

    Attributes:
        p50: median of the seconds that a request took.
        p10: the tenth percentile, which noise of the machine reaches least.
        throughput: pictures a second.
    """

    p50: float
    p10: float
    throughput: float


class Asking:
    """Starts `benchmarks.load` and gives it jobs; ended with the context."""

    def __init__(self, arms: list[Arm], pictures: dict[str, list[str]]) -> None:
        self._setup = {"arms": [asdict(arm) for arm in arms], "pictures": pictures}

    def __enter__(self) -> Self:
        with runtime("onnxruntime"):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.load"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=python_path(),
            )
        self._send(self._setup)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin:
            self._process.stdin.close()  # the end of its jobs ends it
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def answers(self, arm: str, size: str, requests: int) -> list[dict[str, float]]:
        """The likelihoods of each picture, one client."""
        found: list[dict[str, float]] = self._ask(arm, size, 1, requests, answers=True)["answers"]
        return found

    def turn(self, arm: str, size: str, clients: int, requests: int) -> Turn:
        """One turn of an arm."""
        times = self._ask(arm, size, clients, requests, answers=False)
        return summary(np.array(times["begins"]), np.array(times["ends"]), clients)

    def _ask(
        self, arm: str, size: str, clients: int, requests: int, *, answers: bool
    ) -> dict[str, Any]:
        job = {"arm": arm, "size": size, "clients": clients, "requests": requests}
        self._send({**job, "answers": answers})
        limit = threading.Timer(_JOB_TIMEOUT_S, self._process.kill)
        limit.start()
        try:
            line = self._process.stdout.readline() if self._process.stdout else ""
        finally:
            limit.cancel()
        if not line:
            raise BenchmarkError(
                f"{arm}: {requests} requests by {clients} clients were not answered in "
                f"{_JOB_TIMEOUT_S:.0f} s, or the asking process ended. Its words are above."
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchmarkError(answer["error"])
        return answer

    def _send(self, document: object) -> None:
        if self._process.stdin is None or self._process.poll() is not None:
            raise BenchmarkError("The asking process has ended. Its words are above.")
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()


def summary(begins: NDArray[np.float64], ends: NDArray[np.float64], clients: int) -> Turn:
    """What a turn's times come to.

    Left out are each client's first request (the caches still hold the arm before) and, for the
    throughput, the end of the turn, when clients run out of requests one after the other.
    """
    took = (ends - begins)[clients:]
    done = np.sort(ends)
    whole = done[: len(done) - clients + 1]
    return Turn(
        p50=float(np.percentile(took, 50)),
        p10=float(np.percentile(took, 10)),
        throughput=float((len(whole) - 1) / (whole[-1] - whole[0])),
    )
