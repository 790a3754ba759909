"""See that the programs which tests need beside Python are there; install what is missing.

    python3 tools/programs.py

Runs on a plain Python's standard library. On Debian and Ubuntu, as root, what is missing
is installed from the distribution's packages; elsewhere the message names it. What no distribution
packs is built from Go modules that tools/go pins, into .cache/bin.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Program -> Debian's package, and what for.
NEEDED = {
    "chromium": ("chromium", "the tests of the web page"),
    "redis-server": ("redis-server", "the tests of the queue that gateways share"),
    "curl": ("curl", "the tests of the examples for clients"),
    "node": ("nodejs", "the tests of the examples for clients"),
    "go": ("golang-go", "the programs below"),
}
# Program -> the package that tools/go/tools.go names, and what for.
BUILT = {
    "grpcurl": ("github.com/fullstorydev/grpcurl/cmd/grpcurl", "the tests of the examples"),
}

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "tools" / "go"
BIN = ROOT / ".cache" / "bin"


def find(program: str) -> str | None:
    """Where a program is: built here, or on PATH."""
    own = BIN / program
    return str(own) if own.is_file() else shutil.which(program)


def missing(needed: dict[str, tuple[str, str]] = NEEDED) -> list[str]:
    """The programs that are not on PATH."""
    return [program for program in needed if shutil.which(program) is None]


def unbuilt(built: dict[str, tuple[str, str]] = BUILT) -> list[str]:
    """The programs that were not built, or before their pins changed."""
    pinned = (MODULE / "go.sum").stat().st_mtime
    own = {program: BIN / program for program in built}
    return [
        program
        for program, path in own.items()
        if not path.is_file() or path.stat().st_mtime < pinned
    ]


def install(programs: list[str]) -> None:
    """Debian's packages of the programs, where that is possible."""
    packages = [NEEDED[program][0] for program in programs]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    for each in (["apt-get", "update"], command):
        status = subprocess.run(each, env=quiet, stdout=subprocess.DEVNULL).returncode
        if status:
            print(f"setup: '{' '.join(each)}' failed with exit code {status}", file=sys.stderr)


def build(program: str) -> bool:
    """Whether a program could be built; Go itself says why not."""
    BIN.mkdir(parents=True, exist_ok=True)
    part = BIN / f"{program}.part"
    command = [
        "go", "build", "-C", str(MODULE), "-trimpath", "-ldflags=-s -w", "-o", str(part),
        BUILT[program][0],
    ]  # fmt: skip
    print(f"setup: {program} is built; the first time this takes minutes", file=sys.stderr)
    # No other version of Go is fetched, and nothing but what go.sum knows.
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    if subprocess.run(command, env={**environment, "CGO_ENABLED": "0"}).returncode:
        return False
    part.replace(BIN / program)
    return True


def main() -> int:
    """Install what is missing and return the exit code."""
    if absent := missing():
        install(absent)
    status = 0
    for program in missing():
        package, purpose = NEEDED[program]
        print(
            f"setup: {program} is missing, which {purpose} need. "
            f"Install it, on Debian with: sudo apt-get install {package}",
            file=sys.stderr,
        )
        status = 1
    if shutil.which("go"):
        for program in unbuilt():
            if not build(program):
                purpose = BUILT[program][1]
                print(
                    f"setup: {program} could not be built, which {purpose} need. "
                    "It takes Go 1.23 or later and a connection to fetch its source once",
                    file=sys.stderr,
                )
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
