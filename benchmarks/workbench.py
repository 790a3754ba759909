"""Augmentation, training and memory, measured against what you would write instead.

python -m benchmarks.workbench [--quick]

The second half of `make bench`. The sections of docs/bench.md that it writes are marked
`measured: training`.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks import augmentation, memory, part, training_step
from benchmarks.part import say

NAME = "training"
RESULTS = part.RESULTS / f"{NAME}.json"


def measure(*, quick: bool) -> dict[str, Any]:
    """Everything; the results as they are stored."""
    circumstances = part.Circumstances()
    say("augmentation")
    augmented = augmentation.measure(augmentation.QUICK if quick else augmentation.FULL)
    say("training steps")
    trained = training_step.measure(2, 2) if quick else training_step.measure()
    say("memory")
    held = memory.measure(pictures=200, rows=1_000) if quick else memory.measure()
    return {
        **circumstances.told("quick" if quick else "full"),
        "augmentation": augmented,
        "training": trained,
        "memory": held,
    }


def render(results: dict[str, Any]) -> str:
    """All tables in Markdown."""
    told = results["machine"]
    before, after = (", ".join(map(str, results[key])) for key in ("load_before", "load_after"))
    return "\n\n".join(
        (
            f"Measured on {results['began'][:10]} ({results['mode']} mode, "
            f"{results['took_s']:.0f} s): {told['processor']}, {told['cores']} cores. Load "
            f"average {before} before and {after} after.",
            "### Augmentation",
            augmentation.render(results["augmentation"]).strip(),
            "### Training step",
            training_step.render(results["training"]).strip(),
            "### Memory of augmentation",
            memory.render(results["memory"]).strip(),
        )
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    return part.run(
        arguments,
        command="benchmarks.workbench",
        description=(__doc__ or "").partition("\n")[0],
        name=NAME,
        measure=lambda quick: measure(quick=quick),
        render=render,
    )


if __name__ == "__main__":
    sys.exit(main())
