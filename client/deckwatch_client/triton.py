"""The typed client of the Triton ensemble `deckwatch`, synchronous and asynchronous.

`tritonclient` does the talking. This module adds what every user of the ensemble needs:
one call from an encoded picture to a `Result`, a deadline over the whole call, our own errors
instead of gRPC's, and answers that are never attributed to the wrong release: the release's
version comes with every answer, and its name and labels are read again whenever it changes.

    with TritonClient("127.0.0.1:8001") as triton:
        print(triton.infer(open("deck.jpg", "rb").read()).label)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as aiogrpcclient
from tritonclient.utils import InferenceServerException

from deckwatch_client.channel import Clock, peer
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


@dataclass(frozen=True, slots=True)
class Sent:
    """One picture's request: its tensor, the encoded file, its name, what goes along."""

    inputs: list[Any]
    data: bytes | memoryview
    file: str | None
    request_id: str
    headers: Mapping[str, str] | None


class TritonClient:
    """Asks a Triton server for the fish in one picture; safe to share between threads.

    `address` is host:port of Triton's gRPC service, with or without `grpc://`, or grpcs://host:port
    for TLS, where `ca_file` names the authorities (PEM) that may vouch for it; None are those that
    gRPC knows. Raises UsageError when that file holds none.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout_s: float = 30.0,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        server = peer(address, ca_file)
        self.address, self.url = server.host, server.url
        self.timeout_s = timeout_s
        self._served: dict[int, Served] = {}
        self._triton = grpcclient.InferenceServerClient(self.address, **server.options)

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
        sent = Sent(request_inputs(data), data, file, request_id, headers)
        return self._infer(sent, Clock(self.timeout_s if timeout_s is None else timeout_s))

    def _infer(self, sent: Sent, clock: Clock) -> Result:
        try:
            for _ in range(ATTEMPTS):
                answer = self._triton.infer(
                    ENSEMBLE,
                    sent.inputs,
                    request_id=sent.request_id,
                    client_timeout=clock.left(),
                    headers=sent.headers,
                )
                version = answer_version(answer)
                served = self._served.get(version)
                if served is None:
                    config = self._triton.get_model_config(ENSEMBLE, client_timeout=clock.left())
                    served = _remember(self._served, config.config, version)
                if served is not None:
                    return _read(self._served, answer, served, sent)
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.url, clock) from error
        raise _swapping(self.url)

    def metadata(self, *, timeout_s: float | None = None) -> Served:
        """What the server serves now. Raises ServerError when it cannot be asked."""
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            config = self._triton.get_model_config(ENSEMBLE, client_timeout=clock.left())
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.url, clock) from error
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

    def __init__(
        self,
        address: str,
        *,
        timeout_s: float = 30.0,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        server = peer(address, ca_file)
        self.address, self.url = server.host, server.url
        self.timeout_s = timeout_s
        self._served: dict[int, Served] = {}
        self._triton = aiogrpcclient.InferenceServerClient(self.address, **server.options)

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
        sent = Sent(request_inputs(data), data, file, request_id, headers)
        return await self._infer(sent, Clock(self.timeout_s if timeout_s is None else timeout_s))

    async def _infer(self, sent: Sent, clock: Clock) -> Result:
        try:
            for _ in range(ATTEMPTS):
                answer = await self._triton.infer(
                    ENSEMBLE,
                    sent.inputs,
                    request_id=sent.request_id,
                    client_timeout=clock.left(),
                    headers=sent.headers,
                )
                version = answer_version(answer)
                served = self._served.get(version)
                if served is None:
                    config = await self._triton.get_model_config(
                        ENSEMBLE, client_timeout=clock.left()
                    )
                    served = _remember(self._served, config.config, version)
                if served is not None:
                    return _read(self._served, answer, served, sent)
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.url, clock) from error
        raise _swapping(self.url)

    async def metadata(self, *, timeout_s: float | None = None) -> Served:
        """See `TritonClient.metadata`."""
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            config = await self._triton.get_model_config(ENSEMBLE, client_timeout=clock.left())
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.url, clock) from error
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
    sent: Sent,
) -> Result:
    try:
        return read_result(answer, served, sent.data, sent.file)
    except ServerError:
        # Another release under the same number: the next call reads its labels.
        known.clear()
        raise


def _forgetting(
    known: dict[int, Served], error: InferenceServerException, url: str, clock: Clock
) -> DeckwatchError:
    """The error to raise; a server that went away may come back with another release."""
    ours = translate(error, url, clock.timeout_s)
    if isinstance(ours, ServerUnavailable):
        known.clear()
    return ours


def _swapping(url: str) -> ServerUnavailable:
    return ServerUnavailable(
        f"{url} changed its release {ATTEMPTS} times during one call. Try again."
    )
