"""The locks hold what pyproject.toml asks for, hashed, and agree with each other."""

import re

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.house.project import LOCKS, extras, key, locked, pyproject

# The extras that each lock is solved for, as in the Makefile's `lock`.
SOLVED_FOR = {
    "run.txt": ("local", "gateway"),
    "dev.txt": ("local", "gateway", "train", "dev"),
    "numpy2.txt": ("gateway", "test"),
}
ALL_LOCKS = ("uv.txt", *SOLVED_FOR)


def pinned(requirement: Requirement) -> Version:
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", f"{requirement} is not pinned"
    return Version(specifier.version)


@pytest.mark.parametrize("lock", SOLVED_FOR)
def test_a_lock_holds_what_pyproject_asks_for(lock: str) -> None:
    pins = locked(lock)
    for wanted in [*extras(*SOLVED_FOR[lock]), *locked("build.in")]:
        found = [pin for pin in pins if key(pin) == key(wanted)]
        assert found, f"{wanted} is missing in {lock}: run make lock"
        for pin in found:
            assert pinned(pin) in wanted.specifier, f"{lock} has {pin}, not {wanted}: run make lock"


def test_the_development_lock_goes_on_top_of_the_one_to_run() -> None:
    running = {(key(pin), pinned(pin)) for pin in locked("run.txt")}
    developing = {(key(pin), pinned(pin)) for pin in locked("dev.txt")}
    assert running <= developing


def test_both_generations_of_numpy_are_tested() -> None:
    def newest(lock: str, name: str) -> Version:
        return max(
            pinned(pin)
            for pin in locked(lock)
            if key(pin) == name and (pin.marker is None or pin.marker.evaluate(PYTHON_311))
        )

    assert newest("run.txt", "numpy") < Version("2") <= newest("numpy2.txt", "numpy")
    opencv = "opencv-python-headless"
    assert newest("run.txt", opencv) < Version("5") <= newest("numpy2.txt", opencv)
    assert not [pin for pin in locked("numpy2.txt") if key(pin) == "nvidia-pytriton"]


PYTHON_311 = {
    "python_version": "3.11",
    "python_full_version": "3.11.9",
    "sys_platform": "linux",
    "platform_python_implementation": "CPython",
}


@pytest.mark.parametrize("lock", ALL_LOCKS)
def test_every_pin_has_hashes_and_no_address(lock: str) -> None:
    text = (LOCKS / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    for entry in re.split(r"\n(?=\S)", text):
        if not entry.startswith("#"):
            assert "--hash=sha256:" in entry, f"{entry.split()[0]} in {lock} has no hash"


@pytest.mark.parametrize("lock", SOLVED_FOR)
def test_the_build_tools_are_locked(lock: str) -> None:
    build = [Requirement(text) for text in pyproject()["build-system"]["requires"]]
    pins = {key(pin): pinned(pin) for pin in locked(lock)}
    for requirement in build:
        assert pins[key(requirement)] == pinned(requirement)
