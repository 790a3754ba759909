"""From an event to the bytes of its labels, through the same recognition as every other picture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deckwatch_client.ensemble import Served
from deckwatch_gateway.admission import Gate
from deckwatch_gateway.camio.event import Event, EventImage, parse_event
from deckwatch_gateway.camio.labels import LabelRules, answer, image_labels
from deckwatch_gateway.camio.metrics import CamioMetrics
from deckwatch_gateway.logs import log
from deckwatch_gateway.recognition import Recognition
from deckwatch_gateway.responses import encode_json
from deckwatch_vision.errors import ImageError, ServerError
from deckwatch_vision.result import ReleaseInfo, Result
from deckwatch_vision.species import Species

# An event was accepted under the limit of its day; that it waited must not lose it.
MAX_IMAGES = 1000
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labels of an event as they are sent, and the results they were made of."""

    answer: bytes
    event: Event | None
    results: tuple[tuple[EventImage, Result], ...]


class Labeller:
    """Recognises an event's images one after the other, giving way to callers who wait.

    Args:
        recognition: asks Triton.
        gate: bounds what Triton is asked at once.
        served: what is served with a release that gave an answer.
        rules: names and threshold of the labels.
        metrics: counts the images.
    """

    def __init__(
        self,
        recognition: Recognition,
        gate: Gate,
        served: Callable[[ReleaseInfo], Served | None],
        rules: LabelRules,
        metrics: CamioMetrics,
    ) -> None:
        self._recognition = recognition
        self._gate = gate
        self._served = served
        self._rules = rules
        self._metrics = metrics

    async def label(self, body: bytes, identity: str) -> Labelled:
        """The labels of the event in `body`; `identity` names it in Triton's log.

        An image that cannot be read gets none. Raises CamioEventError when `body` is no event, a
        ServerError when Triton is at fault: then nothing is known, and it is worth another try.
        """
        event = await asyncio.to_thread(parse_event, body, max_images=MAX_IMAGES)
        labels: list[tuple[str, dict[str, dict[str, Any]]]] = []
        results = []
        camera = event.camera if event else ""
        for image in event.images if event else ():
            try:
                result, species = await self._recognise(image.picture, identity, camera)
            except ImageError as error:
                self._metrics.images["unreadable"].inc()
                log.info("image not readable", event_id=identity, code=error.code)
                labels.append((image.timestamp, {}))
            else:
                self._metrics.images["recognised"].inc()
                labels.append((image.timestamp, image_labels(result, self._rules, species, image)))
                results.append((image, result))
        return Labelled(encode_json(answer(labels)), event, tuple(results))

    async def _recognise(
        self, picture: bytes, identity: str, camera: str
    ) -> tuple[Result, tuple[Species, ...]]:
        """A result, and the species of the release that gave it."""
        self._recognition.check(picture)
        for _ in range(ATTEMPTS):
            async with self._gate.enter(patient=True):
                result = await self._recognition.ask(picture, request_id=identity, camera=camera)
            # Triton may have gone away since; then what it served is forgotten.
            served = self._served(result.release)
            if served is not None:
                return result, served.species
        raise ServerError("What was served with an answer is not known. Try again later.")
