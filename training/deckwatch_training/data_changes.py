"""What new data changes in the balance of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from deckwatch_serving.pages import Page
from deckwatch_training import counting, data_plots
from deckwatch_training.data_study import Studied


def add(page: Page, before: Studied, now: Studied) -> None:
    """The section that says what has changed."""
    page.heading("What has changed")
    old, new = counting.count(before.data.entries), counting.count(now.data.entries)
    codes = [code for code, _ in (old + new).most_common()]
    cells, old_cells = now.cells(), before.cells()
    rows = []
    for code in codes:
        places = {vessel for c, vessel, _ in cells if c == code}
        old_places = {vessel for c, vessel, _ in old_cells if c == code}
        nights = sum(n for (c, _, time), n in cells.items() if (c, time) == (code, "night"))
        old_nights = sum(n for (c, _, time), n in old_cells.items() if (c, time) == (code, "night"))
        rows.append(
            [code, old[code], new[code], new[code] - old[code], len(old_places),
             len(places), old_nights, nights]
        )  # fmt: skip
    page.table(
        ("species", "before", "now", "more", "vessels before", "vessels now", "night before",
         "night now"),
        rows,
    )  # fmt: skip
    page.plot(data_plots.before_after(old, new, codes), "Share of every species")
    for text in _in_words(before, now, old, new):
        page.text(text)


def _in_words(before: Studied, now: Studied, old: Counter[str], new: Counter[str]) -> Iterator[str]:
    yield (
        f"{len(now.data) - len(before.data):+d} pictures; the species are as evenly spread as "
        f"{_even(new):.1f} equally frequent ones, before {_even(old):.1f}."
    )
    added = sorted(counting.vessels(now.data.entries) - counting.vessels(before.data.entries))
    gone = sorted(counting.vessels(before.data.entries) - counting.vessels(now.data.entries))
    for names, word in ((added, "New"), (gone, "No longer there")):
        if names:
            more = f" and {len(names) - 12} more" if len(names) > 12 else ""
            yield f"{word}: {len(names)} vessels or cameras, {', '.join(names[:12])}{more}."


def _even(counted: Counter[str]) -> float:
    """The exponential of Shannon's entropy: 1 for one species, n for n equally frequent ones."""
    shares = np.array([n for n in counted.values() if n], float)
    shares = shares / max(1.0, shares.sum())
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0
