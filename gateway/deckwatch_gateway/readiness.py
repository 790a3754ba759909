"""Whether the gateway can recognise a picture: not what Triton says of itself, but a real answer.

A model that Triton calls READY may still be unable to answer (a python backend on the wrong
numpy, a net on a missing device), and a first inference pays for warming up. So whenever Triton
was away or serves another release, one tiny picture must come back recognised before the gateway
asks for traffic.
"""

from __future__ import annotations

import asyncio

import numpy as np

from deckwatch_client.backends import AsyncTriton
from deckwatch_client.ensemble import Served
from deckwatch_gateway.logs import log
from deckwatch_gateway.metrics import Metrics
from deckwatch_vision.errors import DeckwatchError, ServerUnavailable
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.result import ReleaseInfo

PROBE_TIMEOUT_S = 2.0
WARM_UP_PAUSE_S = 0.5


class Readiness:
    """Answers /readyz; `keep_trying` warms up without waiting for a first probe."""

    def __init__(self, triton: AsyncTriton, metrics: Metrics) -> None:
        self._triton = triton
        self._metrics = metrics
        self._picture = encode_jpeg(np.full((16, 16, 3), 114, np.uint8))
        self._release: ReleaseInfo | None = None  # None until a picture was recognised
        self._served: Served | None = None  # what the last successful probe saw
        self._probe: asyncio.Task[ReleaseInfo] | None = None
        self.draining = False

    async def check(self) -> ReleaseInfo:
        """The release that is ready to answer.

        Callers that ask at the same time share one probe. Raises ServerUnavailable or another
        DeckwatchError saying what is missing.
        """
        if self.draining:
            self._metrics.ready.set(0)
            raise ServerUnavailable("The gateway is stopping.")
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._look())
        # Shielded: a prober that hangs up must not take the probe from the others.
        return await asyncio.shield(self._probe)

    async def served(self) -> Served:
        """What `check` gives, with its species and model card. Raises as `check`."""
        await self.check()
        if self._served is None:
            raise ServerUnavailable("No release has been seen yet.")
        return self._served

    async def keep_trying(self) -> None:
        """Warm up: return when the first picture was recognised."""
        while True:
            try:
                release = await self.check()
            except DeckwatchError as error:
                log.debug("not ready", code=error.code, reason=str(error))
                await asyncio.sleep(WARM_UP_PAUSE_S)
            else:
                log.info("ready", release=release.name, version=release.version)
                return

    def doubt(self) -> None:
        """Ask for another picture to be recognised: one that should have been was not.

        Triton goes on saying READY of a step whose process crashed.
        """
        self._release = None

    def drain(self) -> None:
        """Say no from now on, so that load balancers look elsewhere."""
        self.draining = True
        self._metrics.ready.set(0)

    async def close(self) -> None:
        """End a probe that is still under way."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)

    async def _look(self) -> ReleaseInfo:
        try:
            if not await self._triton.ready(timeout_s=PROBE_TIMEOUT_S):
                self._release = None
                raise ServerUnavailable("Triton is away or its ensemble is not loaded.")
            self._served = await self._triton.metadata(timeout_s=PROBE_TIMEOUT_S)
            release = self._served.release
            if release != self._release:
                release = (await self._triton.infer(self._picture)).release
                self._release = release
                self._metrics.saw_release(release)
        except DeckwatchError:
            self._metrics.ready.set(0)
            raise
        self._metrics.ready.set(int(not self.draining))
        return release
