"""How backgrounds are learnt and used."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from deckwatch_vision.errors import UsageError

METHODS = ("median", "mog2")

# The shares and numbers below were chosen on simulated cameras; see docs/fixed-cameras.md.
UNCHANGED = 0.8
SAMPLE = 60
FEWEST = 8


@dataclass(frozen=True, slots=True)
class BackgroundOptions:
    """What shapes a background and its use; JSON values, as batch keeps them in run.json.

    method: "median", or "mog2" (OpenCV's mixture of Gaussians).
    sample: pictures of a camera to learn from, at most, by day and by night each.
    unchanged: a fish is static from this share of its box on that looks as the background does.
    mask: whether what looks as the background does is blurred before detection.
    """

    method: str = "median"
    sample: int = SAMPLE
    unchanged: float = UNCHANGED
    mask: bool = False

    def check(self) -> None:
        """Raise UsageError where a value makes no sense."""
        if self.method not in METHODS:
            raise UsageError(
                f"No background method {self.method!r}. Give one of: {', '.join(METHODS)}."
            )
        if self.sample < FEWEST:
            raise UsageError(
                f"A background from {self.sample} pictures: give {FEWEST} or more, so that what "
                "passes by does not stay in it."
            )
        if not 0 < self.unchanged <= 1:
            raise UsageError(
                f"An unchanged share of {self.unchanged:g}: give more than 0 and at most 1."
            )

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return asdict(self)
