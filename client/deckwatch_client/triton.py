"""The typed client of the Triton ensemble `deckwatch`, synchronous and asynchronous.

`tritonclient` does the talking. This module adds what every user of the ensemble needs:
one call from an encoded picture to a `Result`, a deadline over the whole call, our own errors
instead of gRPC's, and answers that are never attributed to the wrong release: the release's
version comes with every answer, and its name and labels are read again whenever it changes.

    with TritonClient("127.0.0.1:8001") as triton:
        print(triton.infer(open("deck.jpg", "rb").read()).label)
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as aiogrpcclient
from deckwatch_vision.errors import (
    DeadlineExceeded,
    DeckwatchError,
    EmptyImage,
    ImageTooLarge,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    from_wire,
)
from deckwatch_vision.images import MAX_BYTES
from deckwatch_vision.result import ReleaseInfo, Result, from_arrays
from tritonclient.utils import InferenceServerException

ENSEMBLE = "deckwatch"
OUTPUTS = ("LIKELIHOODS", "BOXES", "SCORES", "FISH_LIKELIHOODS", "SIZE", "RELEASE")

# An answer given just before a swap may meet the configuration written just after it; the
# second attempt then meets the new release. Two swaps within one call do not happen.
ATTEMPTS = 3

# gRPC waits up to two minutes between attempts to reconnect; a restarted Triton is back in
# seconds, so a lost connection is retried at least every second.
CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
LOOPBACK = ("127.", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Served:
    """What a server answers with: the release and its label codes, in tensor order."""

    release: ReleaseInfo
    labels: tuple[str, ...]


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
    ) -> Result:
        """Recognise the fish in one encoded picture.

        `file` is only noted in the result. `timeout_s` bounds the whole call and stands in for
        the client's own. Raises what the ensemble refused the picture with (an `ImageError`),
        or a `ServerError` when the server cannot be reached, is overloaded or too late.
        """
        inputs = request_inputs(data)
        clock = _Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            for _ in range(ATTEMPTS):
                answer = self._triton.infer(
                    ENSEMBLE, inputs, request_id=request_id, client_timeout=clock.left()
                )
                version = answer_version(answer)
                if version not in self._served:
                    config = self._triton.get_model_config(ENSEMBLE, client_timeout=clock.left())
                    _remember(self._served, config.config, version)
                if version in self._served:
                    return answer_result(answer, self._served[version], data, file)
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.address, clock) from error
        raise _swapping(self.address)

    def metadata(self, *, timeout_s: float | None = None) -> Served:
        """What the server serves now. Raises ServerError when it cannot be asked."""
        clock = _Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            config = self._triton.get_model_config(ENSEMBLE, client_timeout=clock.left())
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.address, clock) from error
        return read_served(config.config)

    def ready(self, *, timeout_s: float = 2.0) -> bool:
        """Whether the server can be reached and has every step of the ensemble loaded."""
        try:
            return bool(self._triton.is_model_ready(ENSEMBLE, client_timeout=timeout_s))
        except InferenceServerException:
            return False

    def close(self) -> None:
        self._triton.close()

    def __enter__(self) -> TritonClient:
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
    ) -> Result:
        """See `TritonClient.infer`. Cancelling the task cancels the request in Triton."""
        inputs = request_inputs(data)
        clock = _Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            for _ in range(ATTEMPTS):
                answer = await self._triton.infer(
                    ENSEMBLE, inputs, request_id=request_id, client_timeout=clock.left()
                )
                version = answer_version(answer)
                if version not in self._served:
                    config = await self._triton.get_model_config(
                        ENSEMBLE, client_timeout=clock.left()
                    )
                    _remember(self._served, config.config, version)
                if version in self._served:
                    return answer_result(answer, self._served[version], data, file)
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.address, clock) from error
        raise _swapping(self.address)

    async def metadata(self, *, timeout_s: float | None = None) -> Served:
        """See `TritonClient.metadata`."""
        clock = _Clock(self.timeout_s if timeout_s is None else timeout_s)
        try:
            config = await self._triton.get_model_config(ENSEMBLE, client_timeout=clock.left())
        except InferenceServerException as error:
            raise _forgetting(self._served, error, self.address, clock) from error
        return read_served(config.config)

    async def ready(self, *, timeout_s: float = 2.0) -> bool:
        """See `TritonClient.ready`."""
        try:
            return bool(await self._triton.is_model_ready(ENSEMBLE, client_timeout=timeout_s))
        except InferenceServerException:
            return False

    async def close(self) -> None:
        await self._triton.close()

    async def __aenter__(self) -> AsyncTritonClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def request_inputs(data: bytes | memoryview) -> list[Any]:
    """The request's one tensor, IMAGE: the encoded file as UINT8 [bytes].

    Refuses here what the ensemble would refuse anyway, before megabytes go over the wire.
    Raises EmptyImage, ImageTooLarge.
    """
    if not len(data):
        raise EmptyImage("the picture has 0 bytes. Check that the file was written completely.")
    if len(data) > MAX_BYTES:
        raise ImageTooLarge(
            f"the picture has {len(data):,} bytes; at most {MAX_BYTES:,} are accepted. "
            "Save it smaller or with stronger compression."
        )
    image = grpcclient.InferInput("IMAGE", [len(data)], "UINT8")
    image.set_data_from_numpy(np.frombuffer(data, np.uint8))
    return [image]


def answer_version(answer: Any) -> int:
    """The version of the release that gave this answer."""
    return int(answer.as_numpy("RELEASE")[0])


def answer_result(
    answer: Any, served: Served, data: bytes | memoryview, file: str | None
) -> Result:
    """The `Result` in an answer's tensors (shapes: the ensemble's config.pbtxt)."""
    tensors = [answer.as_numpy(name) for name in OUTPUTS[:5]]
    likelihoods, boxes, scores, fish_likelihoods, size = tensors
    height, width = (int(side) for side in size)
    return from_arrays(
        likelihoods,
        boxes,
        scores,
        fish_likelihoods,
        (height, width),
        served.labels,
        served.release,
        file,
        hashlib.sha256(data).hexdigest(),
    )


def read_served(config: Any) -> Served:
    """The release an ensemble's configuration names, with the version its steps are pinned to.

    Raises ServerError when the configuration carries no release.
    """
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    versions = {int(step.model_version) for step in config.ensemble_scheduling.step}
    if not {"release_name", "labels"} <= parameters.keys() or len(versions) != 1:
        raise ServerError(
            f"the server's model {ENSEMBLE!r} names no release (parameters "
            f"{sorted(parameters)}, step versions {sorted(versions)}). Load a release published "
            "by Deckwatch: its ensemble carries release_name, labels and one pinned version."
        )
    release = ReleaseInfo(name=parameters["release_name"], version=versions.pop())
    return Served(release, tuple(parameters["labels"].split(",")))


def translate(error: InferenceServerException, address: str, timeout_s: float) -> DeckwatchError:
    """Our error for what gRPC or Triton reported; `address` and `timeout_s` go into its text."""
    text = str(error.message() or "")
    first_line = text.partition("\n")[0]
    status = str(error.status()).removeprefix("StatusCode.")
    carried = from_wire(text)
    if carried is not None:
        return carried
    if status == "DEADLINE_EXCEEDED" or "timeout expired" in text:
        return DeadlineExceeded(
            f"grpc://{address} gave no answer within {timeout_s:g} s. "
            "Try again, or allow more time."
        )
    if status == "RESOURCE_EXHAUSTED" or "maximum queue size" in text:
        return ServerOverloaded(
            f"grpc://{address} has too many pictures waiting ({first_line}). Try again later."
        )
    if status in ("UNAVAILABLE", "NOT_FOUND"):
        return ServerUnavailable(
            f"grpc://{address} does not serve {ENSEMBLE!r} ({first_line}). "
            "Start it with `deckwatch up`, or check the address."
        )
    return ServerError(
        f"grpc://{address} failed with {status} ({first_line}). Look into the server's log."
    )


class _Clock:
    """The time left of one call's deadline, in seconds."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    def left(self) -> float:
        return self._end - time.monotonic()


def _channel_args(address: str) -> list[tuple[str, int]]:
    """gRPC would send even loopback traffic through the proxy of http_proxy."""
    return [*CHANNEL, ("grpc.enable_http_proxy", int(not address.startswith(LOOPBACK)))]


def _remember(known: dict[int, Served], config: Any, answered: int) -> None:
    """Note what the server serves, unless it is not what answered (a swap in between)."""
    served = read_served(config)
    if served.release.version == answered:
        known[answered] = served


def _forgetting(
    known: dict[int, Served], error: InferenceServerException, address: str, clock: _Clock
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
