"""The servers that are compared, each started on free ports of loopback and ended by its handle."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ways import WAYS
from deckwatch_serving import probe
from deckwatch_serving.child import Child, new_log
from deckwatch_serving.gateway import GatewayProcess
from deckwatch_serving.net import RUNTIME_VARIABLE, choose_runtime
from deckwatch_serving.ports import free_ports
from deckwatch_serving.triton import EmbeddedTriton

_ROOT = Path(__file__).parents[1]
_START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to have a picture recognised.

    Attributes:
        name: in the results.
        way: how it is called, a key of `ways.WAYS`.
        address: the repository for what runs in process, host:port of gRPC, or a port of HTTP.
        equal: whether its nets run at the same precision as those of the arm `bare`.
    """

    name: str
    way: str
    address: str
    equal: bool = True


@dataclass(frozen=True, slots=True)
class Running:
    """The arms that can be asked, and the Triton whose own statistics are read."""

    arms: list[Arm]
    triton: EmbeddedTriton


@contextlib.contextmanager
def start_all(repository: Path) -> Iterator[Running]:
    """Start every server; they are ended with the context.

    Where a release proved a faster runtime and this processor has it, the stack runs a second
    time with it: the arm `gateway-<runtime>-<precision>`.

    Raises:
        DeckwatchError: one of them does not start; the message quotes its log.
    """
    with contextlib.ExitStack() as stack, runtime("onnxruntime"):
        triton = stack.enter_context(EmbeddedTriton(repository))
        arms = [
            Arm("bare", "bare", str(repository)),
            Arm("triton", "grpc", triton.grpc_url),
            Arm("gateway", "gateway", str(start_gateway(stack, triton))),
            Arm("fastapi", "fastapi", _start_plain(stack, "fastapi", repository)),
            Arm("litserve", "litserve", _start_plain(stack, "litserve", repository)),
        ]
        with runtime(None):
            chosen = choose_runtime(triton.release)
            if chosen != ("onnxruntime", "float32"):
                faster = stack.enter_context(EmbeddedTriton(repository))
                name = "-".join(("gateway", *chosen))
                arms.append(Arm(name, "gateway", str(start_gateway(stack, faster)), equal=False))
        yield Running(arms, triton)


@contextlib.contextmanager
def runtime(name: str | None) -> Iterator[None]:
    """What is started meanwhile uses this runtime; None leaves the choice to the release."""
    before = os.environ.pop(RUNTIME_VARIABLE, None)
    if name is not None:
        os.environ[RUNTIME_VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(RUNTIME_VARIABLE, None)
        if before is not None:
            os.environ[RUNTIME_VARIABLE] = before


def python_path() -> dict[str, str]:
    """The environment for `python -m benchmarks...` from any folder."""
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def start_gateway(stack: contextlib.ExitStack, triton: EmbeddedTriton) -> int:
    """Start a gateway before `triton`, ended with `stack`; its port, once it is ready."""
    gateway = GatewayProcess(triton.grpc_url, port=free_ports(1)[0])
    stack.callback(gateway.child.stop)
    gateway.start()
    _wait("gateway", gateway.child, gateway.check_ready)
    return gateway.port


def _start_plain(stack: contextlib.ExitStack, name: str, repository: Path) -> str:
    (port,) = free_ports(1)
    child = Child(
        [sys.executable, "-m", f"benchmarks.arms.plain_{name}", str(port), str(repository)],
        environment=python_path(),
        log=new_log(f"bench-{name}"),
    )
    stack.callback(child.stop)
    child.start()
    way = WAYS[name]
    body = way.body(probe.generated_picture())

    def check() -> None:
        headers = {"Content-Type": way.content_type}
        status, _ = probe.request(port, "POST", way.path, body=body, headers=headers)
        if status != 200:
            raise probe.not_ready(f"The arm {name}", status)

    _wait(name, child, check)
    return str(port)


def _wait(name: str, child: Child, check: Callable[[], None]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    if probe.poll(check, alive=lambda: child.running, deadline=deadline) is not None:
        raise child.failure(name, _START_TIMEOUT_S)
