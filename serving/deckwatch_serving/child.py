"""One server process of ours, held on a leash (see `leash.py`), its output in a log file."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deckwatch_serving import leash
from deckwatch_serving.wheel import cache_folder
from deckwatch_vision.errors import LauncherError

_LOGS_KEPT = 5
# The launcher's process number at the end of a log's name.
_LAUNCHER = re.compile(r"-(\d+)\.log$")
_NUMBERS = itertools.count(1)  # one process may start two servers within a second
# Lines of Triton's log, of a Python traceback and of the gateway that say what is wrong, without
# what Triton always says where there is no GPU.
_REASON = re.compile(r"^E\d{4} |\[[a-z]+-[a-z-]+\] |Error\b|error:|deckwatch gateway:")
_NOISE = re.compile(r"CudaDriverHelper|NVML|CUDA")


class Child:
    """A command that ends with us at the latest, even if we are killed with SIGKILL.

    Args:
        command: program and arguments.
        environment: the whole environment of the program.
        log: file that takes its standard output and error; begun anew at each start.
        shared_memory: prefix of the names in /dev/shm to remove when the command has ended.
        grace_s: seconds it gets to end after SIGTERM before it is killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        shared_memory: str = "-",
        grace_s: float = 10.0,
    ) -> None:
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._shared_memory = shared_memory
        self._grace_s = grace_s
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command; returns at once."""
        leashed = [sys.executable, "-I", "-S", str(Path(leash.__file__).resolve())]
        leashed += [str(self._grace_s), self._shared_memory, *self._command]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                leashed,
                stdin=subprocess.PIPE,  # held open as long as we live
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
            )

    @property
    def pid(self) -> int | None:
        """The leash's process number, None before the first start."""
        return self._process.pid if self._process else None

    def poll(self) -> int | None:
        """The exit status, None while the command runs (or was never started)."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        """True from `start` until the command has ended and was tidied up after."""
        return self._process is not None and self._process.poll() is None

    def helpers(self) -> int | None:
        """How many processes the command has started that still run; None when itself it does not.

        Told apart because its helpers end with it: that is one crash, not many.
        """
        commands = _children(self._process.pid) if self._process else []
        if not any(map(_runs, commands)):
            return None
        return sum(_runs(helper) for each in commands for helper in _children(each))

    def ask_to_stop(self) -> None:
        """Ask the command to end; returns at once."""
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def stop(self, *, at_once: bool = False) -> None:
        """End the command and wait until it is gone; `at_once` gives it no time of grace."""
        process = self._process
        if process is None:
            return
        self.ask_to_stop()
        try:
            process.wait(0.0 if at_once else self._grace_s + 2.0)
        except subprocess.TimeoutExpired:
            self._kill(process)
        if process.stdin:
            process.stdin.close()
        # The leash tidies up after itself, unless it was the one that was killed.
        if self._shared_memory != "-":
            leash.remove_shared_memory(self._shared_memory)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        for family in _children(process.pid):
            try:
                os.killpg(family, 9)
            except ProcessLookupError:
                continue
        process.wait()

    def failure(self, name: str, timeout_s: float) -> LauncherError:
        """The error for a command that ended, or was not ready after `timeout_s` seconds."""
        status = self.poll()
        late = f"was not ready after {timeout_s:.0f} s"
        what = late if status is None else f"ended with status {status}"
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        return LauncherError(
            f"{name} {what}. It says: {_reasons(text)} (the whole log: {self.log})"
        )


def _reasons(log: str) -> str:
    """The last lines of a log that say why something failed, else simply the last one."""
    lines = [each.strip() for each in log.splitlines() if each.strip()]
    said = [each for each in lines if _REASON.search(each) and not _NOISE.search(each)]
    return "; ".join(dict.fromkeys(said[-3:] or lines[-1:])) or "nothing"


def new_log(name: str) -> Path:
    """A log file of its own in the cache folder, where the last few are kept to look into.

    Those of servers whose launcher still runs are kept as well, however many they are.
    """
    folder = cache_folder() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    old = sorted(folder.glob(f"{name}-*.log"))  # by name is by time
    for each in old[: 1 - _LOGS_KEPT]:
        launcher = _LAUNCHER.search(each.name)
        if launcher is None or not _runs(int(launcher[1])):
            each.unlink(missing_ok=True)
    log = folder / f"{name}-{time.strftime('%Y%m%dT%H%M%S')}.{next(_NUMBERS)}-{os.getpid()}.log"
    log.touch()  # so that it counts when the next one is made
    return log


def _runs(pid: int) -> bool:
    """False for a process that is gone, or ended but not yet taken note of by its parent."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _children(pid: int) -> list[int]:
    """Process numbers of the children of `pid`."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):  # kept by the thread that forked
        with contextlib.suppress(OSError):
            found += map(int, thread.read_text(encoding="ascii").split())
    return found
