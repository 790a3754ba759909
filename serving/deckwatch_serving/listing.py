"""What stands in a model repository: every release with what one wants to know of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deckwatch_serving import gate, history
from deckwatch_serving.repository import live_version, open_release, versions


@dataclass(frozen=True, slots=True)
class Listed:
    """A release of a repository.

    scores: the gate's metrics by name, None where not measured. size: bytes of its files. forced:
    the reason with which the gate was last overruled for it. previous: what `rollback` goes to.
    """

    version: int
    name: str
    live: bool
    previous: bool
    created: str
    labels: tuple[str, ...]
    scores: dict[str, float | None]
    precision: str
    size: int
    simulated: bool
    forced: str | None

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def listed(repository: Path) -> list[Listed]:
    """Every release, ascending.

    Raises:
        ReleaseNotFound, ReleaseCorrupt: there is none, or a release.json is damaged.
    """
    live, swaps = live_version(repository), history.read(repository)
    there = versions(repository)
    before = (each for each in history.live_before(swaps, live) if each in there)
    previous = next(before, None)
    promoted = {swap.after: swap for swap in swaps if swap.action == "promote"}
    rows = []
    for version in there:
        release = open_release(repository, version, verify=False)
        card, last = gate.scorecard(release), promoted.get(version)
        rows.append(
            Listed(
                version, release.name, version == live, version == previous, release.created,
                release.labels.codes,
                {f"{each.section}.{each.key}": each.of(card) for each in gate.METRICS},
                release.runtime.get("onnxruntime", "float32"),
                sum(path.stat().st_size for path in map(repository.joinpath, release.files)
                    if path.is_file()),
                gate.is_simulated(release), last.reason if last and last.forced else None,
            )
        )  # fmt: skip
    return rows


_HEADS = (
    "version", "name", "", "created", "log loss", "macro recall", "AP50", "size", "remarks",
)  # fmt: skip
_SCORES = ("picture.log_loss", "species.macro_recall", "detector.ap50")


def table(rows: list[Listed]) -> str:
    """The releases as text in columns, for people."""
    lines: list[tuple[str, ...]] = [_HEADS]
    for row in rows:
        scores = (row.scores[name] for name in _SCORES)
        remarks = [
            *(["simulated"] if row.simulated else []),
            *([row.precision] if row.precision != "float32" else []),
            *([f"forced: {row.forced}"] if row.forced is not None else []),
        ]
        lines.append(
            (
                str(row.version), row.name,
                "live" if row.live else "previous" if row.previous else "", row.created[:10],
                *("-" if score is None else f"{score:.3f}" for score in scores),
                f"{row.size / 1e6:.1f} MB", "; ".join(remarks),
            )
        )  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
