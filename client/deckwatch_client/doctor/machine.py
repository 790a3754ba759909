"""Has this machine what recognition needs: cores, memory, room, letters, ports?"""

from __future__ import annotations

import locale
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deckwatch_client.doctor.finding import Finding, Subject
from deckwatch_serving import probe
from deckwatch_serving.cores import available_cores
from deckwatch_vision.errors import ServerError

GIB = 1 << 30
# One process that recognises takes about half of this; the rest is for the pictures.
LITTLE_MEMORY = GIB
# A season's results are small, its crops and overlays are not.
LITTLE_DISK = GIB
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
MEMORY_USED = Path("/sys/fs/cgroup/memory.current")
MEMORY = Path("/proc/meminfo")
# What listens on them by default.
PORTS = {
    8000: "Triton's HTTP",
    8001: "Triton's gRPC",
    8002: "Triton's metrics",
    8080: "the gateway",
}


def cores(_: Subject) -> Iterator[Finding]:
    """Cores that may be used, of those that are there."""
    usable, there = available_cores(), os.cpu_count() or 1
    told = f"{usable} of {there} cores" if usable < there else f"{there} cores"
    text = f"{platform.system()} {platform.machine()}, {told} for recognition."
    yield Finding("ok", text, facts={"cores": usable, "cores_of_machine": there})


def memory(_: Subject) -> Iterator[Finding]:
    """Memory that is free, within the container's limit."""
    sizes = {
        line.partition(":")[0]: int(line.split()[1]) * 1024
        for line in MEMORY.read_text(encoding="ascii").splitlines()
    }
    free, total = sizes["MemAvailable"], sizes["MemTotal"]
    limit = _number(MEMORY_LIMIT)
    if limit is not None and limit < total:
        total, free = limit, min(free, limit - (_number(MEMORY_USED) or 0))
    text = f"{free / GIB:.1f} GiB of memory are free, of {total / GIB:.1f}."
    facts = {"free_bytes": free, "total_bytes": total}
    if free < LITTLE_MEMORY:
        cure = "Close other programs, or give the container more: recognition wants 1 GiB."
        yield Finding("warning", text, cure, facts)
    else:
        yield Finding("ok", text, facts=facts)


def _number(path: Path) -> int | None:
    """The number in a file of the kernel's; None where there is no such limit."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def disk(subject: Subject) -> Iterator[Finding]:
    """Room where results and temporary files go."""
    places = {"this folder": subject.folder, "temporary files": Path(tempfile.gettempdir())}
    for what, folder in places.items():
        free = shutil.disk_usage(folder).free
        text = f"{free / GIB:.1f} GiB of disk are free for {what} ({folder})."
        facts = {"folder": str(folder), "free_bytes": free}
        if not os.access(folder, os.W_OK):
            cure = "Work in a folder of your own, or give results another with --out."
            if folder != subject.folder:
                cure = "Set TMPDIR to a folder of your own."
            yield Finding("warning", f"{folder} ({what}) cannot be written.", cure, facts)
        elif free < LITTLE_DISK:
            cure = "Delete something there, or work on another disk."
            if folder != subject.folder:
                cure = "Delete something there, or set TMPDIR to a folder on another disk."
            yield Finding("warning", text, cure, facts)
        else:
            yield Finding("ok", text, facts=facts)


def letters(_: Subject) -> Iterator[Finding]:
    """Whether names of files with any letters can be read and printed."""
    cure = "Set a UTF-8 locale: export LC_ALL=C.UTF-8 (or PYTHONUTF8=1)."
    names, printed = sys.getfilesystemencoding(), getattr(sys.stdout, "encoding", "") or "none"
    facts = {"names": names, "printed": printed, "locale": locale.setlocale(locale.LC_CTYPE)}
    if _is_utf8(names) and _is_utf8(printed):
        yield Finding("ok", "File names may have any letters (UTF-8).", facts=facts)
    else:
        text = (
            f"File names are read as {names} and printed as {printed}: letters outside of it come "
            "out escaped."
        )
        yield Finding("warning", text, cure, facts)


def _is_utf8(name: str) -> bool:
    return name.lower().replace("-", "").replace("_", "") == "utf8"


def ports(_: Subject) -> Iterator[Finding]:
    """Which of the usual ports are taken, and by whom if that can be told."""
    free = []
    for port, what in PORTS.items():
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                yield Finding(
                    "note",
                    f"Port {port} ({what}) is taken by {_holder(port)}.",
                    "`deckwatch up` takes free ports but for the gateway's: choose another with "
                    f"--port. `ss -ltnp 'sport = :{port}'` names the holder."
                    if port == 8080
                    else f"A second server needs another. `ss -ltnp 'sport = :{port}'` names the "
                    "holder.",
                    {"port": port},
                )
            else:
                free.append(port)
    if free:
        yield Finding(
            "ok", f"Ports that are free: {', '.join(map(str, free))}.", facts={"free": free}
        )


def _holder(port: int) -> str:
    """Who answers there; each of ours has a page that nobody else has."""
    pages = {"/v2": (b'"triton"', "a Triton server"), "/openapi.json": (b"Deckwatch", "a gateway")}
    for path, (mark, name) in pages.items():
        try:
            _, body = probe.request(port, "GET", path, timeout_s=1.0)
        except ServerError:
            continue
        if mark in body:
            return name
    return "another program"


def gpu(_: Subject) -> Iterator[Finding]:
    """Whether there is an NVIDIA GPU, which a Triton server in a container could use."""
    none = "No NVIDIA GPU is seen; recognition in this process never uses one."
    if shutil.which("nvidia-smi") is None:
        yield Finding("ok", none, facts={"gpus": []})
        return
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=15)
    except subprocess.TimeoutExpired:
        yield Finding(
            "note", "nvidia-smi gives no answer.", "Look into `dmesg` for errors of the driver."
        )
        return
    cards = [line.strip() for line in told.stdout.splitlines() if line.strip()]
    if told.returncode != 0 or not cards:
        reason = " ".join((told.stderr or told.stdout).split())[:200]
        yield Finding(
            "note",
            f"nvidia-smi is there, but sees no GPU ({reason}).",
            "Install the driver again if a GPU should be there; Deckwatch works without.",
            {"gpus": []},
        )
        return
    text = f"NVIDIA GPU: {'; '.join(cards)}. A Triton server in a container can use it."
    yield Finding("ok", text, facts={"gpus": cards})
