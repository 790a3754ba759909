"""The whole stack: the real Triton, a gateway before it, and the shipped photographs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from deckwatch_serving.ports import free_ports
from deckwatch_serving.triton import EmbeddedTriton
from tests.stack.entrances import Stack
from tests.stack.pictures import make_pictures

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
DEADLINE_S = 30.0
KEY = "a-key-of-the-tests-that-opens-every-route"
CAMIO_KEY = "a-key-of-the-tests-for-events-of-camio"


@contextmanager
def gateway_before(triton: EmbeddedTriton, **settings: str) -> Iterator[str]:
    """A gateway in a process of its own before `triton`, ready to answer."""
    (port,) = free_ports(1)
    given = {f"DECKWATCH_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "deckwatch_gateway"],
        env={
            **os.environ,
            "DECKWATCH_TRITON": triton.grpc_url,
            "DECKWATCH_PORT": str(port),
            "DECKWATCH_LOG_LEVEL": "error",
            **given,
        },
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url, process)
        yield url
        assert process.poll() is None, "the gateway did not survive the tests"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


@pytest.fixture(scope="session")
def gateway_url(triton_server: EmbeddedTriton) -> Iterator[str]:
    """A gateway as it comes, before the real Triton."""
    with gateway_before(triton_server) as url:
        yield url


@pytest.fixture(scope="session")
def guarded_url(
    triton_server: EmbeddedTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A gateway that asks for `KEY` and takes Camio's events under `CAMIO_KEY`."""
    with gateway_before(
        triton_server,
        api_keys=f"tests {KEY} classify metrics",
        wrong_keys_a_minute="0",
        camio_keys=CAMIO_KEY,
        camio_queue=str(tmp_path_factory.mktemp("camio") / "events.sqlite"),
        # No name is looked up for a callback of a test.
        camio_callback_hosts="localhost",
        camio_allow_loopback="true",
    ) as url:
        yield url


@pytest.fixture(scope="session")
def stack(triton_server: EmbeddedTriton, gateway_url: str) -> Stack:
    return Stack(triton_server.repository, triton_server.grpc_url, gateway_url)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The photographs and their variants, as files."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for name, content in make_pictures(sorted(PHOTOS.glob("*.jpg"))).items():
        paths.append(folder / name)
        paths[-1].write_bytes(content)
    return paths


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + DEADLINE_S
    while True:
        assert process.poll() is None, "the gateway ended at once"
        assert time.monotonic() < end, "the gateway did not become ready"
        try:
            if httpx2.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return
        except httpx2.ConnectError:
            pass
        time.sleep(0.05)
