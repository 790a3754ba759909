"""What `augment_data` did, for people and for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Weight:
    """What one vessel group has of one species: rows, and the weight of each."""

    vessel: str
    species: str
    rows: int
    weight: float

    @property
    def total(self) -> float:
        """The weight of all rows together."""
        return self.rows * self.weight


@dataclass
class Summary:
    """What there is now, and what was done for it.

    pictures: named by the label file; rows: of the new label file; made, reused: files made now,
    and found from an earlier run, originals included; left_out: copies that there are not, by
    reason; bad: pictures that could not be used, with the reason; weight_sum: of all rows, which
    equals their number.
    """

    pictures: int = 0
    rows: int = 0
    made: int = 0
    reused: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    bad: list[tuple[str, str]] = field(default_factory=list)
    weight_sum: float = 0.0
    weights: list[Weight] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        content = asdict(self)
        content["weights"] = [asdict(each) | {"total": each.total} for each in self.weights]
        return content

    def table(self) -> Iterator[str]:
        """The weights, tab-separated, with a line of names."""
        yield "vessel\tspecies\trows\tweight\tsum"
        for each in self.weights:
            numbers = f"{each.rows}\t{each.weight:.4g}\t{each.total:.6g}"
            yield f"{each.vessel or '-'}\t{each.species}\t{numbers}"

    def lines(self) -> Iterator[str]:
        """The rest, in sentences."""
        yield (
            f"{self.pictures} pictures: {self.made} files made, {self.reused} there already, "
            f"{len(self.bad)} pictures unusable."
        )
        for reason, number in sorted(self.left_out.items()):
            yield f"{number} copies left out: {reason}."
        yield f"{self.rows} label rows; their weights sum to {self.weight_sum:.6g}."
