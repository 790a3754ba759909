"""Finding the embedded server, and what is said where it cannot run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from deckwatch_serving import triton, wheel
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_serving.wheel import cache_folder, find_wheel, glibc_version
from deckwatch_vision.errors import LauncherError, MissingExtra

pytestmark = pytest.mark.stack


def test_everything_is_there() -> None:
    found = find_wheel()
    assert os.access(found.server, os.X_OK)
    assert os.access(found.stub, os.X_OK)
    assert (found.backend / "libtriton_python.so").is_file()
    assert all(each.is_dir() for each in found.libraries)


def test_the_runtime_folder_is_made_once_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = find_wheel().runtime_folder()
    assert folder.is_relative_to(tmp_path)
    stub = folder / "backends" / "python" / "triton_python_backend_stub"
    assert stub.resolve() == find_wheel().stub.resolve()
    stub.unlink()
    stub.symlink_to("/gone")
    assert find_wheel().runtime_folder() == folder
    assert stub.resolve() == find_wheel().stub.resolve()


def test_the_environment_keeps_what_was_there() -> None:
    environment = find_wheel().environment({"PATH": "/mine", "LD_LIBRARY_PATH": "/libs", "A": "1"})
    assert environment["PATH"] == f"{Path(sys.executable).parent}:/mine"
    assert environment["LD_LIBRARY_PATH"].endswith(":/libs")
    assert environment["A"] == "1"


def test_a_cache_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder() == tmp_path / f"deckwatch-{os.getuid()}"
    assert cache_folder().stat().st_mode & 0o077 == 0


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytriton", None)
    with pytest.raises(MissingExtra, match=r"pip install 'deckwatch\[local\]'"):
        find_wheel()


def test_glibc_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    here = glibc_version()
    assert here is not None
    monkeypatch.setattr(wheel, "OLDEST_GLIBC", (here[0], here[1] + 1))
    with pytest.raises(LauncherError) as caught:
        find_wheel()
    message = caught.value.message
    assert f"needs glibc {here[0]}.{here[1] + 1} or newer" in message
    assert f"this system has {here[0]}.{here[1]}." in message
    assert "docker compose up" in message


def test_no_glibc_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def musl(name: str) -> str:
        raise ValueError(f"unrecognized configuration name: {name}")

    monkeypatch.setattr(os, "confstr", musl)
    with pytest.raises(LauncherError, match="without glibc"):
        find_wheel()


def test_a_python_that_the_wheel_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 99, 0, "final", 0))
    with pytest.raises(LauncherError, match=r"steps in Python 3\.99; it can in .*3\.11, 3\.12"):
        find_wheel()


def test_a_python_without_shared_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_config_var", lambda _: str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    with pytest.raises(LauncherError, match=r"libpython3\.\d+\.so.*apt install libpython"):
        find_wheel()


def test_too_little_shared_memory(
    tiny_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton, "_LEAST_SHARED_MEMORY_BYTES", 1 << 60)
    with pytest.raises(LauncherError, match="--shm-size=256m"):
        EmbeddedTriton(tiny_repository)
    monkeypatch.setattr(triton, "SHARED_MEMORY", tmp_path / "shm")
    with pytest.raises(LauncherError, match="mount -t tmpfs"):
        EmbeddedTriton(tiny_repository)
