"""The parts of the page that a person looks through: sensitive species, doubt, static fish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deckwatch_client.pictures import printable, quantity
from deckwatch_client.records import Record
from deckwatch_client.report.animals import Animal
from deckwatch_client.report.shortlist import Shortlist
from deckwatch_client.report.tally import MARGIN, ROWS, Suspects, Tally
from deckwatch_client.report.thumbnails import Thumbnails
from deckwatch_client.report.words import columns, named, others, percent, whence
from deckwatch_serving.pages import Card, Page
from deckwatch_vision.result import Fish
from deckwatch_vision.species import Species

# Cards of a list that show before it is opened.
_OPEN = 9

Ranked = Sequence[tuple[float, Animal]]


class Review:
    """Chooses what is shown of a tally, and adds the sections to a page.

    shown: how many of each list are shown with pictures.
    """

    def __init__(self, tally: Tally, thumbnails: Thumbnails, shown: int) -> None:
        self._tally, self._thumbnails, self._shown = tally, thumbnails, shown
        # Of a sensitive species there are two lists; many species share the room of six.
        several = len(tally.sensitive)
        self._each = min(shown, max(1, 6 * shown // several)) if several else shown
        self._unsure = tally.unsure.best()
        self._static = tally.static_examples.best()[: shown // 2]
        thumbnails.want(self._records())

    def _records(self) -> Iterator[Record]:
        """All that is shown with pictures."""
        for suspects in self._tally.sensitive.values():
            for ranked, most in self._lists(suspects):
                yield from (animal.best.record for _, animal in ranked.best()[:most])
        yield from (record for _, record in self._unsure)
        yield from (sight.record for _, sight in self._static)

    def _lists(self, suspects: Suspects) -> tuple[tuple[Shortlist[Animal], int], ...]:
        return (suspects.called, self._each), (suspects.otherwise, (self._each + 1) // 2)

    def add_sensitive(self, page: Page, *, unknown: Sequence[str]) -> None:
        """Sensitive species, the most frequent first; `unknown` classes may be sensitive too."""
        page.heading("Sensitive species")
        if unknown:
            page.note(
                f"These results do not say whether {', '.join(map(printable, unknown))} are "
                "sensitive. Name the model repository of the release with --repository, or make "
                "the report from the folder that `deckwatch batch` wrote."
            )
        tally = self._tally
        if not tally.sensitive:
            page.text("None of the classes is known to be sensitive.")
            return
        page.text(
            "Look through these by eye. They are sorted by likelihood; below each species stand "
            f"animals that were called otherwise and still have {100 * tally.suspect:g} % or more."
        )
        species = [one for one in tally.info.species if one.code in tally.sensitive]
        absent = []
        for one in sorted(species, key=lambda one: -tally.sensitive[one.code].called.seen):
            suspects = tally.sensitive[one.code]
            if suspects.called.seen or suspects.otherwise.seen:
                self._species(page, one, suspects)
            else:
                absent.append(named(one))
        if absent:
            page.text(f"Neither called nor suspected: {', '.join(absent)}.")

    def _species(self, page: Page, one: Species, suspects: Suspects) -> None:
        called, otherwise = suspects.called.seen, suspects.otherwise.seen
        page.heading(f"{named(one)}: {called:,} called so, {otherwise:,} perhaps", level=3)
        for (ranked, most), about in zip(
            self._lists(suspects), ("called", "not called"), strict=True
        ):
            best = ranked.best()
            if best[:most]:
                if about == "not called":
                    page.text(f"Called otherwise, but perhaps {one.common_name}:")
                self._cards(page, [self._card(*entry, one) for entry in best[:most]])
            self._rest(page, best[most:], ranked.seen - len(best), f"{about} {one.code}")

    def _cards(self, page: Page, cards: Sequence[Card]) -> None:
        """The first ones open; a page for a phone would be too long with all of them."""
        page.cards(cards[:_OPEN])
        if more := cards[_OPEN:]:
            with page.folded(f"{len(more):,} more with pictures"):
                page.cards(more)

    def _card(self, likelihood: float, animal: Animal, species: Species) -> Card:
        record, fish = animal.best.record, animal.best.fish
        title = f"{species.code} {percent(likelihood)}"
        if animal.label != species.code:
            title = f"perhaps {title}, called {animal.label}"
        likelihoods = dict(zip(self._tally.info.codes, animal.likelihoods, strict=True))
        lines = [*whence(record), f"{others(likelihoods, species.code)}; score {fish.score:.2f}"]
        if animal.frames > 1:
            lines.append(f"followed through {animal.frames:,} frames; shown is the surest")
        return Card(self._thumbnails.of(record), title, lines)

    def _rest(self, page: Page, ranked: Ranked, uncounted: int, about: str) -> None:
        if not ranked:
            return
        with page.folded(f"{len(ranked) + uncounted:,} more {about}"):
            page.table(
                ("likelihood", "called", "score", "file", "time", "camera"),
                [
                    [
                        likelihood,
                        animal.label,
                        animal.best.fish.score,
                        *columns(animal.best.record),
                    ]
                    for likelihood, animal in ranked[:ROWS]
                ],
                f"More animals {about}, by likelihood",
            )
            if uncounted or len(ranked) > ROWS:
                left = uncounted + max(0, len(ranked) - ROWS)
                page.text(f"{left:,} more are in the results.")

    def add_unsure(self, page: Page) -> None:
        """Pictures whose two likeliest classes are close."""
        page.heading("Pictures the model is unsure of")
        number = self._tally.unsure_pictures
        if not number:
            page.text(f"None: the two likeliest classes differ by {percent(MARGIN)} or more.")
            return
        page.text(
            f"In {number:,} of {self._tally.pictures:,} pictures the two likeliest classes are "
            f"less than {percent(MARGIN)} apart. The least sure come first"
            + (", of a minute of video one frame." if self._tally.frames else ".")
        )
        self._cards(
            page,
            [
                Card(self._thumbnails.of(record), _top(record), whence(record))
                for _, record in self._unsure
            ],
        )

    def add_static(self, page: Page) -> None:
        """Fish that were dropped because they belong to a camera's background, if there are any."""
        static = self._tally.static
        if not static:
            return
        page.heading("Left out as background")
        page.text(
            f"Left out: {quantity(static.total(), 'find')} that looked as the camera's background "
            "does. They count nowhere on this page. If a real animal is among the examples, learn "
            "the background anew."
        )
        page.table(
            ("camera", "left out"), [[printable(camera), n] for camera, n in static.most_common()]
        )
        page.cards(
            [
                Card(
                    self._thumbnails.of(sight.record),
                    f"left out: {sight.fish.label} {percent(_own(sight.fish))}",
                    [*whence(sight.record), f"score {sight.fish.score:.2f}"],
                )
                for _, sight in self._static
            ]
        )


def _top(record: Record) -> str:
    ranked = record.result.ranked()[:3] if record.result else []
    return ", ".join(f"{code} {percent(likelihood)}" for code, likelihood in ranked)


def _own(fish: Fish) -> float:
    return fish.likelihoods.get(fish.label, 0.0)
