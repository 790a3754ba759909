"""One picture of a fixed camera: recognised, and freed of what belongs to the background."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deckwatch_client.background.likelihoods import without
from deckwatch_client.background.options import BackgroundOptions
from deckwatch_client.background.store import Backgrounds
from deckwatch_vision.errors import ImageError
from deckwatch_vision.result import Fish, Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deckwatch_client.background.compare import Match, View
    from deckwatch_client.background.learn import Learnt

    Pixels = NDArray[np.uint8]

Recognised = tuple[Result, tuple[Fish, ...], tuple[float, ...]]


class BackgroundStage:
    """Learns cameras' backgrounds, and drops fish that look as the background does.

    May be pickled, and shared between threads. What it reads from `folder` stays in memory: a
    third of a megabyte a camera, by day and by night.

    Args:
        folder: where the backgrounds lie or shall lie; one file will do for use alone.
        options: see `BackgroundOptions`; when learning nothing, `method` and `sample` say nothing.

    Raises:
        UsageError: an option makes no sense.
    """

    def __init__(self, folder: Path, options: BackgroundOptions | None = None) -> None:
        self.options = options or BackgroundOptions()
        self.options.check()
        self._store = Backgrounds(folder)
        self._fresh()

    def learn_from(
        self,
        items: Iterable[tuple[str | None, bytes]],
        *,
        unread: Callable[[ImageError], None] | None = None,
    ) -> list[Learnt]:
        """Learn from encoded pictures, camera after camera, and keep what was learnt.

        Memory holds the pictures of one camera at a time, at most 320 pixels wide or high. Pictures
        that cannot be read are passed over.

        Args:
            items: camera (None where it is not known) and picture; see `sample.EvenSample`.
            unread: is told what is wrong with a picture that was just taken.

        Returns:
            What became of each camera by day and by night, also where that is nothing.

        Raises:
            UsageError: the folder cannot be written.
        """
        from deckwatch_client.background.learn import learn

        learnt = learn(items, self._store, self.options, unread)
        self._fresh()
        return learnt

    def recognise(
        self, data: bytes, camera: str | None, infer: Callable[[bytes], Result]
    ) -> Recognised:
        """Recognise the fish in one picture and drop those that belong to the background.

        Args:
            data: the encoded picture.
            camera: its camera, None where it is not known.
            infer: what recognises, such as a backend's.

        Returns:
            The result without static fish, its likelihoods accordingly; the static fish; and for
            each fish, then each static one, the share of its box that looks as the background does:
            nothing where there is no fish, or no background fits the picture (see `warnings`).

        Raises:
            ImageError, ServerError: as `infer` does.
        """
        from deckwatch_client.background.masking import masked
        from deckwatch_vision.images import decode

        sent = data
        pixels: Pixels | None = None
        match: Match | None = None
        if self.options.mask:
            pixels = decode(data)
            match = self._match(pixels, camera)
            if match is not None:
                sent = masked(pixels, match)
        result = infer(sent)
        if sent is not data:
            result = _named(result, data)
        if not result.fish:
            return result, (), ()
        if pixels is None:
            pixels = decode(data)
            match = self._match(pixels, camera)
        if match is None:
            return result, (), ()
        shares = [round(match.unchanged(fish.box), 4) for fish in result.fish]
        static = [share >= self.options.unchanged for share in shares]
        kept, dropped = without(result, static)
        order = sorted(range(len(shares)), key=lambda place: static[place])
        return kept, dropped, tuple(shares[place] for place in order)

    def warnings(self) -> list[str]:
        """Why pictures were left as they were, and how many, in this process so far."""
        with self._lock:
            return [f"{text} ({count} pictures)" for text, count in sorted(self._counts.items())]

    def _match(self, pixels: Pixels, camera: str | None) -> Match | None:
        from deckwatch_client.background.compare import best_match
        from deckwatch_vision.daylight import is_night

        night = is_night(pixels)
        views = self._views(camera, night=night)
        match = best_match(pixels, views) if views else None
        if match is None:
            named = "a camera without a name" if camera is None else f"camera {camera!r}"
            light = "night" if night else "day"
            why = (
                "they look unlike its background: the camera was moved, or its pictures changed in "
                "size"
                if views
                else "nothing was learnt of it"
            )
            with self._lock:
                self._counts[f"pictures of {named} by {light} left as they were: {why}"] += 1
        return match

    def _views(self, camera: str | None, *, night: bool) -> list[View]:
        from deckwatch_client.background.compare import View

        with self._lock:
            if (camera, night) not in self._loaded:
                self._loaded[camera, night] = [
                    View(each) for each in self._store.of(camera, night=night)
                ]
            return self._loaded[camera, night]

    def _fresh(self) -> None:
        self._loaded: dict[tuple[str | None, bool], list[View]] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"options": self.options, "_store": self._store}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._fresh()


def _named(result: Result, data: bytes) -> Result:
    """The result with the digest of the picture that was given, and not of the one sent."""
    if result.image.sha256 is None:
        return result
    digest = hashlib.sha256(data).hexdigest()
    return replace(result, image=replace(result.image, sha256=digest))
