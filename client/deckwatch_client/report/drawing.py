"""Charts as SVG: bars that stack species. No script, and the text keeps its size on a phone.

Across, everything is placed in per cent of the width, so that the drawing fits any; heights and
letters are pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from deckwatch_client.pictures import quantity
from deckwatch_client.report.charts import Chart
from deckwatch_client.report.times import Seen
from deckwatch_client.report.words import named
from deckwatch_vision.species import Species

# Each at least 3:1 against white (WCAG 2.2, 1.4.11); sensitive species are hatched as well, so that
# they show without colours.
SENSITIVE = ("#b91c1c", "#9d174d", "#c2410c", "#7e22ce")
OTHERS = ("#00558c", "#0f766e", "#64748b", "#4d7c0f", "#6b4e9b", "#8a5a00")
POOLED = "#475569"

_TOP, _PLOT, _STRIP, _BELOW = 18, 110, 4, 20
_WIDEST = 8.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One colour of the bars: the species in it, by their places in the class order."""

    name: str
    colour: str
    sensitive: bool
    places: tuple[int, ...]

    def count(self, seen: Seen) -> int:
        """Its animals in a bin."""
        return sum(seen.animals[place] for place in self.places)


def layers(species: Sequence[Species], counts: Sequence[int]) -> list[Layer]:
    """The layers from the bottom up: sensitive species first, each group by its number.

    Species without an animal have none; those beyond the colours share the last one.
    """
    there = sorted(
        (place for place, count in enumerate(counts) if count), key=lambda place: -counts[place]
    )
    found: list[Layer] = []
    for sensitive, colours in ((True, SENSITIVE), (False, OTHERS)):
        places = [place for place in there if species[place].sensitive == sensitive]
        for place, colour in zip(places, colours, strict=False):
            found.append(Layer(named(species[place]), colour, sensitive, (place,)))
        if rest := tuple(places[len(colours) :]):
            kind = "more sensitive species" if sensitive else "more species"
            colour = colours[-1] if sensitive else POOLED
            found.append(Layer(f"{len(rest)} {kind}", colour, sensitive, rest))
    return found


def legend(shown: Sequence[Layer], prefix: str) -> Markup:
    """The colours and what they stand for."""
    items = Markup().join(
        Markup(
            '<li><svg width="16" height="14" aria-hidden="true">{}'
            '<rect width="16" height="14" fill="{}"/></svg> {}</li>'
        ).format(
            _hatch(layer, f"{prefix}-{number}"), _fill(layer, f"{prefix}-{number}"), _said(layer)
        )
        for number, layer in enumerate(shown)
    )
    return Markup('<ul class="legend">{}</ul>').format(items)


def bars(chart: Chart, shown: Sequence[Layer], prefix: str) -> Markup:
    """The chart. `prefix` makes its parts' names unique on the page."""
    highest = max((sum(one.animals) for one in chart.seen), default=0)
    slot = 100 / len(chart.seen)
    width = min(slot * 0.86, _WIDEST)
    floor = _TOP + _PLOT
    drawn = [_hatch(layer, f"{prefix}-{number}") for number, layer in enumerate(shown)]
    for place, seen in enumerate(chart.seen):
        left, top = slot * (place + 0.5) - width / 2, float(floor)
        for number, layer in enumerate(shown):
            if not (count := layer.count(seen)):
                continue
            height = _PLOT * count / highest
            top -= height
            drawn.append(
                Markup(
                    '<rect x="{:.3f}%" y="{:.1f}" width="{:.3f}%" height="{:.1f}" fill="{}" '
                    'stroke="#fff" stroke-width="0.5"><title>{}: {} {}</title></rect>'
                ).format(
                    left, top, width, height, _fill(layer, f"{prefix}-{number}"),
                    chart.starts[place], count, layer.name,
                )
            )  # fmt: skip
        if seen.pictures:
            drawn.append(
                Markup(
                    '<rect x="{:.3f}%" y="{}" width="{:.3f}%" height="{}" fill="#64748b">'
                    "<title>{}: {} pictures</title></rect>"
                ).format(slot * place, floor + 2, slot, _STRIP, chart.starts[place], seen.pictures)
            )
    most = f"at most {highest:,} fish per {chart.each}"
    return Markup(
        '<svg role="img" aria-label="{}" width="100%" height="{}">'
        '<text x="0" y="12">{}</text>'
        '<line x1="0" x2="100%" y1="{}" y2="{}" stroke="#cfd8de"/>{}'
        '<line x1="0" x2="100%" y1="{}" y2="{}" stroke="#51626e"/>{}</svg>'
    ).format(
        f"{chart.title}: {summary(chart)}", floor + _STRIP + _BELOW, most,
        _TOP, _TOP, Markup().join(drawn), floor, floor, _ticks(chart, floor + _STRIP + 14),
    )  # fmt: skip


def summary(chart: Chart) -> str:
    """The chart in words."""
    pictures = quantity(chart.pictures, "picture")
    if not chart.animals:
        return f"No fish in {pictures}"
    sums = [sum(one.animals) for one in chart.seen]
    peak = sums.index(max(sums))
    return (
        f"{chart.animals:,} fish in {pictures}, by {chart.each}; most from "
        f"{chart.starts[peak]} on ({sums[peak]:,})"
    )


def _ticks(chart: Chart, base: int) -> Markup:
    number = len(chart.ticks)
    places = sorted({0, number // 2, number - 1})
    drawn = []
    for place in places:
        across = 100 * (place + 0.5) / number
        # A label at an edge stays inside.
        across, anchor = (
            (0.0, "start") if across < 15 else (100.0, "end") if across > 85 else (across, "middle")
        )
        drawn.append(
            Markup('<text x="{:.3f}%" y="{}" text-anchor="{}">{}</text>').format(
                across, base, anchor, chart.ticks[place]
            )
        )
    return Markup().join(drawn)


def _hatch(layer: Layer, name: str) -> Markup:
    if not layer.sensitive:
        return Markup()
    return Markup(
        '<defs><pattern id="{}" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="5" height="5" fill="{}"/>'
        '<rect width="1.4" height="5" fill="#fff"/></pattern></defs>'
    ).format(name, layer.colour)


def _fill(layer: Layer, name: str) -> str:
    return f"url(#{name})" if layer.sensitive else layer.colour


def _said(layer: Layer) -> str:
    return f"{layer.name} (sensitive)" if layer.sensitive and len(layer.places) == 1 else layer.name
