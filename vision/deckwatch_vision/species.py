"""Species and the ordered label set of a release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from deckwatch_vision.errors import ReleaseCorrupt, UsageError
from deckwatch_vision.fields import Fields

NO_FISH = "NoF"
"""Code of the class "no fish", which every label set has."""


@dataclass(frozen=True, slots=True)
class Species:
    """One class: its code in answers, its names, and how Camio calls it.

    `fao_code` is the 3-alpha code of FAO's ASFIS list, None for a group or a class that has none;
    `sensitive` marks protected or bycatch animals (sharks, rays, turtles, ...).
    """

    code: str
    common_name: str
    scientific_name: str | None
    fao_code: str | None
    camio_label: str | None
    sensitive: bool


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The classes of a release in the order of the classifier's outputs."""

    species: tuple[Species, ...]

    def __post_init__(self) -> None:
        codes = self.codes
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ReleaseCorrupt(
                f"labels: {', '.join(twice)} given more than once. Give every class its own code"
            )
        if NO_FISH not in codes:
            raise ReleaseCorrupt(
                f"labels: no class {NO_FISH!r} among {', '.join(codes)}. Add it: it stands for "
                "pictures without fish"
            )

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes in order."""
        return tuple(one.code for one in self.species)

    def index(self, code: str) -> int:
        """Position of a class.

        Raises:
            UsageError: there is no such code; the message lists those there are.
        """
        for place, one in enumerate(self.species):
            if one.code == code:
                return place
        raise UsageError(f"no species {code!r} in this release. Use one of {', '.join(self.codes)}")

    @property
    def no_fish(self) -> int:
        """Position of NO_FISH."""
        return self.index(NO_FISH)

    def __len__(self) -> int:
        return len(self.species)

    def __iter__(self) -> Iterator[Species]:
        return iter(self.species)

    def __getitem__(self, place: int) -> Species:
        return self.species[place]

    @classmethod
    def from_list(cls, rows: object, where: str = "labels") -> LabelSet:
        """Read the `labels` of a release.json.

        Raises:
            ReleaseCorrupt: a key is missing, unknown or of the wrong type, a code stands twice, or
                NO_FISH is absent; the message names it.
        """
        if not isinstance(rows, list):
            raise ReleaseCorrupt(f"{where}: expected a list of classes, found {rows!r:.60}")
        return cls(tuple(_species(row, f"{where}[{place}]") for place, row in enumerate(rows)))

    def as_list(self) -> list[dict[str, Any]]:
        """The `labels` of a release.json."""
        return [asdict(one) for one in self.species]


def _species(row: object, where: str) -> Species:
    given = Fields(row, where)
    species = Species(
        code=given.text("code"),
        common_name=given.text("common_name"),
        scientific_name=given.text_or_none("scientific_name"),
        fao_code=given.text_or_none("fao_code"),
        camio_label=given.text_or_none("camio_label"),
        sensitive=given.flag("sensitive"),
    )
    given.done()
    return species


_NO_FISH = Species(NO_FISH, "no fish", None, None, None, sensitive=False)
_OTHER = Species("OTHER", "other fish", None, None, "other fish", sensitive=False)
_SHARK = Species("SHARK", "shark", None, "SKH", "shark", sensitive=True)
_RAY = Species("RAY", "ray", None, "SRX", "ray", sensitive=True)


def _tuna(code: str, name: str, scientific_name: str) -> Species:
    return Species(code, name, scientific_name, code, name, sensitive=False)


NCFM = LabelSet(
    (
        _tuna("ALB", "albacore tuna", "Thunnus alalunga"),
        _tuna("BET", "bigeye tuna", "Thunnus obesus"),
        Species("DOL", "dolphinfish", "Coryphaena hippurus", "DOL", "mahi mahi", sensitive=False),
        Species("LAG", "opah", "Lampris guttatus", "LAG", "opah", sensitive=False),
        _NO_FISH,
        _OTHER,
        _SHARK,
        _tuna("YFT", "yellowfin tuna", "Thunnus albacares"),
    )
)
"""Classes of the competition "The Nature Conservancy Fisheries Monitoring", in its order."""

DEMO = LabelSet((_NO_FISH, _OTHER, _SHARK, _RAY))
"""Classes of the demo release. FAO: SKH various sharks, SRX rays, stingrays and mantas."""


def known(code: str) -> Species:
    """The class of that code in NCFM or DEMO, else one that is only named by its code.

    For results that come without the description of their release.
    """
    nameless = Species(code, code, None, None, None, sensitive=False)
    return _BY_CODE.get(code, nameless)


_BY_CODE = {one.code: one for labels in (DEMO, NCFM) for one in labels}
