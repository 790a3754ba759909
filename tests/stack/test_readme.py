"""What the README shows of a running server is what happens."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import httpx2
import pytest

from deckwatch_serving.triton import EmbeddedTriton
from tests.house.project import ROOT
from tests.house.test_readme import README, of, promised, python_blocks
from tools.transcripts import Step, agree


def curl(command: str, gateway_url: str) -> httpx2.Response:
    """Do what a curl command line does; curl itself may not be installed."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("url")
    parser.add_argument("--data-binary")
    parser.add_argument("--form")
    parser.add_argument("--output")
    given = parser.parse_args(shlex.split(command)[1:])
    url = given.url.replace("http://127.0.0.1:8080", gateway_url)
    assert url != given.url, "the README names another address than the one that make run serves"
    if given.form is not None:
        name, _, path = given.form.partition("=@")
        files = {name: (Path(path).name, (ROOT / path).read_bytes())}
        return httpx2.post(url, files=files, trust_env=False)
    body = (ROOT / given.data_binary.removeprefix("@")).read_bytes()
    # What curl says of every such body; the gateway looks at the picture instead.
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return httpx2.post(url, content=body, headers=headers, trust_env=False)


@pytest.mark.parametrize("step", of("curl"), ids=lambda step: step.command)
def test_curl_gets_what_is_shown(step: Step, gateway_url: str) -> None:
    response = curl(step.command, gateway_url)
    assert response.status_code == 200
    if step.output:
        assert agree(step.output.strip(), response.text)


def test_the_example_for_any_triton_client(
    triton_server: EmbeddedTriton,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (code,) = [block for block in python_blocks() if "tritonclient" in block]
    address = triton_server.grpc_url.removeprefix("grpc://")
    monkeypatch.chdir(ROOT)
    exec(compile(code.replace("127.0.0.1:8001", address), "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == promised(code)


@pytest.mark.parametrize("address", re.findall(r"`Client\(\"(\w+)://", README))
def test_the_client_takes_the_addresses_that_are_named(
    address: str, triton_server: EmbeddedTriton, gateway_url: str
) -> None:
    from deckwatch_client import Client

    servers = {"grpc": triton_server.grpc_url, "http": gateway_url}
    with Client(servers[address]) as client:
        label = client.classify(ROOT / "examples" / "photos" / "shark.jpg").label
    assert label in README
