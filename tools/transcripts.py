"""The console transcripts in the documents: what they show is run, and kept true.

    python -m tools.transcripts    # `make docs`: runs what README.md shows of `classify`

A transcript is a ```console block; its lines after `$ ` are commands, the others their output.
Numbers may differ a little from one processor to the next, so they are compared with a tolerance
and a transcript that still agrees is left as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.install import ROOT

BLOCK = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.DOTALL)
STEP = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
NUMBER = re.compile(r"-?\d+\.\d+")

# Recognition in the process needs no server, so its transcripts can be written anew.
IN_PROCESS = re.compile(r"^(cat \S+ \| )?classify\b(?!.*--(server|help))")

# Likelihoods in bfloat16 and float32 differ by less.
LIKELIHOOD_TOLERANCE = 0.05


@dataclass(frozen=True)
class Step:
    """One command of a transcript and the output below it."""

    command: str
    output: str


def steps(text: str) -> Iterator[Step]:
    """Every command in the transcripts of a document."""
    for block in BLOCK.findall(text):
        yield from (Step(each["command"], each["output"]) for each in STEP.finditer(block))


def run(command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a shell command as a reader would: in the project's folder, our commands on PATH.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    programs = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    surroundings = {**os.environ, **(environment or {}), "PATH": programs}
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=True
    )
    return done.stdout


def agree(shown: str, seen: str) -> bool:
    """Whether two outputs are the same but for small differences in their numbers."""
    if NUMBER.sub("#", shown) != NUMBER.sub("#", seen):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(seen), strict=True)
    return all(abs(float(one) - float(other)) <= LIKELIHOOD_TOLERANCE for one, other in pairs)


def refresh(text: str) -> str:
    """Return a document whose in-process transcripts show what the commands print now."""

    def refresh_step(found: re.Match[str]) -> str:
        if not IN_PROCESS.match(found["command"]):
            return found[0]
        seen = run(found["command"])
        return found[0] if agree(found["output"], seen) else f"$ {found['command']}\n{seen}"

    return BLOCK.sub(lambda block: STEP.sub(refresh_step, block[0]), text)


def main() -> int:
    """Write README.md anew where a transcript no longer agrees."""
    path = ROOT / "README.md"
    path.write_text(refresh(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
