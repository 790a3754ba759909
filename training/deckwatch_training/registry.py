"""Models by name: our own, those of a user's packages, and any function as `module:function`.

A package adds a model by an entry point in its pyproject.toml:

    [project.entry-points."deckwatch.classifiers"]
    my_net = "my_package.nets:MyNet"
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from deckwatch_vision.errors import UsageError

Builder = Callable[..., Any]


class Registry:
    """The builders of one kind of model.

    kind: for messages ("detector"); group: of the entry points. Our own names win over those of
    other packages, so that an installed package cannot change what a configuration means.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, Builder]):
        self.kind, self.group, self.own = kind, group, own

    def names(self) -> list[str]:
        """Our own names and those of installed packages."""
        found = {entry.name for entry in entry_points(group=self.group)}
        return sorted(found | set(self.own))

    def find(self, name: str) -> Builder | None:
        """The builder of a name, or of `module:function`; None where nobody knows it.

        Raises:
            UsageError: a package offers the name but cannot be loaded, or several do.
        """
        if name in self.own:
            return self.own[name]
        entries = entry_points(group=self.group, name=name)
        if len({entry.value for entry in entries}) > 1:
            places = ", ".join(sorted(entry.value for entry in entries))
            raise UsageError(
                f"Several packages offer a {self.kind} {name!r}: {places}. Name one of these "
                "places as model.architecture."
            )
        for entry in entries:
            return self._load(entry.value)
        module, colon, attribute = name.partition(":")
        return self._load(name) if colon and module and attribute else None

    def _load(self, place: str) -> Builder:
        module, _, attribute = place.partition(":")
        # A module of one's own lies beside the configuration more often than in a package.
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        try:
            found = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"The {self.kind} {place!r} cannot be loaded: {error}. Give module:function of a "
                "module that Python finds from here."
            ) from error
        if not callable(found):
            raise UsageError(f"The {self.kind} {place!r} is no class or function.")
        return found
