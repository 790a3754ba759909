"""How many processor cores this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

# cgroup v2: "<quota> <period>" in microseconds, or "max <period>".
_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """Cores left by the CPU affinity and by the container's CPU limit, at least 1.

    A pod limited to 2 CPUs on a node of 64 sees 64 cores; nets with 64 threads would then spend
    most of each scheduling period throttled.
    """
    affinity = len(os.sched_getaffinity(0))
    try:
        quota, period = _CPU_MAX.read_text(encoding="ascii").split()
        limit = math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no cgroup v2, or no limit ("max")
        limit = affinity
    return max(1, min(affinity, limit))
