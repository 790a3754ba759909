"""A battery of bad files against the running stack: no crash, no 5xx, no memory lost."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from deckwatch_serving.gateway import GatewayProcess
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.errors import ImageError, from_wire
from tests.serving.processes import family, running_gateway
from tests.stack.bad_files import BadFile, battery
from tests.stack.entrances import image_tensor

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "shark.jpg"
MIB = 1 << 20
# What allocators keep for later, over six processes; a single bomb would take more.
SPARE = 96 * MIB


@pytest.fixture(scope="module")
def files() -> list[BadFile]:
    return list(battery(PHOTO.read_bytes()))


@pytest.fixture(scope="module")
def servers(triton_server: EmbeddedTriton) -> Iterator[tuple[EmbeddedTriton, GatewayProcess]]:
    """The real Triton and a gateway of this module's own."""
    with running_gateway(triton_server.grpc_url) as gateway:
        yield triton_server, gateway


def resident(pid: int) -> int:
    """Bytes of memory of a process and all that came of it."""
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_it_is_a_battery(files: list[BadFile]) -> None:
    assert len(files) >= 200
    kinds = Counter(each.name.partition("-")[0] for each in files)
    assert {"truncated", "flipped", "bomb", "lie", "polyglot", "none"} <= kinds.keys()


def test_the_gateway_survives_the_battery(
    servers: tuple[EmbeddedTriton, GatewayProcess], files: list[BadFile]
) -> None:
    triton, gateway = servers
    pids = [each.child.pid for each in servers]
    assert all(pids)
    processes = [set(family(pid)) for pid in pids if pid]
    with httpx2.Client(base_url=gateway.url, trust_env=False, timeout=60) as http:
        expected = http.post("/classifyfish", content=PHOTO.read_bytes()).json()
        for each in files[::4]:  # allocators get to know the work
            post(http, each)
        before = sum(resident(pid) for pid in pids if pid)
        wrong = []
        for each in files:
            status = post(http, each)
            if status not in each.statuses:
                wrong.append((each.name, status, len(each.content)))
        assert not wrong
        assert http.post("/classifyfish", content=PHOTO.read_bytes()).json() == expected
    after = sum(resident(pid) for pid in pids if pid)
    assert after - before < SPARE, f"{(after - before) / MIB:.0f} MiB more than before"
    assert [set(family(pid)) for pid in pids if pid] == processes, "a process was started anew"
    assert triton.broken() is None


def post(http: httpx2.Client, file: BadFile) -> int:
    """The status for a file sent as a form, under its own name; errors must be ours."""
    answer = http.post("/v1/classify", files={"image": (file.name, file.content)})
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json", file.name
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["detail"], file.name
        for leak in ("Traceback", "/home", "/tmp", ".py", "cv2", "grpc"):
            assert leak not in answer.text, file.name
    return answer.status_code


def test_triton_alone_survives_the_worst(
    servers: tuple[EmbeddedTriton, GatewayProcess], files: list[BadFile]
) -> None:
    """Whoever calls Triton passes no gateway: each step defends itself."""
    triton, _ = servers
    worst = [each for each in files if each.name.startswith(("bomb", "lie", "polyglot", "none"))]
    address = triton.grpc_url.removeprefix("grpc://")
    with grpcclient.InferenceServerClient(address) as client:
        for each in worst:
            if not each.content:
                continue  # tritonclient sends no tensor of no elements
            error = asked(client, each.content)
            if error is None:
                assert 200 in each.statuses, each.name
            else:
                assert isinstance(error, ImageError), (each.name, error)
    assert triton.broken() is None


def asked(client: grpcclient.InferenceServerClient, content: bytes) -> Exception | None:
    """What Triton refuses a file with, None where it answers."""
    try:
        client.infer("deckwatch", [image_tensor(content)], client_timeout=60)
    except InferenceServerException as error:
        return from_wire(str(error.message())) or error
    return None
