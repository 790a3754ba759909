"""Hatchling's hook that packs the model repository into the wheel.

An editable install reads the checkout's own, so a copy would only grow stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ModelRepositoryHook(BuildHookInterface[Any]):
    """Adds model_repository/ to a wheel as deckwatch_serving/model_repository/."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder unless `version` is "editable".

        Raises:
            FileNotFoundError: the checkout has no released nets; run `deckwatch export`.
        """
        if version == "editable":
            return
        repository = Path(self.root) / "model_repository"
        if not list(repository.glob("deckwatch/*/release.json")):
            raise FileNotFoundError(
                f"{repository} holds no release (deckwatch/<version>/release.json), so the wheel "
                "could recognise nothing. Check out the whole repository or run 'deckwatch export'."
            )
        build_data["force_include"][str(repository)] = "deckwatch_serving/model_repository"
