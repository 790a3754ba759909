"""Which labels Camio is sent, by the gateway's settings, and where they lie in its own pixels.

How labels are made from a result is `deckwatch_client.camio_labels`, which files of labels share.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, Self

from deckwatch_client import camio_labels
from deckwatch_client.camio_labels import answer
from deckwatch_gateway.camio.event import EventImage
from deckwatch_gateway.lists import split_list
from deckwatch_vision.errors import ImageError
from deckwatch_vision.headers import read_header
from deckwatch_vision.result import Result
from deckwatch_vision.species import NO_FISH, Species

__all__ = ["LabelRules", "answer", "image_labels", "parse_names"]

_NAME_LENGTH = 100


class _Settings(Protocol):
    @property
    def camio_labels(self) -> str: ...
    @property
    def camio_threshold(self) -> float: ...
    @property
    def camio_polygons(self) -> bool: ...


class LabelRules(camio_labels.LabelRules):
    """The rules of the client, which the gateway reads from its settings."""

    __slots__ = ()

    @classmethod
    def of(cls, settings: _Settings) -> Self:
        """The rules in the gateway's settings."""
        return cls(
            parse_names(settings.camio_labels), settings.camio_threshold, settings.camio_polygons
        )


def parse_names(text: str) -> dict[str, str]:
    """Label names by species code, written `YFT=yellowfin tuna,SHARK=shark,OTHER=`.

    Raises:
        ValueError: it is not written so; the message names the part.
    """
    names: dict[str, str] = {}
    for part in split_list(text):
        code, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not code or len(name) > _NAME_LENGTH or not name.isprintable():
            raise ValueError(
                f"{part[:_NAME_LENGTH]!r} is not written CODE=name, for instance "
                "YFT=yellowfin tuna (CODE= alone for no label)"
            )
        if code in names:
            raise ValueError(f"{code!r} is given twice")
        if code == NO_FISH:
            raise ValueError(f"{NO_FISH} stands for no fish and is never a label")
        names[code] = name
    return names


def image_labels(
    result: Result,
    rules: camio_labels.LabelRules,
    species: Iterable[Species],
    image: EventImage | None = None,
) -> dict[str, dict[str, Any]]:
    """See `camio_labels.image_labels`; from `image` a polygon learns how its picture was turned."""
    turned = _orientation(image) if rules.polygons else 1
    return camio_labels.image_labels(result, rules, species, turned)


def _orientation(image: EventImage | None) -> int:
    """The EXIF orientation that Camio's own pixels are not turned by; 1 where it sees upright."""
    if image is None:
        return 1
    try:
        header = read_header(image.picture)
    except ImageError:
        return 1
    height, width = header.upright_size
    # Of a picture turned by a quarter the event's size says whether Camio counts upright pixels.
    if image.size == (width, height) != (header.width, header.height):
        return 1
    return header.orientation
