"""Whether a release may take the place of the live one: compared on the same pictures.

A scorecard is what `deckwatch evaluate` measures and `deckwatch export` writes into release.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deckwatch_vision.release import Release

# What a metric may be worse by: shares and errors from 0 to 1, log loss in nats.
TOLERANCE = 0.02
# Scorecards are rounded to four decimals; a difference of rounding is none.
_ROUNDING = 1e-4
# In the name of training data that nobody photographed (`deckwatch data simulate`).
SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of the scorecard at `section`.`key`, and which direction is better."""

    section: str
    key: str
    words: str
    higher_is_better: bool

    def of(self, card: Mapping[str, Any]) -> float | None:
        """The value; None where it was not measured. Intervals are [value, low, high]."""
        section = card.get(self.section)
        value = section.get(self.key) if isinstance(section, dict) else None
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, int | float) or math.isnan(value):
            return None
        return float(value)


METRICS = (
    Metric("picture", "log_loss", "log loss of pictures", higher_is_better=False),
    Metric("picture", "calibration_error", "calibration error of pictures", higher_is_better=False),
    Metric("species", "macro_recall", "macro recall of species", higher_is_better=True),
    Metric("detector", "ap50", "AP50 of fish", higher_is_better=True),
    Metric("detector", "recall", "recall of fish", higher_is_better=True),
)


def worse(
    new: Mapping[str, Any], live: Mapping[str, Any], tolerance: float = TOLERANCE
) -> list[str]:
    """Why the scorecard `new` does not reach `live`; empty where it does.

    Every metric of `METRICS` that both have may be worse by `tolerance` at most. Scorecards of
    different pictures do not compare: that is a reason as well, and says what to do.
    """
    reasons = list(_incomparable(new, live))
    if reasons:
        return reasons
    compared = 0
    for metric in METRICS:
        before, after = metric.of(live), metric.of(new)
        if before is None:
            continue  # never measured on the live one: nothing to fall short of
        if after is None:
            reasons.append(f"{metric.words}: not measured, the live release has {before:.4f}")
            continue
        compared += 1
        loss = before - after if metric.higher_is_better else after - before
        if loss > tolerance + _ROUNDING:
            reasons.append(
                f"{metric.words}: {after:.4f}, worse than {before:.4f} of the live release by "
                f"{loss:.4f} (tolerance {tolerance:g})"
            )
    if not compared and not reasons:
        reasons.append(
            "the two scorecards have no metric in common. Measure both on the same data: "
            "deckwatch evaluate"
        )
    return reasons


def _incomparable(new: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    mine, theirs = _digest(new), _digest(live)
    if mine is None or theirs is None or mine != theirs:
        lacking = [name for name, digest in (("new", mine), ("live", theirs)) if digest is None]
        why = (
            f"the scorecard of the {' and the '.join(lacking)} release does not say which "
            "pictures it was measured on"
            if lacking
            else "the two releases were measured on different pictures"
        )
        yield (
            f"{why}. Measure both on the same data: deckwatch evaluate --version N --out "
            "FILE, and give the live one's file with --live-scorecard FILE"
        )
        return
    unknown = sorted(set(new.get("unknown", ())) - set(live.get("unknown", ())))
    if unknown:
        yield (
            f"the new release does not know {', '.join(unknown)}, on which the live one was "
            "measured"
        )


def _digest(card: Mapping[str, Any]) -> str | None:
    data = card.get("data")
    digest = data.get("digest") if isinstance(data, dict) else None
    return digest if isinstance(digest, str) else None


def scorecard(release: Release) -> dict[str, Any]:
    """What was measured of a release on its valid set when it was exported; empty: nothing."""
    card = release.scorecard.get("valid")
    return card if isinstance(card, dict) else {}


def is_simulated(release: Release) -> bool:
    """Whether it learnt from drawn pictures: the name of its training data says so."""
    return any(SIMULATED in data.name.lower() for data in release.training_data)


def refusals(
    new: Release,
    live: Release,
    *,
    tolerance: float = TOLERANCE,
    live_card: Mapping[str, Any] | None = None,
    new_card: Mapping[str, Any] | None = None,
) -> list[str]:
    """Every reason not to replace `live` by `new`; empty where there is none.

    live_card, new_card: scorecards measured again, in place of those in the releases.
    """
    reasons = []
    if is_simulated(new) and not is_simulated(live):
        reasons.append("it was trained on simulated pictures, the live release on photographs")
    lost = [code for code in live.labels.codes if code not in new.labels.codes]
    if lost:
        reasons.append(f"it does not know {', '.join(lost)}, which the live release names")
    reasons += worse(
        scorecard(new) if new_card is None else new_card,
        scorecard(live) if live_card is None else live_card,
        tolerance,
    )
    return reasons
