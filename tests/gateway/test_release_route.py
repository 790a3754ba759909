"""GET /v1/release: the release in full, cheaply, and only while there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deckwatch_client.ensemble import Served
from deckwatch_gateway.release_route import describe
from deckwatch_gateway.release_schema import EXAMPLE, SCHEMAS
from deckwatch_serving.repository import open_release
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.formats import FORMATS, sniff
from deckwatch_vision.result import ReleaseInfo

from .conftest import HungTriton, Running, running_gateway


@pytest.fixture(scope="module")
def gateway(triton_server: EmbeddedTriton) -> Iterator[Running]:
    with running_gateway(triton=triton_server.grpc_url) as running:
        yield running


def test_the_release_in_full(gateway: Running, repository: Path) -> None:
    answer = gateway.caller.get("/v1/release").json()
    release = open_release(repository)
    assert (answer["name"], answer["version"]) == (release.name, release.version)
    assert answer["labels"] == release.labels.as_list()
    card = repository / "deckwatch" / str(release.version) / "MODEL_CARD.md"
    assert answer["model_card"] == card.read_text(encoding="utf-8")
    assert (answer["max_body_bytes"], answer["max_pixels"]) == (33554432, 64000000)
    assert [each["name"] for each in answer["formats"]] == ["JPEG", "PNG", "WebP", "BMP", "TIFF"]


def test_asked_again_it_is_not_sent_again(gateway: Running) -> None:
    tag = gateway.caller.get("/v1/release").headers["etag"]
    again = gateway.caller.get("/v1/release", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_the_gateways_own_limits(
    start_gateway: Callable[..., Running], triton_server: EmbeddedTriton
) -> None:
    small = start_gateway(triton=triton_server.grpc_url, max_body_bytes=2048, max_pixels=100)
    answer = small.caller.get("/v1/release").json()
    assert (answer["max_body_bytes"], answer["max_pixels"]) == (2048, 100)


def test_limits_that_the_nets_refuse_are_not_promised(
    start_gateway: Callable[..., Running], triton_server: EmbeddedTriton
) -> None:
    large = start_gateway(
        triton=triton_server.grpc_url, max_body_bytes=2**28, max_held_bytes=2**29, max_pixels=10**9
    )
    answer = large.caller.get("/v1/release").json()
    assert (answer["max_body_bytes"], answer["max_pixels"]) == (33554432, 64000000)


def test_no_release_without_triton(without_triton: Running) -> None:
    answer = without_triton.caller.get("/v1/release")
    assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")


def test_a_triton_that_hangs_is_not_waited_for(
    start_gateway: Callable[..., Running], hung_triton: HungTriton
) -> None:
    gateway = start_gateway(triton=hung_triton.address, triton_timeout_s=60)
    answer = gateway.caller.get("/v1/release")  # which itself waits 20 s at most
    assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")


def test_a_release_published_without_species_has_its_codes() -> None:
    served = Served(ReleaseInfo("old", 3), ("NoF", "ALB"))
    described = describe(served, {})
    assert [each["common_name"] for each in described["labels"]] == ["NoF", "ALB"]
    assert not any(each["sensitive"] for each in described["labels"])


def test_the_signatures_are_those_that_decide() -> None:
    for name, allowed in FORMATS.items():
        for signature in allowed.signatures:
            head = bytes.fromhex(signature.replace(".", "0"))
            assert sniff(memoryview(head + bytes(16))) == name


def test_the_schema_knows_every_member(gateway: Running) -> None:
    answer = gateway.caller.get("/v1/release").json()
    assert answer.keys() == EXAMPLE.keys() == SCHEMAS["ServedRelease"]["properties"].keys()
    for each in answer["labels"]:
        assert each.keys() == SCHEMAS["Species"]["properties"].keys()
