"""What the tests of the house read: the project's own files."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.install import ROOT

LOCKS = ROOT / "requirements"
PACKAGES = ("vision", "serving", "client", "gateway", "training")

# What stands beside the project's files in a folder where somebody works; see .gitignore.
NOT_OURS = re.compile(r"^(\.git|\.venv.*|\.cache|\..*_cache|__pycache__|dist|runs|mlruns|logs)$")


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def files(under: Path = ROOT) -> Iterator[Path]:
    """Every file of the project, without what tools leave behind."""
    for folder, names, found in os.walk(under):
        names[:] = sorted(name for name in names if not NOT_OURS.match(name))
        yield from (Path(folder) / name for name in sorted(found) if not name.endswith(".pyc"))


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project with its content."""
    for path in files():
        try:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a photograph or a net


def documents() -> Iterator[tuple[Path, str]]:
    """Every Markdown document."""
    return ((path, text) for path, text in texts() if path.suffix == ".md")


def extras(*names: str) -> list[Requirement]:
    """The project's own requirements with those of the extras, extras of extras resolved."""
    project = pyproject()["project"]
    result = [Requirement(text) for text in project["dependencies"]]
    waiting = list(names)
    while waiting:
        for text in project["optional-dependencies"][waiting.pop()]:
            requirement = Requirement(text)
            if requirement.name == project["name"]:
                waiting.extend(requirement.extras)
            else:
                result.append(requirement)
    return result


def locked(name: str) -> list[Requirement]:
    """The pins of a lock; a package may have several, for different Pythons."""
    text = (LOCKS / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.partition(" --hash=")[0] for line in text.splitlines() if line.strip())
    return [Requirement(line.strip()) for line in lines if not line.strip().startswith("#")]


def key(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)
