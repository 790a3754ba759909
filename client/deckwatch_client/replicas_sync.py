"""`TritonClient` for several replicas: balanced and retried, without a thread of its own.

What happens in the background of `AsyncReplicatedTriton` happens here within calls: a replica that
is due for a probe gets the next picture, and another replica gets it if that goes wrong.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Self, TypeVar

from deckwatch_client.channel import Clock
from deckwatch_client.pictures import check_size
from deckwatch_client.replicas import Outcome, Policy, Replica, Replicas, outcome_of
from deckwatch_client.replicas_addresses import (
    LOOK_UP_AGAIN_S,
    LOOK_UP_EVERY_S,
    Addresses,
    nobody,
)
from deckwatch_client.served import Served
from deckwatch_client.triton import TritonClient
from deckwatch_vision.errors import DeadlineExceeded, DeckwatchError, ServerError
from deckwatch_vision.result import Result

Found = TypeVar("Found")


class _ProbeLate(Exception):  # noqa: N818
    """A replica that was tried out did not answer in its share of the time."""


class ReplicatedTriton:
    """`TritonClient` for all servers behind `addresses`; safe to share between threads."""

    def __init__(
        self, addresses: Addresses, *, timeout_s: float = 30.0, policy: Policy | None = None
    ) -> None:
        self.timeout_s = timeout_s
        self._addresses = addresses
        self._connect = partial(TritonClient, timeout_s=timeout_s, ca_file=addresses.ca_file)
        self._replicas = Replicas(policy=policy)
        self._clients: dict[Replica, TritonClient] = {}
        self._lock = threading.Lock()
        self._looked_up: float | None = None

    def infer(
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
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        tried: list[Replica] = []

        def ask(client: TritonClient, within_s: float) -> Result:
            return client.infer(
                data, file=file, request_id=request_id, timeout_s=within_s, headers=headers
            )

        while True:
            try:
                return self._ask(ask, tried, clock)
            except _ProbeLate:
                continue
            except ServerError as error:
                with self._lock:
                    again = clock.left() > 0 and self._replicas.may_retry(error, len(tried))
                if not again:
                    raise

    def metadata(self, *, timeout_s: float | None = None) -> Served:
        """See `TritonClient.metadata`; of the first replica that says it."""
        error: DeckwatchError | None = None
        for client in self._all_clients():
            try:
                return client.metadata(timeout_s=timeout_s)
            except DeckwatchError as found:
                error = found
        raise error or nobody(self._addresses)

    def served(self) -> Served:
        """`metadata` within the client's own time."""
        return self.metadata()

    def ready(self, *, timeout_s: float = 2.0) -> bool:
        """Whether at least one replica has every step of the ensemble loaded."""
        return any(client.ready(timeout_s=timeout_s) for client in self._all_clients())

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(
        self, ask: Callable[[TritonClient, float], Found], tried: list[Replica], clock: Clock
    ) -> Found:
        """One attempt. Raises what the replica answered, or _ProbeLate."""
        self._look_up()
        with self._lock:
            if not tried:
                self._replicas.retries.earn()
            others = any(each.in_service for each in self._replicas.all)
            due = [] if tried else self._replicas.due(1)
            probe = due[0] if due else None
            replica = probe or self._replicas.pick(tried)
            if replica is None:
                raise nobody(self._addresses)
            tried.append(replica)
            trial = self._replicas.begin(replica)
            client = self._clients[replica]
        # A replica that hangs must leave time for another one.
        spare = probe is not None and others
        outcome = Outcome.UNKNOWN
        try:
            result = ask(client, clock.left() / 2 if spare else clock.left())
            outcome = Outcome.ANSWERED
            return result
        except DeckwatchError as error:
            outcome = outcome_of(error)
            if spare and isinstance(error, DeadlineExceeded):
                raise _ProbeLate from None
            raise
        finally:
            with self._lock:
                if probe is not None:
                    self._replicas.probed(probe, outcome)
                self._replicas.end(replica, outcome, trial and probe is None)

    def _all_clients(self) -> list[TritonClient]:
        self._look_up()
        with self._lock:
            return [self._clients[each] for each in self._replicas.ranked]

    def _look_up(self) -> None:
        """Find the replicas at the first call, and a name's again as time goes by."""
        with self._lock:
            now = time.monotonic()
            if self._looked_up is not None:
                well = self._clients and all(each.in_service for each in self._replicas.all)
                pause_s = LOOK_UP_EVERY_S if well else LOOK_UP_AGAIN_S
                if self._addresses.fixed or now - self._looked_up < pause_s:
                    return
            self._looked_up = now
        try:
            found = self._addresses.look_up()
        except OSError:
            return
        with self._lock:
            new, left = self._replicas.update(found)
            for replica in new:
                self._clients[replica] = self._connect(self._addresses.url(replica.address))
            for replica in left:
                # Not closed: another thread may be waiting for its last answer. gRPC closes the
                # connection when the last reference is gone.
                del self._clients[replica]
