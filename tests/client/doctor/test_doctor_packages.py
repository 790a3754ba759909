"""What is installed: versions, pairs that do not fit, extras, the embedded server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from deckwatch_client.commands import KNOWN
from deckwatch_client.doctor import packages
from deckwatch_client.doctor.finding import Finding, Subject
from deckwatch_serving import wheel

Found = Callable[..., list[Finding]]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs distributions that are nothing but metadata, before all others."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, version: str, *lines: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(text + "".join(f"{line}\n" for line in lines))

    return install


def test_everything_can_be_imported(found: Found) -> None:
    (finding,) = found(packages.libraries)
    assert finding.level == "ok"
    assert finding.facts["numpy"] == Distribution.from_name("numpy").version
    (python,) = found(packages.python)
    assert sys.executable in python.text


def test_a_library_that_cannot_be_imported(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "LIBRARIES", {"json": "json", "no_such_module": "absent"})
    subject = Subject()
    problem, rest = packages.libraries(subject)
    assert problem.level == "problem"
    assert "absent cannot be imported (ModuleNotFoundError: No module" in problem.text
    assert problem.cure.endswith("--no-deps absent")
    assert subject.broken == {"no_such_module"}
    assert "absent" not in rest.text


def test_a_library_that_takes_the_process_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "for_another_processor.py").write_text(
        "import os, signal; os.kill(os.getpid(), signal.SIGILL)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(packages, "LIBRARIES", {"for_another_processor": "fast-numbers"})
    subject = Subject()
    problem, _ = packages.libraries(subject)
    assert problem.level == "problem"
    assert "fast-numbers cannot be imported (Python ends with status -4)" in problem.text
    assert subject.broken == {"for_another_processor"}


def test_opencv_for_desktops(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = packages._cannot_import("cv2", "ImportError: libGL.so.1: cannot open shared object")
    assert "pip uninstall opencv-python, then pip install" in problem.cure


def test_two_opencvs(found: Found, site: Callable[..., None]) -> None:
    assert found(packages.opencv) == []
    site("opencv-python", "4.11.0.86")
    (finding,) = found(packages.opencv)
    assert finding.level == "warning"
    assert finding.facts["installed"] == ["opencv-python", "opencv-python-headless"]


def test_this_environment_fits_together(found: Found) -> None:
    (finding,) = found(packages.requirements)
    assert finding.level == "ok"


def test_versions_that_do_not_fit(found: Found, site: Callable[..., None]) -> None:
    """pyarrow 25 refuses the numpy 1 that the embedded server brings, and is too new for us."""
    site("pyarrow", "25.1.0", "Requires-Dist: numpy>=99")
    ours, theirs = sorted(found(packages.requirements), key=lambda one: one.facts["needed_by"])
    assert {ours.level, theirs.level} == {"warning"}
    assert (ours.facts["needed_by"], theirs.facts["needed_by"]) == ("deckwatch", "pyarrow")
    assert ours.text == "deckwatch asks for pyarrow<25,>=21; installed is 25.1.0."
    assert ours.cure == "Install what fits: pip install 'pyarrow<25,>=21'"
    assert theirs.facts["wanted"] == "numpy>=99"


def test_extras_and_their_commands(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_version", lambda name: "" if name == "torch" else "1")
    have, lacks = found(packages.extras)
    assert (have.level, lacks.level) == ("ok", "note")
    assert {"gateway", "local", "s3"} <= set(have.facts["extras"])
    assert not {"dev", "test"} & set(have.facts["extras"])
    assert lacks.facts == {"extra": "train", "missing": ["torch"]}
    needs = [name for name, known in KNOWN.items() if known.extra == "train"]
    assert f"do not run: deckwatch {', '.join(needs)} (missing: torch)." in lacks.text
    assert lacks.cure == "If you need them: pip install 'deckwatch[train]'"


def test_extras_that_no_command_needs(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_version", lambda name: "" if name == "boto3" else "1")
    note = found(packages.extras)[-1]
    assert (note.level, note.facts["extras"]) == ("note", ["s3"])


def test_the_embedded_server_on_an_old_system(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "glibc_version", lambda: (2, 31))
    monkeypatch.setattr(packages, "_version", lambda name: "")
    assert found(packages.embedded) == []  # not installed: told with the extras
    monkeypatch.setattr(packages, "_version", lambda name: "0.7.0")
    (finding,) = found(packages.embedded)
    assert finding.level == "problem"
    assert "needs glibc 2.35 or newer; this system has 2.31." in finding.text
    assert finding.cure.startswith("Use the containers instead")
