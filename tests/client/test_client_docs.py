"""What docs/client.md shows runs, and leaves nothing out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import deckwatch_client
from deckwatch_client import AsyncClient, Client
from deckwatch_vision.errors import DeckwatchError
from tests.camio.gateways import FastTriton
from tests.gateway.conftest import running_gateway
from tests.house.project import ROOT

PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """The addresses on the page, and where these servers are."""
    triton = FastTriton()
    with triton.running(), running_gateway(triton=triton.address) as gateway:
        yield {"grpc://127.0.0.1:8001": triton.address, "http://127.0.0.1:8080": gateway.server.url}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_the_examples_run(
    number: int,
    servers: dict[str, str],
    tmp_path: Path,
    shark: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "trip").mkdir()
    for name in ("deck.jpg", "trip/one.jpg"):
        (tmp_path / name).write_bytes(shark)
    (tmp_path / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    monkeypatch.chdir(tmp_path)
    code = BLOCKS[number]
    for shown, real in servers.items():
        code = code.replace(shown, real)
    exec(compile(code, f"docs/client.md, block {number}", "exec"), {"__name__": "__main__"})
    assert ("SHARK" in capsys.readouterr().out) is ("print" in code)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_every_argument_is_in_the_table(kind: type) -> None:
    parameters = dict(inspect.signature(kind).parameters)
    table = dict(re.findall(r"^\| `(\w+)` \| `?([\w.]+?)`? \|", PAGE, re.MULTILINE))
    assert {name: float(each) if each.isdigit() else each for name, each in table.items()} == {
        name: parameter.default if isinstance(parameter.default, float) else str(parameter.default)
        for name, parameter in parameters.items()
    }


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("method", ["classify", "classify_many"])
def test_every_argument_of_a_picture_is_explained(kind: type, method: str) -> None:
    for name in inspect.signature(getattr(kind, method)).parameters:
        assert name in ("self", "image", "images") or f"`{name}" in PAGE


def test_every_error_is_in_the_table() -> None:
    exported = [getattr(deckwatch_client, name) for name in deckwatch_client.__all__]
    kinds = [each for each in exported if isinstance(each, type)]
    errors = {each.__name__ for each in kinds if issubclass(each, DeckwatchError)}
    table = PAGE.partition("## Errors")[2].partition("```")[0]
    assert errors == set(re.findall(r"`([A-Z][a-z]\w+)`", table))
