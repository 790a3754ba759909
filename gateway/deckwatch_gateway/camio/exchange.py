"""The exchange with Camio in a gateway: keys, queue and worker put together from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from deckwatch_client.ensemble import Served
from deckwatch_gateway.admission import Gate
from deckwatch_gateway.body import BodyReader
from deckwatch_gateway.camio.callback_url import CallbackRules
from deckwatch_gateway.camio.delivery import Callbacks
from deckwatch_gateway.camio.guesses import Guesses
from deckwatch_gateway.camio.labeller import Labelled, Labeller
from deckwatch_gateway.camio.labels import LabelRules
from deckwatch_gateway.camio.metrics import CamioMetrics
from deckwatch_gateway.camio.steps import Pace, Steps
from deckwatch_gateway.camio.store import Limits, Store, open_store
from deckwatch_gateway.camio.worker import Worker
from deckwatch_gateway.keeping import Keeping
from deckwatch_gateway.keys import Key, KeyRing
from deckwatch_gateway.logs import log
from deckwatch_gateway.metrics import Metrics
from deckwatch_gateway.recognition import Recognition
from deckwatch_gateway.settings import PREFIX, Settings
from deckwatch_gateway.traces import Traces
from deckwatch_serving.keep import Origin
from deckwatch_vision.errors import MissingExtra, QueueUnavailable, UsageError
from deckwatch_vision.result import ReleaseInfo

SCOPE = "camio"
# How often the queue is counted, and how often it is tidied, in seconds.
LOOK_S = 1.0
PURGE_S = 60.0


@dataclass(frozen=True, slots=True)
class Desk:
    """What the receiver works with while the exchange is on."""

    bodies: BodyReader
    store: Store
    callbacks: Callbacks
    worker: Worker
    limits: Limits
    max_images: int
    max_bytes: int


class Parts(Protocol):
    """Those parts of the gateway that the exchange works with."""

    @property
    def bodies(self) -> BodyReader: ...
    @property
    def gate(self) -> Gate: ...
    @property
    def recognition(self) -> Recognition: ...
    @property
    def keeping(self) -> Keeping: ...


class Exchange:
    """Everything of Camio's in one gateway; without keys it is off and answers like a wrong key.

    Raises UsageError when the keys or the queue cannot be used, and what to change.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self.metrics = CamioMetrics(metrics.registry)
        self.guesses = Guesses()
        self._keys = _keys(settings)
        # A file may bring the first key later.
        on = bool(self._keys) or settings.camio_keys_file is not None
        self._store = _store(settings) if on else None
        self.desk: Desk | None = None
        self._looking: asyncio.Task[None] | None = None

    def key(self, presented: str) -> Key | None:
        """The key in a path, None where it is wrong."""
        key = self._keys.find(presented)
        return key if key is not None and SCOPE in key.scopes else None

    async def start(
        self, parts: Parts, served: Callable[[ReleaseInfo], Served | None], traces: Traces
    ) -> None:
        """Begin to take events and to work them off, inside the event loop that serves."""
        if self._store is None:
            return
        settings = self._settings
        callbacks = Callbacks(
            CallbackRules.of(settings), timeout_s=settings.camio_callback_timeout_s
        )
        labeller = Labeller(
            parts.recognition, parts.gate, served, LabelRules.of(settings), self.metrics
        )
        pace = Pace(
            max_age_s=settings.camio_max_age_s,
            retry_first_s=settings.camio_retry_first_s,
            retry_longest_s=settings.camio_retry_longest_s,
        )

        async def keep(labelled: Labelled) -> None:
            await _keep(parts.keeping, labelled)

        steps = Steps(self._store, labeller, callbacks, pace, self.metrics, keep)
        worker = Worker(
            self._store,
            steps,
            traces,
            workers=settings.camio_workers,
            lease_s=settings.camio_lease_s,
        )
        self.desk = Desk(
            bodies=parts.bodies.with_limit(settings.camio_max_body_bytes),
            store=self._store,
            callbacks=callbacks,
            worker=worker,
            limits=Limits(settings.camio_max_events, settings.camio_max_queue_bytes),
            max_images=settings.camio_max_images,
            max_bytes=settings.camio_max_body_bytes,
        )
        self._looking = asyncio.create_task(self._look(self._store))

    async def close(self) -> None:
        """Park what is being worked on, and close the queue."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self.desk is not None:
            await self.desk.worker.close()
            await self.desk.callbacks.close()
        if self._store is not None:
            await self._store.close()

    async def _look(self, store: Store) -> None:
        """Keep the gauges fresh and the queue tidy."""
        await store.start()
        waited_s = PURGE_S
        while True:
            try:
                if waited_s >= PURGE_S:
                    await self._purge(store)
                    waited_s = 0.0
                self.metrics.saw(await store.tally())
                self.metrics.up.set(1)
            except QueueUnavailable:  # the worker says so
                self.metrics.up.set(0)
            except Exception:  # or the gauges would stand still and nothing be forgotten
                log.exception("queue not counted")
            await asyncio.sleep(LOOK_S)
            waited_s += LOOK_S

    async def _purge(self, store: Store) -> None:
        gone = await store.purge(
            keep_delivered_s=self._settings.camio_keep_delivered_s,
            keep_dead_s=self._settings.camio_keep_dead_s,
            max_dead=self._settings.camio_max_events,
        )
        if gone:
            self.metrics.forgotten.inc(len(gone))
            log.error(
                "events that were put aside are forgotten", event_ids=gone[:20], all=len(gone)
            )


async def _keep(keeping: Keeping, labelled: Labelled) -> None:
    for image, result in labelled.results:
        camera = labelled.event.camera if labelled.event else None
        origin = Origin.of(camera=camera, captured_at=image.timestamp)
        task = keeping.afterwards(image.picture, result, origin)
        if task is not None:
            await task()


def _keys(settings: Settings) -> KeyRing:
    given, file = settings.camio_keys.get_secret_value(), settings.camio_keys_file
    try:
        return KeyRing(given, file, default_scopes={SCOPE})
    except UsageError as error:
        name = "CAMIO_KEYS" if file is None else "CAMIO_KEYS or _FILE"
        raise UsageError(f"{PREFIX}{name}: {error}") from None


def _store(settings: Settings) -> Store:
    try:
        return open_store(settings.camio_queue)
    except (UsageError, MissingExtra) as error:
        raise UsageError(f"{PREFIX}CAMIO_QUEUE: {error}") from None
