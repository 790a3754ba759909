"""`deckwatch batch` against the loops that you would write over the same nets.

python -m benchmarks.batches [--quick]

The fourth part of `make bench`. The section of docs/bench.md that it writes is marked
`measured: batch`. Every way is a whole process, its start and the loading of the nets included,
and the ways take turns; each is held against its neighbours of the same turn.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine, part
from benchmarks.asking import BenchmarkError
from benchmarks.part import say
from benchmarks.pictures import write_pictures
from benchmarks.report import yes
from benchmarks.servers import python_path
from benchmarks.startup import command
from deckwatch_serving.repository import find_repository
from deckwatch_serving.triton import EmbeddedTriton
from tools.docs import table

NAME = "batch"
RESULTS = part.RESULTS / f"{NAME}.json"
HAND_WRITTEN = ("pool", "pipelined")
LEAST_LOCAL, LEAST_TO_LOOP, LEAST_SERVER = 0.95, 1.5, 0.9
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured: distinct `photos`, `pictures` made of them, `rounds` of every way."""

    mode: str
    photos: int
    pictures: int
    rounds: int


FULL = Amount("full", photos=10, pictures=500, rounds=3)
QUICK = Amount("quick", photos=2, pictures=6, rounds=1)


def measure(amount: Amount) -> dict[str, Any]:
    """Everything; the results as they are stored."""
    circumstances = part.Circumstances()
    machine.use_cores()
    repository = find_repository(None)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deckwatch-bench-")))
        pictures = _spread_out(folder, amount)
        triton = stack.enter_context(EmbeddedTriton(repository))
        local = [*command("deckwatch"), "batch", str(pictures), "--quiet", "--out"]
        arms = [sys.executable, "-m"]
        ways = {
            name: [*arms, f"benchmarks.arms.{name}", str(pictures), "{out}", str(repository)]
            for name in ("one_by_one", *HAND_WRITTEN)
        } | {
            "batch": [*local, "{out}", "--local"],
            "batch, server": [*local, "{out}", "--server", triton.grpc_url],
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(amount.rounds):
            for name, words in ways.items():
                say(f"round {turn + 1} of {amount.rounds}: {name}")
                seconds[name].append(_run(words, folder / "out", amount.pictures))
    return {
        **circumstances.told(amount.mode),
        "pictures": amount.pictures,
        "rounds": amount.rounds,
        **_compared(seconds, amount.pictures),
    }


def render(results: dict[str, Any]) -> str:
    """All tables in Markdown."""
    faster = results["hand_written"]
    ratios = results["ratios"]
    targets = (
        ("batch", faster, LEAST_LOCAL, f"in process: of the faster hand-written loop ({faster})"),
        ("batch", "one_by_one", LEAST_TO_LOOP, "in process: of a loop, one picture at a time"),
        ("batch, server", faster, LEAST_SERVER, "before Triton: of the faster hand-written loop"),
    )
    rows = []
    for name, against, least, text in targets:
        found = ratios[f"{name} / {against}"]
        shown = f"{found['median']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
        rows.append((f"{text}: at least {least}", shown, yes(found["median"] >= least)))
    return "\n\n".join(
        (
            part.measured_on(results),
            table(("`deckwatch batch`", "measured", "met"), rows),
            f"{results['pictures']} photographs of 720p, {results['rounds']} rounds, the median "
            "of the ratios within a round, with the lowest and the highest. Whole processes, from "
            "start to exit.",
            table(
                ("way", "pictures/s (median)"),
                [(name, f"{each:.1f}") for name, each in results["pictures_per_s"].items()],
            ),
        )
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    try:
        return part.run(
            arguments,
            command="benchmarks.batches",
            description=(__doc__ or "").partition("\n")[0],
            name=NAME,
            measure=lambda quick: measure(QUICK if quick else FULL),
            render=render,
        )
    except BenchmarkError as error:
        say(str(error))
        return 1


def _spread_out(folder: Path, amount: Amount) -> Path:
    """A folder of `amount.pictures` files, in turn one of the distinct photographs."""
    photos = [Path(path) for path in write_pictures(folder, amount.photos)["720p"]]
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(amount.pictures):
        shutil.copyfile(photos[number % len(photos)], pictures / f"{number:05}.jpg")
    return pictures


def _run(words: list[str], out: Path, pictures: int) -> float:
    """Seconds of wall time. Raises BenchmarkError unless every picture was answered."""
    begin = time.perf_counter()
    done = subprocess.run(
        [each.replace("{out}", str(out)) for each in words],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        env=python_path(),
        check=False,
    )
    took = time.perf_counter() - begin
    if done.returncode:
        raise BenchmarkError(f"{words} ended with {done.returncode}: {done.stderr.strip()}")
    lines = out / "results.jsonl" if out.is_dir() else out
    with lines.open(encoding="utf-8") as answers:
        count = sum(1 for line in answers if '"label"' in line)
    if count != pictures:
        raise BenchmarkError(f"{words} answered {count} of {pictures} pictures")
    if out.is_dir():
        shutil.rmtree(out)
    else:
        out.unlink()
    return took


def _compared(seconds: dict[str, list[float]], pictures: int) -> dict[str, Any]:
    """Pictures a second, and how many times as fast a way of ours was as another in its turn."""
    faster = min(HAND_WRITTEN, key=lambda name: statistics.median(seconds[name]))
    ratios = {}
    for ours in ("batch", "batch, server"):
        for other in ("one_by_one", *HAND_WRITTEN):
            each = [b / a for a, b in zip(seconds[ours], seconds[other], strict=True)]
            ratios[f"{ours} / {other}"] = {
                "median": statistics.median(each), "low": min(each), "high": max(each),
            }  # fmt: skip
    return {
        "hand_written": faster,
        "pictures_per_s": {
            name: round(pictures / statistics.median(each), 2) for name, each in seconds.items()
        },
        "ratios": ratios,
    }


if __name__ == "__main__":
    sys.exit(main())
