"""Finding the model repository and opening the release that is live in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from deckwatch_vision.errors import ReleaseCorrupt, ReleaseNotFound
from deckwatch_vision.release import Release, verify_files

ENSEMBLE = "deckwatch"
VARIABLE = "DECKWATCH_MODEL_REPOSITORY"

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parents[1] / "model_repository"
_PACKED = _HERE / "model_repository"

_PIN = re.compile(r"^[^#\n]*\bmodel_version\s*:\s*(-?\d+)", re.MULTILINE)


def find_repository(given: str | os.PathLike[str] | None = None) -> Path:
    """The model repository to use.

    `given`, else DECKWATCH_MODEL_REPOSITORY, else the checkout's, else the one packed in the wheel.
    A folder that was named is the only one looked at: answers from another release than the one
    asked for would be worse than none.

    Raises:
        ReleaseNotFound: no repository there; the message says where was looked and what to do.
    """
    if given is not None:
        return _require(Path(given), "given")
    if named := os.environ.get(VARIABLE):
        return _require(Path(named), f"named by {VARIABLE}")
    for folder in (_CHECKOUT, _PACKED):
        if _is_repository(folder):
            return folder
    raise ReleaseNotFound(
        f"No release found: neither {_CHECKOUT} nor {_PACKED} holds one. Name a model repository "
        f"with --repository DIR or {VARIABLE}, or install Deckwatch again: "
        "pip install --force-reinstall deckwatch"
    )


def live_version(repository: Path) -> int:
    """The version that the ensemble's config pins, else the highest folder with a release.

    Raises:
        ReleaseNotFound: the repository has no release.
        ReleaseCorrupt: the config pins several versions: a swap was left half done.
    """
    config = repository / ENSEMBLE / "config.pbtxt"
    try:
        text = config.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    # -1 is Triton's "the newest", which pins nothing.
    pinned = {int(each) for each in _PIN.findall(text)} - {-1}
    if len(pinned) > 1:
        raise ReleaseCorrupt(
            f"{config} pins several versions ({', '.join(map(str, sorted(pinned)))}) where every "
            "step must run the same one. Promote or roll back the release again."
        )
    if pinned:
        return pinned.pop()
    there = versions(repository)
    if not there:
        raise _not_a_repository(repository, "given")
    return there[-1]


def open_release(
    repository: Path,
    version: int | None = None,
    verify: bool = True,
) -> Release:
    """Read the release of `version` (None: the live one) and check its files' digests.

    Raises:
        ReleaseNotFound: no such version; the message names those that are there.
        ReleaseCorrupt: a malformed release.json, one of another version, or a file that does not
            match its SHA-256.
    """
    if version is None:
        version = live_version(repository)
    path = repository / ENSEMBLE / str(version) / "release.json"
    if not path.is_file():
        there = ", ".join(map(str, versions(repository))) or "none"
        raise ReleaseNotFound(
            f"No release of version {version}: {path} is missing (versions there: {there}). "
            "Name another version, or fetch or export the release again."
        )
    release = Release.load(path)
    if release.version != version:
        raise ReleaseCorrupt(
            f"{path} is of version {release.version}, its folder says {version}. "
            "Fetch or export the release again."
        )
    if verify:
        verify_files(release, repository)
    return release


def versions(repository: Path) -> list[int]:
    """The versions that have a release.json, ascending."""
    found = (repository / ENSEMBLE).glob("*/release.json")
    return sorted(int(each.parent.name) for each in found if each.parent.name.isdecimal())


def _is_repository(folder: Path) -> bool:
    return bool(versions(folder))


def _require(folder: Path, how: str) -> Path:
    if not _is_repository(folder):
        raise _not_a_repository(folder, how)
    return folder.resolve()


def _not_a_repository(folder: Path, how: str) -> ReleaseNotFound:
    what = "has no release" if folder.is_dir() else "is not a folder"
    return ReleaseNotFound(
        f"The model repository {how}, {folder}, {what}: expected "
        f"{folder}/{ENSEMBLE}/<version>/release.json. Name a model repository with "
        f"--repository DIR or {VARIABLE}, or leave both out to use the release that ships with "
        "Deckwatch."
    )
