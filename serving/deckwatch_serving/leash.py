"""Run one command on a leash: it ends when whoever started it ends, and it leaves nothing behind.

    python -I -S leash.py GRACE_SECONDS SHM_PREFIX COMMAND [ARGUMENT ...]

Started by `deckwatch_serving.child`, never by hand. It stands between the launcher and a server
because only a third process can tidy up after a launcher that was killed with SIGKILL:

- standard input is a pipe that the launcher holds open; end of file means that the launcher is
  gone, however it went,
- SIGTERM means "stop the command now",
- the command runs in a session of its own, so that its whole family (Triton's python stubs) can
  be ended together, and a Ctrl-C in the terminal reaches only the launcher,
- when the command has ended, for whatever reason, the shared memory whose name starts with
  SHM_PREFIX is removed ("-": none), and the command's exit status is passed on.

Standard library only and nothing of ours is imported: it starts in 20 ms and stays small.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def remove_shared_memory(prefix: str) -> list[str]:
    """Remove the POSIX shared memory whose name starts with `prefix`; the names removed."""
    removed = []
    for region in SHARED_MEMORY.glob(f"{prefix}*"):
        try:
            region.unlink()
        except FileNotFoundError:  # its owner was faster
            continue
        removed.append(region.name)
    return removed


def _start(command: list[str]) -> int:
    prctl = ctypes.CDLL(None).prctl
    leash = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        # Should the leash itself be killed, the command still gets its SIGTERM.
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == leash:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _ended(child: int) -> int | None:
    """The exit status of `child` as a shell gives it, None while it runs."""
    found, status = os.waitpid(child, os.WNOHANG)
    if not found:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _wait(child: int, wake: int) -> int | None:
    """Wait until `child` has ended (its exit status) or shall be ended (None)."""
    while True:
        status = _ended(child)
        if status is not None:
            return status
        readable, _, _ = select.select([0, wake], [], [])
        if 0 in readable and not os.read(0, 64):
            return None
        if wake in readable and signal.SIGTERM in os.read(wake, 64):
            return None


def _end(child: int, grace_s: float) -> int:
    """Ask `child` to end, insist after `grace_s` seconds; its exit status."""
    # Only the head of the family is asked: Triton wants to end its stubs itself.
    os.kill(child, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while (status := _ended(child)) is None:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    return status


def main(arguments: list[str]) -> int:
    """Hold the command named in `arguments` (see the module's first lines); its exit status."""
    grace_s, prefix, command = float(arguments[0]), arguments[1], arguments[2:]
    # Python writes the number of every signal that has a handler into this pipe; set up before
    # the child exists, so that neither its end nor an early word to stop is missed.
    wake, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda number, frame: None)

    child = _start(command)
    status = _wait(child, wake)
    if status is None:
        status = _end(child, grace_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # stubs that outlived a crashed server
    if prefix != "-":
        remove_shared_memory(prefix)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
