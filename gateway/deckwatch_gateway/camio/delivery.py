"""Sending labels to an event's callback: once, within bounds, and what came of it.

callbacks = Callbacks(CallbackRules.of(settings), timeout_s=10)
outcome = await callbacks.post(event.callback_url, body)

httpcore2, the engine under httpx2, is used by itself: it takes the network layer that
`deckwatch_gateway.camio.resolve` brings, and it knows neither redirects nor proxies nor cookies
nor compressed answers, which could all lead elsewhere or unfold into more than was sent.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal

import httpcore2
import httpx2

from deckwatch_client.version import installed_version
from deckwatch_gateway.camio.callback_url import (
    CallbackRefusedError,
    CallbackRules,
    CallbackUrl,
)
from deckwatch_gateway.camio.resolve import AddressRefusedError, PublicNetwork, Resolve, resolve

LONGEST_RETRY_AFTER_S = 3600.0

# What is read of an answer: enough for its reason in the dead-letter list.
_ANSWER_BYTES = 2048
_BODY_TIMEOUT_S = 1.0
_TOLD_LETTERS = 160
# Idle connections cost the other side; callbacks of one event burst follow each other closer.
_KEEP_IDLE_S = 15.0
_AT_ONCE = 64
# Too slow, too early, too many: the request itself is not at fault.
_TRY_AGAIN = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a callback.

    `retry` may succeed later, not before `retry_after_s` seconds where the other side said so;
    `refused` never will. `reason` is for the log and the dead-letter list; it names the host, but
    neither the rest of the URL nor an address.
    """

    kind: Literal["delivered", "retry", "refused"]
    reason: str
    retry_after_s: float | None = None


class Callbacks:
    """Posts labels, for one event loop.

    Args:
        rules: which addresses are allowed.
        timeout_s: bounds one callback, from looking up the name to the answer's status.
        resolve: looks names up.
        tls: whom to trust; by default the usual certificate authorities.
    """

    def __init__(
        self,
        rules: CallbackRules,
        *,
        timeout_s: float,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._timeout_s = timeout_s
        self._headers = (
            ("Content-Type", "application/json"),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", f"deckwatch/{installed_version()}"),
        )
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls or httpx2.create_ssl_context(),
            max_connections=_AT_ONCE,
            keepalive_expiry=_KEEP_IDLE_S,
            network_backend=PublicNetwork(resolve, allow_loopback=rules.allow_loopback),
        )

    def check(self, url: str) -> str | None:
        """Why labels are not sent to `url`, as far as its text tells; None where they are."""
        try:
            self._rules.read(url)
        except CallbackRefusedError as error:
            return error.reason
        return None

    async def post(self, url: str, answer: bytes) -> Outcome:
        """Send `answer`, a JSON document, to `url`. Never raises but when cancelled."""
        try:
            callback = self._rules.read(url)
        except CallbackRefusedError as error:
            return Outcome("refused", error.reason)
        host = callback.host
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                return await self._post(callback, answer, limit)
        except AddressRefusedError as error:
            return Outcome("refused", str(error))
        except (TimeoutError, httpcore2.TimeoutException):
            return Outcome("retry", f"{host} did not answer within {self._timeout_s:g} s.")
        except httpcore2.ConnectError as error:
            return Outcome("retry", f"{host} cannot be reached: {_why(error)}.")
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            return Outcome("retry", f"{host} broke off the connection.")

    async def close(self) -> None:
        """Close idle connections."""
        await self._pool.aclose()

    async def _post(self, callback: CallbackUrl, answer: bytes, limit: asyncio.Timeout) -> Outcome:
        url = httpcore2.URL(
            scheme=callback.scheme, host=callback.host, port=callback.port, target=callback.target
        )
        headers = [("Host", callback.authority), *self._headers]
        async with self._pool.stream("POST", url, headers=headers, content=answer) as response:
            # The status tells it all. What becomes of the body must not change it any more: labels
            # that were taken would be sent again.
            limit.reschedule(None)
            said = _printable(await _beginning(response))
        status = response.status
        if 200 <= status < 300:
            return Outcome("delivered", f"{callback.host} answered {status}.")
        reason = f"{callback.host} answered {_named(status)}"
        if 300 <= status < 400:
            return Outcome("refused", f"{reason}; redirects are not followed.")
        reason += f": {said}" if said else "."
        if status in _TRY_AGAIN or status >= 500:
            return Outcome("retry", reason, _retry_after(response))
        return Outcome("refused", reason)


async def _beginning(response: httpcore2.Response) -> bytes:
    """The first bytes of an answer's body, or what of them comes in time.

    Where that is all of it, the connection can be used again; else it is dropped.
    """
    content = b""
    with suppress(TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError):
        async with asyncio.timeout(_BODY_TIMEOUT_S), aclosing(response.aiter_stream()) as chunks:
            async for chunk in chunks:
                content += chunk
                if len(content) > _ANSWER_BYTES:
                    break
    return content[:_ANSWER_BYTES]


def _retry_after(response: httpcore2.Response) -> float | None:
    """Seconds to wait as the answer says (RFC 9110 section 10.2.3), at most an hour."""
    found = (value for name, value in response.headers if name.lower() == b"retry-after")
    given = next(found, None)
    if given is None:
        return None
    text = given.decode("latin-1").strip()
    try:
        if text.isascii() and text.isdigit():
            seconds = float(text)
        else:
            when = parsedate_to_datetime(text)
            seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def _why(error: httpcore2.ConnectError) -> str:
    """What kept a connection from being made, without addresses."""
    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({cause.verify_message.rstrip('.')})"
    if isinstance(cause, ssl.SSLError):
        return "no TLS connection comes about"
    if isinstance(cause, OSError) and isinstance(cause.__cause__, ConnectionRefusedError):
        return "nothing listens there"
    return cause if isinstance(cause, str) else "no connection comes about"


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _printable(said: bytes) -> str:
    """The beginning of an answer's text for one line of a list."""
    text = " ".join(said.decode("utf-8", "replace").split())[:_TOLD_LETTERS]
    return "".join(letter if letter.isprintable() else "?" for letter in text)
