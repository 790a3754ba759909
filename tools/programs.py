"""See that the programs which tests need beside Python are there; install what is missing.

    python3 tools/programs.py

Runs on a plain Python's standard library. On Debian and Ubuntu, as root, what is missing
is installed from the distribution's packages; elsewhere the message names it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# Program -> Debian's package, and what for.
NEEDED = {
    "chromium": ("chromium", "the tests of the web page"),
    "redis-server": ("redis-server", "the tests of the queue that gateways share"),
}


def missing(needed: dict[str, tuple[str, str]] = NEEDED) -> list[str]:
    """The programs that are not on PATH."""
    return [program for program in needed if shutil.which(program) is None]


def main() -> int:
    """Install what is missing and return the exit code."""
    packages = [NEEDED[program][0] for program in missing()]
    if not packages:
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        for each in (["apt-get", "update"], command):
            status = subprocess.run(each, env=quiet, stdout=subprocess.DEVNULL).returncode
            if status:
                print(f"setup: '{' '.join(each)}' failed with exit code {status}", file=sys.stderr)
    for program in missing():
        package, purpose = NEEDED[program]
        print(
            f"setup: {program} is missing, which {purpose} need. "
            f"Install it, on Debian with: sudo apt-get install {package}",
            file=sys.stderr,
        )
    return 1 if missing() else 0


if __name__ == "__main__":
    sys.exit(main())
