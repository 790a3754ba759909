"""Make or refresh a virtual environment from a hash-checked lock, then install Deckwatch in it.

Runs on nothing but a plain Python's standard library:

    python3 tools/install.py --venv .venv --lock requirements/run.txt

1. The environment is made where it is missing or belongs to another Python.
2. pip installs uv into it, pinned and hash-checked (requirements/uv.txt).
3. uv installs the lock from wheels alone, so no compiler is needed.
4. Deckwatch itself is installed editable, built by the locked hatchling.

Installing is additive: a larger lock goes on top of a smaller one of the same versions.
"""

from __future__ import annotations

import argparse
import ctypes.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_LOCK = ROOT / "requirements" / "uv.txt"

# The embedded Triton has a stub for each of these (nvidia-pytriton 0.7.0), none newer.
OLDEST, NEWEST = (3, 11), (3, 13)

# pip's setting -> uv's, so that an index or a certificate set up for pip is honoured.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
}


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Install what the command line names and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--venv", type=Path, required=True, help="folder of the environment")
    parser.add_argument("--lock", type=Path, required=True, help="the lock to install")
    options = parser.parse_args(arguments)
    try:
        check_python(sys.version_info[:2])
        make_venv(options.venv)
        install_lock(options.venv, options.lock)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        print(f"setup: '{command}' failed with exit code {error.returncode}", file=sys.stderr)
        return 1
    return 0


def check_python(version: tuple[int, ...]) -> None:
    """Refuse a Python that the locks have no wheels for.

    Raises:
        SetupError: the version is outside 3.11 to 3.13; name another with `make PYTHON=...`.
    """
    if not OLDEST <= tuple(version) <= NEWEST:
        given = ".".join(map(str, version))
        raise SetupError(
            f"{sys.executable} is Python {given}, but Python 3.11, 3.12 or 3.13 is needed. "
            "Name one with 'make setup PYTHON=python3.12'."
        )


def make_venv(venv: Path) -> None:
    """Make `venv` for the running Python, unless it is there already and works.

    Raises:
        SetupError: this Python cannot make environments (Debian ships ensurepip apart).
    """
    if venv_version(venv) == platform.python_version():
        return
    if venv.exists():
        shutil.rmtree(venv)
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        packages = " ".join(missing_debian_packages(sys.version_info.minor))
        raise SetupError(
            f"{sys.executable} has no ensurepip, so it cannot make a virtual environment. "
            f"On Debian and Ubuntu: 'apt-get install {packages}', then run make again."
        ) from None
    run(sys.executable, "-m", "venv", str(venv))


def missing_debian_packages(minor: int) -> list[str]:
    """What Debian and Ubuntu split off Python 3.`minor` that is needed here."""
    packages = [f"python3.{minor}-venv"]
    # The embedded Triton runs its steps in Python's shared library.
    if ctypes.util.find_library(f"python3.{minor}") is None:
        packages.append(f"libpython3.{minor}")
    return packages


def venv_version(venv: Path) -> str | None:
    """Return the Python version of the environment, None where it is missing or broken."""
    python = venv / "bin" / "python"
    if not python.exists() or not (venv / "bin" / "pip").exists():
        return None
    asked = [str(python), "-c", "import platform; print(platform.python_version())"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


def install_lock(venv: Path, lock: Path) -> None:
    """Install uv, the lock and Deckwatch itself into `venv`."""
    python = str(venv / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    hashed = ["--require-hashes", "--only-binary", ":all:"]
    run(*pip, "install", "--quiet", *hashed, "-r", str(UV_LOCK))
    configured = subprocess.run(
        [*pip, "config", "list"], capture_output=True, text=True, check=True
    )
    environment = {
        **uv_environment(configured.stdout, os.environ),
        "VIRTUAL_ENV": str(venv.resolve()),
    }
    uv = [str(venv / "bin" / "uv"), "pip", "install", "--quiet"]
    run(*uv, *hashed, "-r", str(lock), environment=environment)
    # Nothing is fetched for this step: its build tools are in the lock just installed.
    run(
        *uv,
        "--no-deps",
        "--no-build-isolation",
        "--offline",
        "-e",
        str(ROOT),
        environment=environment,
    )


def uv_environment(pip_settings: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` with pip's settings (its `config list`) under uv's names.

    A uv setting that is there already wins.
    """
    result = dict(environment)
    for line in pip_settings.splitlines():
        key, _, value = line.partition("=")
        name = UV_NAMES.get(key.rpartition(".")[2])
        if name is not None:
            result.setdefault(name, value.strip("'\""))
    # Every file's hash is checked, so looking on all indexes is as safe as on the first.
    result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return result


def run(*command: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a command, its output going where ours goes."""
    subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    sys.exit(main())
