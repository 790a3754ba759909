"""The figures of `benchmarks.background` as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deckwatch_client.background.likelihoods import DOUBT
from deckwatch_client.background.options import UNCHANGED
from tools.docs import table

MEASURES = ("precision", "recall", "label", "no fish", "log loss")
# Of the simulated pictures, in pixels.
_WIDTH = 640


def render(results: dict[str, Any]) -> str:
    """All tables in Markdown."""
    found = results["choices"]
    parts = [
        f"Measured on {results['began'][:10]}: {results['pictures']} pictures ({results['nights']} "
        f"by night, {results['fish']} fish) of {results['cameras']} simulated cameras with "
        f"{results['lookalikes']} look-alikes each; release {results['release']}. In brackets the "
        "middle 95 % of 500 draws of whole cameras.",
        "### Before and after",
        table(
            ("pictures", "background", "precision of fish", "recall of fish", "label right",
             "label right without fish", "log loss", "label right with fish",
             "real fish dropped, of those found", "ms a picture"),
            [_arm(row, results["costs_ms"]) for row in results["arms"]],
        ),
        "### Chosen on other cameras",
        f"Of {found['false']} false and {found['real']} real fish found on the cameras to choose "
        f"from, at each share that might make a fish static ({UNCHANGED:g} is used):",
        table(
            ("share unchanged", "false fish dropped", "real fish dropped"),
            [
                (f"{share:g}", f"{false:.1%}", f"{real:.1%}")
                for share, false, real in found["shares"]
            ],
        ),
        f"How much a static fish still counts in the picture's likelihoods ({DOUBT:g} is used); "
        "last, the picture recognised again with its static fish made grey, at twice the time:",
        table(
            ("counts for", "log loss of pictures", "label right"),
            [(name, f"{loss:.3f}", f"{right:.3f}") for name, loss, right in found["doubts"]],
        ),
        "### Fish that hold still",
        "Real fish that were found, copied to the same place of other pictures of their sequence, "
        "by the share of the pictures learnt from in which they lie there:",
        table(
            ("lies there in", "fish", "dropped"),
            [
                (f"{row['share']:.0%}", str(row["fish"]), _share(row["dropped"], row["fish"]))
                for row in results["still"]
            ],
        ),
        "### A camera that turned",
        f"The picture shifted after the background was learnt, in pixels of {_WIDTH}:",
        table(
            ("shifted by", "background still used", "false fish dropped", "real fish dropped"),
            [
                (str(row["shift"]), _share(row["fits"], row["pictures"]),
                 _share(row["dropped"], row["false"]), _share(row["lost"], row["real"]))
                for row in results["moved"]
            ],
        ),
    ]  # fmt: skip
    photos = results["photographs"]
    if photos:
        parts += [
            "### A camera that is none",
            f"{photos['photographs']} photographs of aquaria, given as those of one camera: "
            f"{photos['views']} views learnt, {photos['dropped']} of {photos['fish']} fish "
            "dropped.",
        ]
    return "\n\n".join(parts)


def _arm(row: dict[str, Any], costs: dict[str, float]) -> tuple[str, ...]:
    cost = f"{costs[row['arm']]:.1f}" if row["arm"] in costs and row["light"] == "all" else ""
    lost = _share(*row["lost"]) if row["arm"] != "none" else ""
    return (row["light"], row["arm"], *(_told(row[name]) for name in MEASURES),
            _with_fish(row), lost, cost)  # fmt: skip


def _with_fish(row: dict[str, Any]) -> str:
    """What is left of the labels that are right, without those of pictures without fish."""
    right = row["label"][0] * row["pictures"] - (row["no fish"][0] or 0) * row["without"]
    there = row["pictures"] - row["without"]
    return f"{right / there:.3f}" if there else "?"


def _told(estimate: Sequence[float | None]) -> str:
    value, low, high = (f"{each:.3f}" if each is not None else "?" for each in estimate)
    return f"{value} ({low} to {high})"


def _share(part_of: int, whole: int) -> str:
    return f"{part_of} of {whole}"
