"""Files that are read again when they change: keys and certificates are replaced while we run.

Looked at with `stat` instead of inotify: a Kubernetes secret changes by a swap of symbolic links
above the file, which a watch on the file itself does not see, and network disks tell nobody.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

LOOK_EVERY_S = 1.0
# Two writes within one tick of the file system's clock look alike, so a file that was written
# just before it was read counts as changed once more.
SETTLED_S = 2.0

_Stamp = tuple[int, int, int]


class Watched:
    """Tells when one of several files is another than at the last look."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen: list[_Stamp | None] | None = None
        self._next_look = 0.0

    def changed(self) -> bool:
        """Whether to read them (again); true the first time. Looks once a second at most."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + LOOK_EVERY_S
        stamps = [_stamp(path) for path in self._paths]
        if stamps == self._seen:
            return False
        fresh = any(stamp and time.time() - stamp[0] / 1e9 < SETTLED_S for stamp in stamps)
        self._seen = None if fresh else stamps
        return True


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
