"""Takes events out of the queue, several at once, and keeps hold of them while they are worked on.

What is done with one of them is in `deckwatch_gateway.camio.steps`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from deckwatch_gateway.camio.steps import Steps
from deckwatch_gateway.camio.store import Claim, Store
from deckwatch_gateway.logs import log
from deckwatch_gateway.traces import Traces
from deckwatch_vision.errors import QueueUnavailable

# How often a worker with nothing to do looks for events that other gateways took in.
POLL_S = 1.0
# How long a stop waits for what is being worked on before it is given back.
FINISH_S = 5.0


class Worker:
    """Works on events out of `store` until it is closed, on at most `workers` at once.

    A claim is ours for `lease_s` seconds and renewed until `steps` are done with its event. Made
    inside the event loop that it works in.
    """

    def __init__(
        self, store: Store, steps: Steps, traces: Traces, *, workers: int, lease_s: float
    ) -> None:
        self._store = store
        self._steps = steps
        self._traces = traces
        self._lease_s = lease_s
        self._news = asyncio.Event()
        self._free = asyncio.Semaphore(workers)
        self._working: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._away = False
        self._serving = asyncio.create_task(self._serve())

    def wake(self) -> None:
        """There may be something to do."""
        self._news.set()

    async def close(self) -> None:
        """Claim nothing more; finish what is being worked on, or give it back to the queue."""
        self._stopping.set()
        self.wake()
        if self._working:
            await asyncio.wait(self._working, timeout=FINISH_S)
        left = list(self._working)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._serving

    async def _serve(self) -> None:
        while not self._stopping.is_set():
            await self._free.acquire()
            if self._stopping.is_set():
                return
            self._news.clear()
            claim = await self._next()
            if claim is None:
                self._free.release()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), POLL_S)
            elif self._stopping.is_set():
                await self._give_back(claim)
            else:
                task = asyncio.create_task(self._work(claim))
                self._working.add(task)
                task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._free.release()

    async def _next(self) -> Claim | None:
        try:
            claim = await self._store.claim(self._lease_s)
        except QueueUnavailable as error:
            if not self._away:
                log.error("the queue is away", reason=str(error))
            self._away = True
            return None
        except Exception:  # or nothing would ever be claimed again
            log.exception("claim failed")
            return None
        if self._away:
            log.info("the queue is back")
            self._away = False
        return claim

    async def _work(self, claim: Claim) -> None:
        renewing = asyncio.create_task(self._renew(claim, asyncio.current_task()))
        wait_s = None
        try:
            with self._traces.work("camio event", _facts(claim)):
                wait_s = await self._steps.advance(claim)
        except asyncio.CancelledError:
            # By a stop, or because the claim is lost; then there is nothing to give back.
            await self._give_back(claim)
            raise
        except QueueUnavailable as error:
            log.warning("event left to its lease", event_id=claim.entry.id, reason=str(error))
        except Exception:
            log.exception("event failed", event_id=claim.entry.id)
            with suppress(QueueUnavailable):
                wait_s = await self._steps.failed(claim)
        finally:
            renewing.cancel()
        if wait_s is not None:
            asyncio.get_running_loop().call_later(wait_s, self.wake)

    async def _give_back(self, claim: Claim) -> None:
        with suppress(QueueUnavailable):  # then its lease runs out
            await self._store.release(claim)

    async def _renew(self, claim: Claim, work: asyncio.Task[None] | None) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            with suppress(QueueUnavailable):
                if not await self._store.renew(claim, self._lease_s) and work is not None:
                    log.warning("claim lost", event_id=claim.entry.id)
                    work.cancel()
                    return


def _facts(claim: Claim) -> dict[str, str | int]:
    """What a trace tells of an event."""
    return {
        "deckwatch.event": claim.entry.id,
        "deckwatch.images": claim.entry.images,
        "deckwatch.state": claim.entry.state,
    }
