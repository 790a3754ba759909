"""`AsyncTritonClient` for several replicas: balanced, retried, and hedged where that is wanted.

Replicas that are out of service are probed with a real inference in the background, and a name is
looked up again as time goes by and whenever a replica fails. Each replica has a client of its
own, so that during a rolling swap every answer is read with the labels of the one that gave it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Self

from deckwatch_client.channel import Clock
from deckwatch_client.pictures import check_size
from deckwatch_client.replicas import Call, Outcome, Policy, Replica, Replicas, outcome_of
from deckwatch_client.replicas_addresses import (
    LOOK_UP_AGAIN_S,
    LOOK_UP_EVERY_S,
    Addresses,
    nobody,
)
from deckwatch_client.served import Served
from deckwatch_client.triton import AsyncTritonClient
from deckwatch_serving.probe import generated_picture
from deckwatch_vision.errors import DeckwatchError, ServerError
from deckwatch_vision.result import ReleaseInfo, Result

LOOK_UP_TIMEOUT_S = 5.0

Tell = Callable[[str, bool, str], None]


class AsyncReplicatedTriton:
    """`AsyncTritonClient` for all servers behind `addresses`.

    Args:
        addresses: see `parse_addresses`.
        timeout_s: longest wait for an answer, over all attempts.
        hedge_after_s: ask a second replica where the first has not answered by then; None never.
        tell: called with an address, whether it is in service, and why, when that changes.
        policy: when replicas are ejected.
    """

    def __init__(
        self,
        addresses: Addresses,
        *,
        timeout_s: float = 30.0,
        hedge_after_s: float | None = None,
        tell: Tell = lambda address, in_service, reason: None,
        policy: Policy | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self.retried = self.hedged = self.hedges_won = 0
        self._addresses = addresses
        self._connect = partial(AsyncTritonClient, timeout_s=timeout_s, ca_file=addresses.ca_file)
        self._hedge_after_s = hedge_after_s
        self._tell_address = tell
        self._replicas = Replicas(policy=policy, tell=self._tell)
        self._clients: dict[Replica, AsyncTritonClient] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._starting = asyncio.Lock()
        self._started = False
        self._looked_up = 0.0
        self._found = True

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """Every replica now; not to be changed."""
        return self._replicas.all

    async def infer(
        self,
        data: bytes | memoryview,
        *,
        file: str | None = None,
        request_id: str = "",
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Result:
        """See `TritonClient.infer`; what one replica fails at is tried on another."""
        check_size(len(data))
        await self._start()
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        call = Call(data, file, request_id, headers, clock)
        self._replicas.retries.earn()
        if self._hedge_after_s is None:
            return await self._attempts(call)
        return await self._hedge(call, self._hedge_after_s)

    async def metadata(self, *, timeout_s: float | None = None) -> Served:
        """See `TritonClient.metadata`; of the first replica that says it."""
        await self._start()
        error: DeckwatchError = nobody(self._addresses)
        for client in self._ranked():
            try:
                return await client.metadata(timeout_s=timeout_s)
            except DeckwatchError as found:
                error = found
        raise error

    async def served(self) -> Served:
        """`metadata` within the client's own time."""
        return await self.metadata()

    def known(self, release: ReleaseInfo) -> Served | None:
        """See `AsyncTritonClient.known`."""
        found = (client.known(release) for client in self._clients.values())
        return next(filter(None, found), None)

    async def ready(self, *, timeout_s: float = 2.0) -> bool:
        """Whether at least one replica has every step of the ensemble loaded."""
        await self._start()
        asking = {
            asyncio.ensure_future(client.ready(timeout_s=timeout_s)) for client in self._ranked()
        }
        try:
            for answer in asyncio.as_completed(asking):
                if await answer:
                    return True
            return False
        finally:
            for each in asking:
                each.cancel()

    async def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _attempts(self, call: Call) -> Result:
        while True:
            try:
                return await self._ask(call)
            except ServerError as error:
                if call.clock.left() <= 0 or not self._replicas.may_retry(error, len(call.tried)):
                    raise
                self.retried += 1

    async def _hedge(self, call: Call, after_s: float) -> Result:
        self._replicas.hedges.earn()
        first = asyncio.ensure_future(self._attempts(call))
        asked = {first}
        try:
            await asyncio.wait(asked, timeout=after_s)
            if first.done() or len(call.tried) >= len(self._clients):
                return await first
            if not self._replicas.hedges.spend():
                return await first
            self.hedged += 1
            second = asyncio.ensure_future(self._ask(call))
            asked.add(second)
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            won, other = (first, second) if first.done() else (second, first)
            if isinstance(won.exception(), ServerError):
                won = other
            result = await won
            self.hedges_won += won is second
            return result
        finally:
            for each in asked:
                each.cancel()
            # Or asyncio would complain of an error that nobody looked at.
            await asyncio.gather(*asked, return_exceptions=True)

    async def _ask(self, call: Call) -> Result:
        """One attempt. Raises what the replica answered."""
        replica = self._replicas.pick(call.tried)
        if replica is None:
            raise nobody(self._addresses)
        call.tried.append(replica)
        trial = self._replicas.begin(replica)
        outcome = Outcome.UNKNOWN
        try:
            result = await self._clients[replica].infer(
                call.data,
                file=call.file,
                request_id=call.request_id,
                timeout_s=call.clock.left(),
                headers=call.headers,
            )
            outcome = Outcome.ANSWERED
            return result
        except DeckwatchError as error:
            outcome = outcome_of(error)
            raise
        finally:
            self._replicas.end(replica, outcome, trial)

    async def _start(self) -> None:
        """Find the replicas, at the first call."""
        if self._started:
            return
        async with self._starting:
            if not self._started:
                await self._look_up()
                self._spawn(self._tend())
                self._started = True

    async def _tend(self) -> None:
        """Probe replicas and look their name up, for as long as this client lives."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            for replica in self._replicas.due():
                self._spawn(self._probe(replica))
            pauses = [self._replicas.next_due_s()]
            if not self._addresses.fixed:
                every_s = LOOK_UP_EVERY_S if self._healthy() else LOOK_UP_AGAIN_S
                if loop.time() - self._looked_up >= every_s:
                    await self._look_up()
                pauses.append(max(0.0, self._looked_up + every_s - loop.time()))
            wait_s = min((each for each in pauses if each is not None), default=None)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _probe(self, replica: Replica) -> None:
        outcome = Outcome.UNKNOWN
        try:
            await self._clients[replica].infer(generated_picture())
            outcome = Outcome.ANSWERED
        except DeckwatchError as error:
            outcome = outcome_of(error)
        finally:
            self._replicas.probed(replica, outcome)
            self._wake.set()

    async def _look_up(self) -> None:
        """Take over the addresses of the name; where it has none, keep those there were."""
        if self._addresses.fixed:
            found = self._addresses.fixed
        else:
            try:
                async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                    found = await asyncio.to_thread(self._addresses.look_up)
            except OSError:  # a time-out is one, too
                found = ()
            self._looked_up = asyncio.get_running_loop().time()
            if bool(found) is not self._found:
                self._found = bool(found)
                self._tell_address(self._addresses.name, self._found, "looked up")
        new, left = self._replicas.update(found)
        for replica in new:
            self._clients[replica] = self._connect(self._addresses.url(replica.address))
        for replica in left:
            self._spawn(self._retire(replica))

    async def _retire(self, replica: Replica) -> None:
        """Close the connection to a replica that left, once its last answer came."""
        client = self._clients.pop(replica)
        try:
            async with asyncio.timeout(self.timeout_s):
                while replica.in_flight:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass
        finally:
            await client.close()

    def _healthy(self) -> bool:
        return self._found and all(each.in_service for each in self._replicas.all)

    def _ranked(self) -> list[AsyncTritonClient]:
        """All clients, those in service first."""
        return [self._clients[each] for each in self._replicas.ranked]

    def _tell(self, replica: Replica, reason: str) -> None:
        self._tell_address(replica.address, replica.in_service, reason)
        self._wake.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
