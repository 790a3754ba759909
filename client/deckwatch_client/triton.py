"""The typed client of the Triton ensemble `deckwatch`, synchronous and asynchronous.

`tritonclient` does the talking. This module adds what every user of the ensemble needs:
one call from an encoded picture to a `Result`, a deadline over the whole call, our own errors
instead of gRPC's, and answers that are never attributed to the wrong release: the release's
version comes with every answer, and its name and labels are read again whenever it changes.

    with TritonClient("127.0.0.1:8001") as triton:
        print(triton.infer(open("deck.jpg", "rb").read()).label)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Self

import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as aiogrpcclient
from tritonclient.utils import InferenceServerException

from deckwatch_client.backends import is_loopback
from deckwatch_client.ensemble import (
    ENSEMBLE,
    answer_version,
    read_result,
    read_served,
    request_inputs,
    translate,
)
from deckwatch_client.served import Served
from deckwatch_vision.errors import DeckwatchError, ServerError, ServerUnavailable
from deckwatch_vision.result import ReleaseInfo, Result

# An answer given just before a swap may meet the configuration written just after it; the
# second attempt then meets the new release. Two swaps within one call do not happen.
ATTEMPTS = 3

# gRPC waits up to two minutes between attempts to reconnect; a restarted Triton is back in
# seconds, so a lost connection is retried at least every second. "min_reconnect_backoff" is how
# long one attempt may take: enough for a slow network, not the 20 s spent on a pod that is gone.
# A peer that vanished without a word acknowledges nothing: TCP gives it five seconds
# ("keepalive_timeout"), pings of a connection that only looks alive ten ("ping_timeout", without
# which they have a minute, whatever is said of keepalive). Two pings without data between them is
# what servers stand by default.
CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 2),
]


class TritonClient:
    """Asks a Triton server for the fish in one picture; safe to share between threads.

    `address` is host:port of Triton's gRPC service, with or without `grpc://`.
    """

    def __init__(self, address: str, *, timeout_s: float = 30.0) -> None:
        self.address = address.removeprefix("grpc://")
        self.timeout_s = timeout_s
        self._served: dict[int, Served] = {}
        self._triton = grpcclient.InferenceServerClient(
            self.address, channel_args=_channel_args(self.address)
        )

    def infer(
        self,
        data: bytes | memoryview,
        *,
        file: str | None = None,
        request_id: str = "",
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Result:
        """Recognise the fish in one encoded picture.

        `file` is only noted in the result. `timeout_s` bounds the whole call and stands in for
        the client's own. `headers` go along as gRPC metadata. Raises what the ensemble refused
        the picture with (an `ImageError`), or a `ServerError` when the server cannot be reached,
        is overloaded or too late.
        """
        inputs = request_inputs(data)
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            for _ in range(ATTEMPTS):
                answer = self._triton.infer(
                    ENSEMBLE,
                    inputs,
                    request_id=request_id,
                    client_timeout=clock.left(),
                    headers=headers,
                )
                version = answer_version(answer)
                served = self._served.get(version)
                if served is None:
                    config = self._triton.get_model_config(ENSEMBLE, client_timeout=clock.left())
                    served = _remember(self._served, config.config, version)
                if served is not None:
                    return _read(self._served, answer, served, data, file)
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.address, clock) from error
        raise _swapping(self.address)

    def metadata(self, *, timeout_s: float | None = None) -> Served:
        """What the server serves now. Raises ServerError when it cannot be asked."""
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            config = self._triton.get_model_config(ENSEMBLE, client_timeout=clock.left())
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.address, clock) from error
        return read_served(config.config)

    def served(self) -> Served:
        """`metadata` within the client's own time."""
        return self.metadata()

    def ready(self, *, timeout_s: float = 2.0) -> bool:
        """Whether the server can be reached and has every step of the ensemble loaded."""
        try:
            return bool(self._triton.is_model_ready(ENSEMBLE, client_timeout=timeout_s))
        except InferenceServerException:
            return False

    def close(self) -> None:
        """Close the connection."""
        self._triton.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncTritonClient:
    """`TritonClient` with await, for one event loop; make it inside that loop."""

    def __init__(self, address: str, *, timeout_s: float = 30.0) -> None:
        self.address = address.removeprefix("grpc://")
        self.timeout_s = timeout_s
        self._served: dict[int, Served] = {}
        self._triton = aiogrpcclient.InferenceServerClient(
            self.address, channel_args=_channel_args(self.address)
        )

    async def infer(
        self,
        data: bytes | memoryview,
        *,
        file: str | None = None,
        request_id: str = "",
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Result:
        """See `TritonClient.infer`. Cancelling the task cancels the request in Triton."""
        inputs = request_inputs(data)
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            for _ in range(ATTEMPTS):
                answer = await self._triton.infer(
                    ENSEMBLE,
                    inputs,
                    request_id=request_id,
                    client_timeout=clock.left(),
                    headers=headers,
                )
                version = answer_version(answer)
                served = self._served.get(version)
                if served is None:
                    config = await self._triton.get_model_config(
                        ENSEMBLE, client_timeout=clock.left()
                    )
                    served = _remember(self._served, config.config, version)
                if served is not None:
                    return _read(self._served, answer, served, data, file)
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.address, clock) from error
        raise _swapping(self.address)

    async def metadata(self, *, timeout_s: float | None = None) -> Served:
        """See `TritonClient.metadata`."""
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            config = await self._triton.get_model_config(ENSEMBLE, client_timeout=clock.left())
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.address, clock) from error
        return read_served(config.config)

    async def served(self) -> Served:
        """`metadata` within the client's own time."""
        return await self.metadata()

    def known(self, release: ReleaseInfo) -> Served | None:
        """What is served with `release`, without asking; known of one that gave an answer."""
        served = self._served.get(release.version)
        return served if served is not None and served.release == release else None

    async def ready(self, *, timeout_s: float = 2.0) -> bool:
        """See `TritonClient.ready`."""
        try:
            return bool(await self._triton.is_model_ready(ENSEMBLE, client_timeout=timeout_s))
        except InferenceServerException:
            return False

    async def close(self) -> None:
        """Close the connection."""
        await self._triton.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Clock:
    """The time left of one call's deadline, in seconds."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    def left(self) -> float:
        """Negative once it is over."""
        return self._end - time.monotonic()


def _channel_args(address: str) -> list[tuple[str, int]]:
    """Ours, and no proxy for loopback: gRPC would send even loopback traffic to http_proxy."""
    return [*CHANNEL, ("grpc.enable_http_proxy", int(not is_loopback(address)))]


def _remember(known: dict[int, Served], config: Any, answered: int) -> Served | None:
    """Note what the server serves; None if it is not what answered (a swap in between)."""
    served = read_served(config)
    if served.release.version != answered:
        return None
    known[answered] = served
    return served


def _read(
    known: dict[int, Served],
    answer: grpcclient.InferResult,
    served: Served,
    data: bytes | memoryview,
    file: str | None,
) -> Result:
    try:
        return read_result(answer, served, data, file)
    except ServerError:
        # Another release under the same number: the next call reads its labels.
        known.clear()
        raise


def _forgetting(
    known: dict[int, Served], error: InferenceServerException, address: str, clock: Clock
) -> DeckwatchError:
    """The error to raise; a server that went away may come back with another release."""
    ours = translate(error, address, clock.timeout_s)
    if isinstance(ours, ServerUnavailable):
        known.clear()
    return ours


def _swapping(address: str) -> ServerUnavailable:
    return ServerUnavailable(
        f"grpc://{address} changed its release {ATTEMPTS} times during one call. Try again."
    )
