"""Which addresses count as public."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from deckwatch_gateway.camio.resolve import PublicNetwork, is_public, resolve

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:808:808::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "5f00::1",
    "not an address",
    "127.1",
    "",
]
PUBLIC = [
    "8.8.8.8",
    "93.184.215.14",
    "100.128.0.1",
    "172.32.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2606:4700::1",
    "2a00:1450:4001::1",
]
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(address)
    assert is_public(address, allow_loopback=True)


@pytest.mark.parametrize("address", sorted({*PRIVATE} - {*LOOPBACK} - {"64:ff9b::7f00:1"}))
def test_trying_out_adds_loopback_and_nothing_else(address: str) -> None:
    assert not is_public(address, allow_loopback=True)


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_counts_for_trying_out(address: str) -> None:
    assert is_public(address, allow_loopback=True)


def test_the_systems_resolver() -> None:
    assert "127.0.0.1" in asyncio.run(resolve("localhost", 80))
    assert asyncio.run(resolve("93.184.215.14", 443)) == ["93.184.215.14"]


def test_an_address_that_swallows_packets_does_not_keep_the_next_waiting() -> None:
    async def names(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async def connect(port: int) -> str:
        network = PublicNetwork(names, allow_loopback=True, attempt_s=0.2)
        stream = await network.connect_tcp("hooks.camio.test", port)
        try:
            return str(stream.get_extra_info("server_addr")[0])
        finally:
            await stream.aclose()

    with ExitStack() as stack:
        answering = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = answering.getsockname()[1]
        # Linux drops what would connect to a socket whose queue is full.
        swallowing = stack.enter_context(socket.socket())
        swallowing.bind(("127.0.0.2", port))
        swallowing.listen(0)
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(("127.0.0.2", port))
        assert asyncio.run(connect(port)) == "127.0.0.1"
