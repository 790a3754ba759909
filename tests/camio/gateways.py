"""Gateways that take Camio's events, before a Triton that answers at once and never twice alike."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx2
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from deckwatch_gateway.server import GatewayServer
from deckwatch_vision.errors import DeckwatchError, to_wire
from deckwatch_vision.species import DEMO
from tests.gateway.conftest import running_gateway

from .fake import FakeCamio, image
from .queues import DEADLINE_S

KEY = "correct-horse-battery-staple"
OTHER_KEY = "a+b/c%2Fd==~e:f@g"
OTHER_KEY_QUOTED = "".join(f"%{byte:02X}" for byte in OTHER_KEY.encode())
KEYS = f"aurora {KEY},borealis {OTHER_KEY}"
TIMESTAMP = "2017-05-05T01:31:13.738647"


@dataclass
class FastTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """A Triton that sees a shark in every picture, each time a little surer or less sure.

    What labels an event twice is found out by that. `trouble` is called with the event's id for
    each of its images and may raise: a DeckwatchError is answered as the ensemble would, `Away` as
    a server that stops.
    """

    address: str = ""
    trouble: Callable[[str], None] = lambda _: None
    asked: list[str] = field(default_factory=list)
    version: int = 1
    labels: Any = DEMO

    class Away(Exception):  # noqa: N818
        """Answered as UNAVAILABLE."""

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=True)

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        answer = service_pb2.ModelConfigResponse()
        answer.config.name = request.name
        parameters = answer.config.parameters
        parameters["release_name"].string_value = "fast"
        parameters["labels"].string_value = ",".join(self.labels.codes)
        parameters["species"].string_value = json.dumps(self.labels.as_list())
        answer.config.ensemble_scheduling.step.add(model_name="detect", model_version=self.version)
        return answer

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.asked.append(request.id)
        try:
            if _is_event(request.id):
                self.trouble(request.id)
        except self.Away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")
        except DeckwatchError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, to_wire(error))
        return _answer(sure=0.6 + len(self.asked) % 3001 / 10_000, version=self.version)

    @property
    def events(self) -> list[str]:
        """The ids of the requests that were made for events, one an image."""
        return [one for one in self.asked if _is_event(one)]

    @contextmanager
    def running(self) -> Iterator[FastTriton]:
        server = grpc.server(ThreadPoolExecutor(16))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, server)
        port = server.add_insecure_port("127.0.0.1:0")
        self.address = f"grpc://127.0.0.1:{port}"
        server.start()
        try:
            yield self
        finally:
            server.stop(0).wait()


def _is_event(identity: str) -> bool:
    """Whether a request's id names an event, and not the gateway's own warming up."""
    return len(identity) == 64


def _answer(*, sure: float, version: int) -> Any:
    """No fish, and a shark's likelihood; tensors as the ensemble's config.pbtxt has them."""
    rest = (1 - sure) / 3
    tensors = {
        "LIKELIHOODS": np.array([rest, rest, sure, rest], np.float32),
        "BOXES": np.zeros((0, 4), np.float32),
        "SCORES": np.zeros(0, np.float32),
        "FISH_LIKELIHOODS": np.zeros((0, 4), np.float32),
        "SIZE": np.array([48, 64], np.int32),
        "RELEASE": np.array([version], np.int32),
    }
    answer = service_pb2.ModelInferResponse(model_name="deckwatch", model_version="1")
    for name, tensor in tensors.items():
        kind = "FP32" if tensor.dtype == np.float32 else "INT32"
        answer.outputs.add(name=name, datatype=kind, shape=tensor.shape)
        answer.raw_output_contents.append(tensor.tobytes())
    return answer


@dataclass
class Hooked:
    """A gateway with Camio's hooks, and the Camio and the Triton at its two sides."""

    server: GatewayServer
    camio: FakeCamio
    triton: FastTriton
    caller: httpx2.Client
    queue: str

    def send(self, event: dict[str, Any] | bytes, key: str = KEY) -> httpx2.Response:
        """POST an event as Camio does, and expect `ok`."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        answer = self.caller.post(f"/tasks/{key}", content=body)
        assert (answer.status_code, answer.text) == (200, "ok")
        return answer

    def waiting(self, key: str = KEY) -> list[dict[str, Any]]:
        """The events that the gateway says wait."""
        answer = self.caller.get(f"/tasks/{key}")
        assert answer.status_code == 200
        events: list[dict[str, Any]] = answer.json()["events"]
        return events

    def metric(self, name: str) -> float:
        """One line of /metrics, with its labels as they stand there; 0 where there is none."""
        for line in self.caller.get("/metrics").text.splitlines():
            if line.startswith(f"deckwatch_gateway_camio_{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0


def hook_settings(queue: str, triton: str, **settings: Any) -> dict[str, Any]:
    """Settings of a gateway that tries again at once and sends labels to this machine."""
    return {
        "triton": triton,
        "camio_keys": KEYS,
        "camio_queue": queue,
        "camio_allow_loopback": True,
        "camio_retry_first_s": 0.02,
        "camio_retry_longest_s": 0.1,
        "camio_lease_s": 1.0,
        **settings,
    }


def environment(settings: dict[str, Any]) -> dict[str, str]:
    """The same for a gateway that is a process."""
    return {name: str(value) for name, value in settings.items()}


@contextmanager
def hooked_gateway(
    queue: str, triton: FastTriton, camio: FakeCamio, **more: Any
) -> Iterator[Hooked]:
    with (
        running_gateway(**hook_settings(queue, triton.address, **more)) as running,
        httpx2.Client(base_url=running.server.url, timeout=DEADLINE_S, trust_env=False) as caller,
    ):
        yield Hooked(running.server, camio, triton, caller, queue)


def settled(hooked: Hooked) -> None:
    """Wait until no event waits any more."""
    end = time.monotonic() + DEADLINE_S
    while hooked.waiting() or hooked.waiting(OTHER_KEY_QUOTED):
        assert time.monotonic() < end, f"still waiting: {hooked.waiting()}"
        time.sleep(0.01)


def photo(jpeg: bytes, timestamp: Any = TIMESTAMP, **fields: Any) -> dict[str, Any]:
    return image(jpeg, timestamp, **fields)
