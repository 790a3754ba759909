"""What a backend answers with: the release, its classes in full, its model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deckwatch_vision.errors import ReleaseCorrupt, ServerError
from deckwatch_vision.result import ReleaseInfo
from deckwatch_vision.species import LabelSet, Species

if TYPE_CHECKING:
    from deckwatch_vision.release import Release


@dataclass(frozen=True, slots=True)
class Served:
    """What a server answers with: the release and its label codes, in tensor order.

    `species` are the classes in full, in the same order, and `model_card` the release's card in
    Markdown; empty where the release was published before its configuration carried them.
    """

    release: ReleaseInfo
    labels: tuple[str, ...]
    species: tuple[Species, ...] = ()
    model_card: str = ""

    @classmethod
    def of(cls, release: Release, model_card: str = "") -> Served:
        """What a release of a repository answers with."""
        told = ReleaseInfo(release.name, release.version)
        return cls(told, release.labels.codes, release.labels.species, model_card)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Served:
        """Read the gateway's `GET /v1/release`. Keys it does not know are left aside.

        Raises:
            ServerError: it is something else; the message names what is wrong with it.
        """
        try:
            known = Species.__dataclass_fields__
            rows = [
                {key: value for key, value in row.items() if key in known}
                for row in given["labels"]
            ]
            species = LabelSet.from_list(rows).species
            return cls(
                ReleaseInfo(str(given["name"]), int(given["version"])),
                tuple(one.code for one in species),
                species,
                str(given["model_card"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, ReleaseCorrupt) as error:
            raise ServerError(
                f"this does not describe a release ({type(error).__name__}: {error}). "
                "Check the server's address, and use a client of its version"
            ) from None
