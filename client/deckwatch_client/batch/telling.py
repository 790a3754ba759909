"""What a run says at its end, for people."""

from __future__ import annotations

from deckwatch_client.batch.run import Summary
from deckwatch_client.pictures import quantity


def told(summary: Summary) -> str:
    """The summary for people: counts, and where the results are."""
    tally = summary.tally
    before = f" ({summary.taken_over:,} of them known already)" if summary.taken_over else ""
    lines = [f"{quantity(tally.pictures, 'picture')}{before}, {tally.failed:,} failed"]
    codes = sorted({*tally.by_label, *tally.fish}, key=lambda code: (-tally.by_label[code], code))
    width = max(map(len, codes), default=0)
    lines += [
        f"  {code:{width}}  {quantity(tally.by_label[code], 'picture')}, {tally.fish[code]:,} fish"
        for code in codes
    ]
    lines += [
        f"  {quantity(count, 'failure')}: {code}" for code, count in sorted(tally.failures.items())
    ]
    if tally.tracks:
        found = ", ".join(f"{code} {number:,}" for code, number in sorted(tally.tracks.items()))
        lines.append(f"Followed through videos, each fish once as far as it was in sight: {found}")
    if tally.gone:
        lines.append(
            f"{quantity(tally.gone, 'picture')} could not be read again for crops or overlays"
        )
    if summary.others:
        kinds = ", ".join(
            f"{count:,} {suffix or 'without a suffix'}"
            for suffix, count in summary.others.most_common(5)
        )
        lines.append(f"{quantity(summary.others.total(), 'other file')} left aside: {kinds}")
    lines.append(f"Results: {', '.join(summary.outputs)}")
    return "\n".join(lines)
