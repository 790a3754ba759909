"""Servers of Triton's protocol that play what the real one does in bad moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

LABELS = {1: "NoF,SHARK", 2: "SHARK,NoF", 3: "NoF,SHARK,RAY"}


@dataclass
class Triton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """A server of Triton's protocol that plays what the real one does in bad moments.

    `answering` and `configured` are the releases of its answers and of its configuration, one
    after the other; the last one stays. `refusal` is what it says instead.
    """

    answering: list[int] = field(default_factory=lambda: [1])
    configured: list[int] = field(default_factory=lambda: [1])
    refusal: tuple[grpc.StatusCode, str] | None = None
    address: str = ""
    credentials: grpc.ServerCredentials | None = None  # for TLS
    configs_read: int = 0
    inferences: int = 0
    # Called with the number of each inference; may abort it, or hold it up.
    before: Callable[[int, grpc.ServicerContext], object] = lambda number, context: None

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.inferences += 1
        self.before(self.inferences, context)
        if self.refusal is not None:
            context.abort(*self.refusal)
        version = self.answering.pop(0) if len(self.answering) > 1 else self.answering[0]
        classes = LABELS[version].count(",") + 1
        likelihoods = np.full(classes, 0.1, np.float32)
        likelihoods[-1] = 0.8
        tensors = {
            "LIKELIHOODS": likelihoods,
            "BOXES": np.zeros((0, 4), np.float32),
            "SCORES": np.zeros(0, np.float32),
            "FISH_LIKELIHOODS": np.zeros((0, classes), np.float32),
            "SIZE": np.array([48, 64], np.int32),
            "RELEASE": np.array([version], np.int32),
        }
        answer = service_pb2.ModelInferResponse(model_name=request.model_name)
        for name, tensor in tensors.items():
            datatype = "INT32" if tensor.dtype == np.int32 else "FP32"
            answer.outputs.add(name=name, datatype=datatype, shape=tensor.shape)
            answer.raw_output_contents.append(tensor.tobytes())
        return answer

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.configs_read += 1
        version = self.configured.pop(0) if len(self.configured) > 1 else self.configured[0]
        answer = service_pb2.ModelConfigResponse()
        if version:
            answer.config.parameters["release_name"].string_value = f"release {version}"
            answer.config.parameters["labels"].string_value = LABELS[version]
            answer.config.ensemble_scheduling.step.add(model_name="a", model_version=version)
            answer.config.ensemble_scheduling.step.add(model_name="b", model_version=version)
        return answer

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=self.refusal is None)

    @property
    def host(self) -> str:
        """Address without its scheme."""
        return self.address.partition("://")[2]

    def start(self) -> None:
        """Serve, at the address of before if there was one."""
        # Without SO_REUSEPORT a port that somebody else took is an error, not half a server.
        self.server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self.server)
        place = self.host or "127.0.0.1:0"
        if self.credentials is None:
            self.address = f"grpc://127.0.0.1:{self.server.add_insecure_port(place)}"
        else:
            port = self.server.add_secure_port(place, self.credentials)
            self.address = f"grpcs://127.0.0.1:{port}"
        self.server.start()

    def die(self) -> None:
        """Stop at once, whatever is in flight."""
        self.server.stop(0).wait()


@contextmanager
def serving(triton: Triton) -> Iterator[Triton]:
    """Runs `triton` for as long as the block lasts, unless it dies before."""
    triton.start()
    try:
        yield triton
    finally:
        triton.die()
