"""The Triton server inside the nvidia-pytriton wheel: is it here, can it run, how is it called.

The wheel is used as a box of binaries: tritonserver, its python backend and one stub (the process
that runs a python step) per Python version. Its Python package is never imported.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import importlib.util
import os
import platform
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deckwatch_vision.errors import LauncherError, MissingExtra

# The wheel is built on Ubuntu 22.04: tritonserver asks for symbols of this glibc.
OLDEST_GLIBC = (2, 35)


@dataclass(frozen=True)
class Wheel:
    """The parts of the wheel that a server needs, found and checked."""

    server: Path
    backend: Path
    stub: Path
    caches: Path
    libraries: tuple[Path, ...]

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment for tritonserver, made from `given`."""
        environment = dict(given)
        # The stub embeds a Python that finds its site-packages through the python3 on PATH.
        environment["PATH"] = f"{Path(sys.executable).parent}:{given.get('PATH', os.defpath)}"
        libraries = [str(each) for each in self.libraries]
        if given.get("LD_LIBRARY_PATH"):
            libraries.append(given["LD_LIBRARY_PATH"])
        environment["LD_LIBRARY_PATH"] = ":".join(libraries)
        environment["CUDA_VISIBLE_DEVICES"] = ""
        # What was imported here is what the stubs import: a checkout on PYTHONPATH, for example.
        environment["PYTHONPATH"] = ":".join(each for each in sys.path if each)
        return environment

    def runtime_folder(self) -> Path:
        """A folder of symlinks laid out as tritonserver wants it, made where it is not there.

        The stub must lie beside the backend's library, and site-packages is not ours to write in;
        so the folder is made in the user's cache directory and used again by the next server.
        """
        links = {
            "backends/python/libtriton_python.so": self.backend / "libtriton_python.so",
            "backends/python/triton_python_backend_utils.py": self.backend
            / "triton_python_backend_utils.py",
            "backends/python/triton_python_backend_stub": self.stub,
            "caches": self.caches,
        }
        key = hashlib.sha256(repr(sorted(links.items())).encode()).hexdigest()[:12]
        folder = cache_folder() / f"triton-{key}"
        for name, target in links.items():
            _link(folder / name, target)
        return folder


def find_wheel() -> Wheel:
    """Find the embedded server and check that it can run on this machine.

    Raises:
        MissingExtra: the wheel is not installed.
        LauncherError: not Linux, glibc too old, no stub for this Python, or a Python without a
            shared library. Each message says what to do.
    """
    _require_glibc()
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            "The embedded Triton server (package nvidia-pytriton) is not installed. "
            "Install it with: pip install 'deckwatch[local]'"
        )
    root = Path(next(iter(spec.submodule_search_locations))) / "tritonserver"
    wheel = Wheel(
        server=root / "bin" / "tritonserver",
        backend=root / "backends" / "python",
        stub=_stub(root / "python_backend_stubs"),
        caches=root / "caches",
        libraries=(_libpython().parent, root.parents[1] / "nvidia_pytriton.libs"),
    )
    if not wheel.server.is_file():
        raise LauncherError(
            f"The package nvidia-pytriton at {root.parent} has no {wheel.server.name}. "
            "Install it again with: pip install --force-reinstall 'deckwatch[local]'"
        )
    return wheel


def cache_folder() -> Path:
    """Our folder in the user's cache directory; under /tmp where the home cannot be written."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "deckwatch"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    # One a user, and refused where it is someone else's: binaries are started from it.
    folder = Path(tempfile.gettempdir()) / f"deckwatch-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise LauncherError(
            f"Neither {base} nor {folder} can be used as cache folder. "
            "Set XDG_CACHE_HOME to a folder of your own."
        )
    return folder


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    # Made beside and moved into place: two servers may start at the same time.
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def _require_glibc() -> None:
    found = glibc_version()
    wanted = ".".join(map(str, OLDEST_GLIBC))
    elsewhere = (
        "Use the containers instead (docker compose up), or a newer system such as Ubuntu 22.04 "
        "or Debian 12; recognition without a server (`classify`) works here too."
    )
    if found is None:
        raise LauncherError(
            f"The embedded Triton server needs Linux with glibc {wanted} or newer; this is "
            f"{platform.system()} without glibc. {elsewhere}"
        )
    if found < OLDEST_GLIBC:
        raise LauncherError(
            f"The embedded Triton server needs glibc {wanted} or newer; this system has "
            f"{'.'.join(map(str, found))}. {elsewhere}"
        )


def glibc_version() -> tuple[int, int] | None:
    """The running glibc, such as (2, 36); None on musl and outside Linux."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return None
    name, _, version = text.partition(" ")
    if name != "glibc":
        return None
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _stub(stubs: Path) -> Path:
    version = "{}.{}".format(*sys.version_info)
    stub = stubs / version / "triton_python_backend_stub"
    if not stub.is_file():
        there = sorted((each.name for each in stubs.glob("3.*")), key=lambda n: int(n[2:]))
        raise LauncherError(
            f"The embedded Triton server cannot run steps in Python {version}; it can in "
            f"{', '.join(there) or 'none'}. Install Deckwatch in one of these Pythons."
        )
    return stub


def _libpython() -> Path:
    version = "{}.{}".format(*sys.version_info)
    name = f"libpython{version}.so.1.0"
    library = sysconfig.get_config_var("LIBDIR") or ""
    # The second is where Debian keeps it, the third where a relocated Python does (uv, conda).
    folders = [
        Path(library),
        Path(library) / (sysconfig.get_config_var("MULTIARCH") or ""),
        Path(sys.base_prefix) / "lib",
    ]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    if ctypes.util.find_library(f"python{version}") == name:  # the loader finds it by itself
        return Path("/usr/lib") / name
    raise LauncherError(
        f"The embedded Triton server needs this Python's shared library {name}; it is not in "
        f"{', '.join(dict.fromkeys(map(str, folders)))}. On Debian or Ubuntu: "
        f"apt install libpython{version}. With pyenv: build Python with "
        "PYTHON_CONFIGURE_OPTS=--enable-shared. Or take a Python from uv (uv venv), which has it."
    )
