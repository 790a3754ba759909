"""What is served, the same through every backend."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deckwatch_client import AsyncClient, Client
from deckwatch_client.served import Served
from deckwatch_vision.errors import ServerError, ServerUnavailable
from deckwatch_vision.result import ReleaseInfo
from deckwatch_vision.species import DEMO
from tests.camio.gateways import FastTriton
from tests.client.tritons import Triton, serving
from tests.gateway.conftest import running_gateway

FAST = Served(ReleaseInfo("fast", 1), DEMO.codes, DEMO.species)


def served(address: str | None, **settings: Any) -> Served:
    """As `Client` says it, after `AsyncClient` said the same."""

    async def asked() -> Served:
        async with AsyncClient(address, **settings) as client:
            return await client.served()

    with Client(address, **settings) as client:
        found = client.served()
    assert asyncio.run(asked()) == found
    return found


def test_in_process(tiny_repository: Path) -> None:
    known = Served(ReleaseInfo("tiny", 1), DEMO.codes, DEMO.species)
    assert served(None) == known
    card = tiny_repository / "deckwatch" / "1" / "MODEL_CARD.md"
    card.write_text("# Käpt'n\n", encoding="utf-8")
    try:
        assert served(None) == replace(known, model_card="# Käpt'n\n")
    finally:
        card.unlink()


def test_triton_and_several_and_a_gateway() -> None:
    triton = FastTriton()
    with triton.running():
        assert served(triton.address) == FAST
        assert (
            served(f"{triton.address},{triton.address.replace('127.0.0.1', 'localhost')}") == FAST
        )
        with running_gateway(triton=triton.address) as gateway:
            assert served(gateway.server.url) == FAST


def test_an_old_release_has_codes_alone() -> None:
    with serving(Triton()) as triton:
        assert served(triton.address) == Served(ReleaseInfo("release 1", 1), ("NoF", "SHARK"))


def test_a_gateway_without_triton_and_nobody() -> None:
    with running_gateway(triton="127.0.0.1:9") as gateway:
        with pytest.raises(ServerError) as caught:
            served(gateway.server.url, timeout_s=10.0)
        assert caught.value.retry_after_s == 1
    with pytest.raises(ServerUnavailable, match="cannot be reached"):
        served("http://127.0.0.1:9")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": "x", "version": "one", "labels": DEMO.as_list(), "model_card": ""},
        {"name": "x", "version": 1, "labels": [{"code": "NoF"}], "model_card": ""},
        {"name": "x", "version": 1, "labels": ["NoF"], "model_card": ""},
    ],
)
def test_something_else_than_a_release(given: dict[str, Any]) -> None:
    with pytest.raises(ServerError, match="does not describe a release"):
        Served.from_dict(given)


def test_a_newer_gateway_may_say_more() -> None:
    rows = [{**row, "colour": "blue"} for row in DEMO.as_list()]
    given = {"name": "x", "version": 1, "labels": rows, "model_card": "", "weather": "fine"}
    assert Served.from_dict(given).species == DEMO.species
