"""The process that asks: one for all arms, so that asking costs each of them the same.

    python -m benchmarks.load < jobs

Standard input and output carry one JSON document a line. The first line names the arms and the
picture files; each line after it is a job: so many requests to one arm, by so many clients at once.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.ways import WAYS, Call, Likelihoods, Way

Bodies = list[bytes]


def run(
    way: Way, bodies: Bodies, clients: int, requests: int
) -> tuple[list[float], list[float], list[Likelihoods]]:
    """Ask `requests` times, each client anew as soon as it was answered.

    The pictures come in turn, so that every arm gets the same ones in the same order.

    Returns:
        When each request began and ended, in seconds, and its answer; in the order of sending.
    """
    begins, ends = [0.0] * requests, [0.0] * requests
    answers: list[Likelihoods] = [{}] * requests
    turns = itertools.count()
    start = threading.Barrier(clients)

    def client(call: Call) -> None:
        start.wait(timeout=30)
        while (turn := next(turns)) < requests:
            body = bodies[turn % len(bodies)]
            begins[turn] = time.perf_counter()
            answers[turn] = call(body)
            ends[turn] = time.perf_counter()

    calls = [way.connect(clients) for _ in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(client, call) for call in calls]:
            done.result()
    return begins, ends, answers


def main() -> None:
    """Do the jobs of standard input, in order."""
    setup = json.loads(sys.stdin.readline())
    files = {
        size: [Path(name).read_bytes() for name in names]
        for size, names in setup["pictures"].items()
    }
    ways = {arm["name"]: WAYS[arm["way"]](arm["address"]) for arm in setup["arms"]}
    bodies = {
        (name, size): [way.body(each) for each in pictures]
        for name, way in ways.items()
        for size, pictures in files.items()
    }
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        name, size = job["arm"], job["size"]
        try:
            begins, ends, answers = run(
                ways[name], bodies[name, size], job["clients"], job["requests"]
            )
        except Exception as error:  # whatever it is ends the benchmark, with a word on the arm
            answer: dict[str, Any] = {"error": f"{name}: {type(error).__name__}: {error}"}
        else:
            answer = {"begins": begins, "ends": ends}
            if job["answers"]:
                answer["answers"] = answers
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
