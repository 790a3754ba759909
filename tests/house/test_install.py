"""The installer's decisions, and what it says where it must refuse."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.project import ROOT
from tools import install


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_another_python_is_refused_with_the_cure(version: tuple[int, int]) -> None:
    with pytest.raises(install.SetupError, match=r"Python 3\.\d+, but .* 'make setup PYTHON="):
        install.check_python(version)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_these_pythons_are_taken(version: tuple[int, int]) -> None:
    install.check_python(version)


def test_without_ensurepip_the_debian_package_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ensurepip'] = None\n"
        "from tools.install import main\n"
        "sys.exit(main(['--venv', sys.argv[1], '--lock', 'requirements/run.txt']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "venv")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert f"apt-get install python3.{sys.version_info.minor}-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "venv").exists()


def test_an_environment_is_made_once(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    assert install.venv_version(venv) is None
    install.make_venv(venv)
    (venv / "kept").touch()
    install.make_venv(venv)
    assert (venv / "kept").exists()


def test_a_broken_environment_is_made_anew(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "pip").touch()
    (venv / "bin" / "python").symlink_to("/nowhere/python3")
    install.make_venv(venv)
    assert install.venv_version(venv) is not None


def test_settings_of_pip_reach_uv() -> None:
    listed = "global.cert='/certs.pem'\n:env:.index-url='https://mirror.example/simple'\nno.x='1'\n"
    environment = install.uv_environment(listed, {"UV_HTTP_TIMEOUT": "5", "HOME": "/home/me"})
    assert environment == {
        "HOME": "/home/me",
        "SSL_CERT_FILE": "/certs.pem",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_HTTP_TIMEOUT": "5",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
