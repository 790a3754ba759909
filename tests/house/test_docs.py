"""The documents say what the code does: generated parts are fresh, nothing is left out."""

import re
from pathlib import Path

import pytest

from tests.house.project import PACKAGES, ROOT, documents, pyproject, texts
from tools import docs


@pytest.mark.parametrize("document", docs.documents(), ids=lambda path: str(path.name))
def test_generated_parts_are_fresh(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert docs.render(text) == text, "out of date: run make docs"


def everything() -> str:
    return "\n".join(text for _, text in documents())


def test_every_environment_variable_is_documented() -> None:
    used = {
        name
        for path, text in texts()
        if path.suffix == ".py" and path.parts[0] in PACKAGES
        for name in re.findall(r"\bDECKWATCH_[A-Z][A-Z_]*[A-Z]\b", text)
    }
    written = set(re.findall(r"\bDECKWATCH_[A-Z][A-Z_]*[A-Z]\b", everything()))
    assert used <= written
    settings = docs.write_settings()
    assert {name for name in written if name not in settings} <= used, "documented but unknown"


def test_every_extra_is_documented() -> None:
    assert "<!-- generated: extras -->" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "| `local` |" in docs.write_extras()


def test_every_command_has_its_help_page_in_the_documents() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    scripts = pyproject()["project"]["scripts"]
    commands = pyproject()["project"]["entry-points"]["deckwatch.commands"]
    for command in [*scripts, *(f"deckwatch {name}" for name in commands)]:
        assert f"<!-- generated: help {command} -->" in text


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony is not None
    assert all(f"make {target} " in docs.write_targets() for target in phony[1].split())


def test_every_module_is_placed_in_the_architecture() -> None:
    """Each part of the house has its paragraph."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert all(f"{part}/deckwatch_{part}" in text for part in PACKAGES)
