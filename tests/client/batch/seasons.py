"""A season of small pictures for the tests of `deckwatch batch`, and the command over it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from deckwatch_client.batch.plan import Plan
from deckwatch_client.batch.run import Summary, run
from deckwatch_vision.images import encode_jpeg
from tests.tiny_release import tiny_picture

# Mostly nothing, as at sea.
FISH = (0, 1, 0, 2, 0, 0, 0, 0)
KINDS = len(FISH)


def pictures() -> list[bytes]:
    """Small JPEGs of nothing, one fish and two."""
    return [
        encode_jpeg(tiny_picture(fish=FISH[number], seed=number, height=48, width=64))
        for number in range(KINDS)
    ]


def told_apart(jpeg: bytes, number: int) -> bytes:
    """The same picture as a file of its own: with its number in a comment."""
    comment = str(number).encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + jpeg[2:]


def write_season(folder: Path, count: int, *, a_folder: int = 500) -> None:
    """`count` pictures in folders of `a_folder`, each with other bytes."""
    kinds = pictures()
    for number in range(count):
        where = folder / f"day-{number // a_folder:03}"
        if number % a_folder == 0:
            where.mkdir(parents=True)
        (where / f"{number:05}.jpg").write_bytes(told_apart(kinds[number % KINDS], number))


def go(*sources: str | Path, out: Path, **options: Any) -> Summary:
    """A run in this process."""
    return run(Plan(sources=tuple(map(str, sources)), out=out, **options))


def results(out: Path) -> list[dict[str, Any]]:
    """The lines of results.jsonl."""
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def names(out: Path) -> list[str]:
    """The pictures of results.jsonl, in order."""
    return [each["image"]["file"] for each in results(out)]


def outputs(out: Path) -> dict[str, bytes]:
    """Every file that a finished run leaves for its user, but the log, whose order is free."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in ("log.jsonl", ".lock")
    }


def lines(out: Path) -> list[dict[str, Any]]:
    """The lines of the log."""
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def command(*arguments: str | Path) -> list[str]:
    """`deckwatch batch` as a process."""
    return [sys.executable, "-m", "deckwatch_client.cli", "batch", *map(str, arguments)]


def called(
    *arguments: str | Path, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`deckwatch batch` to its end."""
    return subprocess.run(
        command(*arguments),
        env={**os.environ, **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
