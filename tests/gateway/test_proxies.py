"""Whose word is taken for where a request comes from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from deckwatch_gateway.proxies import Proxies, parse_address, parse_networks
from deckwatch_gateway.settings import read_settings
from deckwatch_vision.errors import UsageError

TRUSTED = "10.0.0.0/8, fd00::/8"
PROXY = "10.1.2.3"


def seen(peer: str, *headers: tuple[str, str], trusted: str = TRUSTED) -> tuple[str, str]:
    """Address and scheme that the application sees."""
    found: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.update(scope)

    scope = {
        "type": "http",
        "client": (peer, 4711),
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    asyncio.run(Proxies(app, parse_networks(trusted))(scope, None, None))  # type: ignore[arg-type]
    return found["client"][0], found["scheme"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), PROXY),
        (("192.0.2.1",), "192.0.2.1"),
        (("192.0.2.1:55555",), "192.0.2.1"),
        (("[2001:db8::1]:443",), "2001:db8::1"),
        (("2001:db8::1",), "2001:db8::1"),
        (('"[2001:db8::1]"',), "2001:db8::1"),
        # What is left of the first untrusted one is the caller's own claim.
        (("6.6.6.6, 192.0.2.1",), "192.0.2.1"),
        (("6.6.6.6, 192.0.2.1, 10.9.9.9",), "192.0.2.1"),
        (("6.6.6.6", "192.0.2.1, 10.9.9.9", "fd00::1"), "192.0.2.1"),
        (("10.7.7.7",), "10.7.7.7"),
        (("nonsense",), PROXY),
        (("nonsense, 10.9.9.9",), "10.9.9.9"),
        (("192.0.2.1, nonsense",), PROXY),
        ((" , ,",), PROXY),
        (("::ffff:192.0.2.1",), "192.0.2.1"),
    ],
)
def test_from_a_trusted_proxy(given: tuple[str, ...], expected: str) -> None:
    headers = [("X-Forwarded-For", value) for value in given]
    assert seen(PROXY, *headers)[0] == expected
    assert seen(f"::ffff:{PROXY}", *headers)[0] == expected


def test_the_scheme_from_a_trusted_proxy() -> None:
    assert seen(PROXY, ("X-Forwarded-Proto", "https"))[1] == "https"
    assert seen(PROXY, ("X-Forwarded-Proto", "http, https"))[1] == "https"
    assert seen(PROXY, ("X-Forwarded-Proto", "gopher"))[1] == "http"


@pytest.mark.parametrize("trusted", [TRUSTED, ""])
def test_from_anybody_else(trusted: str) -> None:
    claims = ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https")
    with capture_logs() as lines:
        assert seen("192.0.2.9", *claims, trusted=trusted) == ("192.0.2.9", "http")
    assert "DECKWATCH_TRUSTED_PROXIES" in lines[0]["event"]


@pytest.mark.parametrize("text", ["", "nonsense", "1.2.3", "[::1", "1.2.3.4.5", "::g", "%", "a:b"])
def test_what_is_no_address(text: str) -> None:
    assert parse_address(text) is None or text == "[::1"


def test_networks_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_TRUSTED_PROXIES", "10.0.0.1/8")
    with pytest.raises(UsageError, match=r"DECKWATCH_TRUSTED_PROXIES=.*host bits.*10\.0\.0\.0/8"):
        read_settings()
