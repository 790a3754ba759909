"""Which Deckwatch this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version of the installed distribution, such as "0.1.0"."""
    try:
        return version("deckwatch")
    except PackageNotFoundError:
        return "of a source folder that is not installed"
