"""A run that is killed, interrupted and started again, as a process; and what memory it takes."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.client.batch.seasons import command, outputs, write_season
from tests.serving.processes import wait_until

COUNT, FEW, KILLS = 20_000, 2_000, 20
GIGABYTE = 1 << 30


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*arguments, "--quiet", "--local"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[bytes]) -> int:
    """The exit status of a process that complained of nothing."""
    _, complaints = process.communicate()
    assert not complaints
    return process.returncode


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """Wait for its end; the most memory that it had resident, in bytes.

    Not ru_maxrss, which counts what this process held when it started the other.
    """
    peak = 0
    while process.poll() is None:
        told = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB$", told, re.MULTILINE)
        peak = max(peak, int(found[1]) * 1024 if found else 0)
        time.sleep(0.02)
    return peak


def size(out: Path) -> int:
    try:
        return (out / "log.jsonl").stat().st_size
    except OSError:
        return 0


@pytest.mark.timeout(600)
def test_twenty_kills_change_no_byte_and_memory_stays_flat(tmp_path: Path) -> None:
    write_season(tmp_path / "season", COUNT)
    write_season(tmp_path / "few", FEW)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = (tmp_path / "season", "--format", "csv", "--camera-from", "{camera}/*", "--out")
    process = start(*options, whole)
    memory = peak_memory(process)
    assert ended(process) == 0
    # Memory does not grow with the number of files.
    process = start(tmp_path / "few", "--out", tmp_path / "small")
    less = peak_memory(process)
    assert ended(process) == 0
    assert 0 < memory < GIGABYTE
    assert memory - less < 48 << 20
    # At random moments: while it starts, works, and writes results.
    chance = random.Random(20260505)
    full = size(whole)
    moments = sorted(chance.sample(range(full), KILLS - 2))
    for moment in [-1, *moments, full]:
        process = start(*options, killed)

        def reached(moment: int = moment) -> bool:
            if moment < 0:
                return (killed / ".lock").exists()
            if moment < full:
                return size(killed) >= moment
            return size(killed) >= full and (killed / ".results.jsonl.part").exists()

        wait_until(reached, f"{moment} bytes of the log", timeout_s=180)
        time.sleep(chance.random() / 20)
        process.kill()
        assert ended(process) == -signal.SIGKILL
        assert not (killed / "results.jsonl").exists()
    assert ended(start(*options, killed)) == 0
    assert outputs(killed) == outputs(whole)
    with (whole / "results.jsonl").open() as results:
        assert sum(1 for _ in results) == COUNT
    # What was done was done once, but for what was at work when the process was killed.
    with (killed / "log.jsonl").open() as log:
        assert sum(1 for _ in log) == COUNT


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_goes_on(season: Path, how: signal.Signals) -> None:
    write_season(Path("more"), 600)
    whole, out = Path("whole"), Path("out")
    assert ended(start("more", "--out", whole)) == 0
    process = subprocess.Popen(
        command("more", "--out", out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: size(out) > 5000, "work")
    process.send_signal(how)
    told, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == ""
    assert "Stopping: what is at work is finished" in said
    assert "The same command goes on where it was." in said
    assert "Traceback" not in said
    assert not (out / "results.jsonl").exists()
    assert ended(start("more", "--out", out)) == 0
    assert outputs(out) == outputs(whole)


def test_interrupted_before_it_began_it_ends_quietly(season: Path) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        command("-", "--out", "out"), stdin=reading, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.write(writing, b"season\n")
    wait_until(lambda: size(Path("out")) > 0, "the first pictures")
    # Waiting for more of the list, which never comes.
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    os.close(writing)
    os.close(reading)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "Fatal" not in said
