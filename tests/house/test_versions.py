"""One version, the same wherever it is told."""

import re
from importlib.metadata import version

from tests.house.project import ROOT, pyproject


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", text, re.MULTILINE)
    assert newest is not None
    assert newest[1] == pyproject()["project"]["version"]


def test_the_installed_version_is_this_one() -> None:
    assert version("deckwatch") == pyproject()["project"]["version"]
