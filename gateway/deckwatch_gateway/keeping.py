"""Keeping pictures worth labelling, for the gateway: after the answer, and never at its expense."""

from __future__ import annotations

from starlette.background import BackgroundTask

from deckwatch_gateway.lists import split_list
from deckwatch_gateway.logs import log
from deckwatch_gateway.metrics import Metrics
from deckwatch_gateway.settings import PREFIX, Settings
from deckwatch_serving.keep import Keeper, Origin, Policy, Store, open_store
from deckwatch_vision.errors import MissingExtra, UsageError
from deckwatch_vision.result import Result


class Keeping:
    """A keeper where the settings name a place to keep pictures, else nothing.

    Raises UsageError when that place cannot be used.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._policy = _policy(settings)
        self._metrics = metrics
        self._store = _open(settings) if settings.keep else None
        self._keeper: Keeper | None = None

    def start(self) -> None:
        """Begin to take pictures."""
        if self._store is not None:
            self._keeper = Keeper(
                self._store, self._policy, count=self._metrics.count_offer, tell=_tell
            )

    def close(self) -> None:
        """Finish what waits, for a few seconds at most."""
        if self._keeper is not None:
            self._keeper.close()

    def afterwards(self, picture: bytes, result: Result, origin: Origin) -> BackgroundTask | None:
        """What is to be done with an answered picture once its answer is sent."""
        if self._keeper is None:
            return None
        return BackgroundTask(_offer, self._keeper, picture, result, origin)


async def _offer(keeper: Keeper, picture: bytes, result: Result, origin: Origin) -> None:
    # `async`, because it takes microseconds: Starlette would call a plain function in a thread.
    keeper.offer(picture, result, origin)


def _open(settings: Settings) -> Store:
    try:
        return open_store(
            settings.keep,
            max_bytes=settings.keep_max_bytes,
            max_pictures=settings.keep_max_pictures,
        )
    except (UsageError, MissingExtra) as error:
        raise UsageError(f"{PREFIX}KEEP={settings.keep!r}: {error}") from None


def _policy(settings: Settings) -> Policy:
    return Policy(
        below=settings.keep_below,
        margin=settings.keep_margin,
        faint=settings.keep_faint,
        sensitive=tuple(split_list(settings.keep_sensitive)),
        seldom=settings.keep_seldom,
        sample=settings.keep_sample,
        least=settings.keep_least,
    )


def _tell(error: Exception | None) -> None:
    if error is None:
        log.info("pictures are kept again")
    else:
        log.error("pictures cannot be kept", kind=type(error).__name__, reason=str(error))
