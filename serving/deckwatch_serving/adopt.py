"""Taking a release over from another repository: a candidate that was trained elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deckwatch_serving import configs
from deckwatch_serving.repository import ENSEMBLE, open_release, versions
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import verify_files

if TYPE_CHECKING:
    from deckwatch_vision.release import Release


def adopt(
    source: Path, repository: Path, *, version: int | None = None, as_version: int | None = None
) -> Release:
    """Copy a release of `source` into `repository` under a number of its own.

    It does not go live, unless the repository had none. A release that is there already, whole and
    of the same name and content, is not copied again.

    Args:
        source: the model repository to copy from.
        repository: the one to copy to; made where it is missing.
        version: of the release in `source`; None is the live one.
        as_version: its number in `repository`; None is the next free one.

    Returns:
        The release as it now stands in `repository`.

    Raises:
        ReleaseNotFound, ReleaseCorrupt: no such release, or a damaged one.
        UsageError: that number is taken.
    """
    given = open_release(source, version)
    there = versions(repository)
    for number in there:
        held = open_release(repository, number, verify=False)
        if _same(held, given) and as_version in (None, number):
            verify_files(held, repository)
            return held
    number = as_version or max(there, default=0) + 1
    if number in there:
        raise UsageError(
            f"{repository} has a version {number} already. Leave the number out to take the next "
            "free one."
        )
    release = _renumbered(given, number)
    for old, new in zip(given.files, release.files, strict=True):
        target = repository / new
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / old, target)
    verify_files(release, repository)
    configs.write_texts(repository, configs.render_models(release))
    card = source / configs.model_card_file(given)
    if card.is_file():
        text = _card(card.read_text(encoding="utf-8"), number)
        configs.write_texts(repository, [(configs.model_card_file(release), text)])
    # Last: with its release.json a version counts as being there.
    write_release(repository, release)
    if not there:
        configs.write_configs(repository, release)
    return release


def write_release(repository: Path, release: Release) -> None:
    """Write release.json; the version is there from then on."""
    text = json.dumps(release.as_dict(), indent=2, ensure_ascii=False) + "\n"
    configs.write_texts(repository, [(f"{ENSEMBLE}/{release.version}/release.json", text)])


def _renumbered(release: Release, number: int) -> Release:
    def moved(name: str) -> str:
        if name == f"{ENSEMBLE}/labels.txt":  # where the first releases kept it
            name = f"{ENSEMBLE}/{release.version}/labels.txt"
        step, _, rest = name.partition("/")
        return f"{step}/{number}/{rest.partition('/')[2]}"

    return replace(
        release,
        version=number,
        detector=replace(release.detector, file=moved(release.detector.file)),
        classifier=replace(release.classifier, file=moved(release.classifier.file)),
        files={moved(name): digest for name, digest in release.files.items()},
    )


def _same(one: Release, other: Release) -> bool:
    return _renumbered(one, 1) == _renumbered(other, 1)


def _card(text: str, number: int) -> str:
    return re.sub(r"\A(# .*, version )\d+$", rf"\g<1>{number}", text, count=1, flags=re.MULTILINE)
