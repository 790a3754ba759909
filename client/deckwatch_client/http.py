"""The gateway's client: one picture to `POST /v1/classify`, its answer or its error back.

A gateway that asks for a key gets the one that is given, else the one in the environment's
DECKWATCH_API_KEY. Connections are kept and used again.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import httpx2

from deckwatch_client.backends import is_loopback
from deckwatch_client.pictures import check_size
from deckwatch_client.records import Origin
from deckwatch_client.served import Served
from deckwatch_client.tls import trusting, untrusted
from deckwatch_vision.errors import (
    DeadlineExceeded,
    DeckwatchError,
    ImageError,
    KeyRefused,
    RateLimited,
    ServerError,
    ServerUnavailable,
    UsageError,
    from_wire,
)
from deckwatch_vision.result import Result

KEY_VARIABLE = "DECKWATCH_API_KEY"
ROUTE = "/v1/classify"
RELEASE_ROUTE = "/v1/release"
HEADERS = {"Content-Type": "application/octet-stream", "Accept": "application/json"}

# What a proxy between us and the gateway answers carries no code of ours.
BY_STATUS: dict[int, type[DeckwatchError]] = {
    401: KeyRefused,
    429: RateLimited,
    502: ServerUnavailable,
    503: ServerUnavailable,
    504: DeadlineExceeded,
}


class GatewayClient:
    """Asks a gateway for the fish in one picture; safe to share between threads.

    `address` is the gateway's URL, for instance http://127.0.0.1:8080.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout_s: float = 30.0,
        api_key: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self._http = httpx2.Client(**_options(address, timeout_s, api_key, ca_file))

    def infer(
        self,
        data: bytes,
        *,
        file: str | None = None,
        timeout_s: float | None = None,
        origin: Origin | None = None,
    ) -> Result:
        """Recognise the fish in one encoded picture; `file` is only noted in the result.

        `timeout_s` stands in for the client's own; `origin` is noted by a gateway that keeps
        pictures. Raises what the gateway refused the picture with (an `ImageError`), or a
        `ServerError` when it cannot be reached, is overloaded or too late.
        """
        check_size(len(data))
        within_s = self.timeout_s if timeout_s is None else timeout_s
        with _translated(self.address, within_s):
            answer = self._http.post(ROUTE, **_request(data, within_s, origin))
        return read_answer(answer, self.address, file)

    def served(self) -> Served:
        """What the gateway's Triton serves now. Raises ServerError, KeyRefused."""
        with _translated(self.address, self.timeout_s):
            answer = self._http.get(RELEASE_ROUTE, headers=HEADERS)
        return Served.from_dict(_json(answer, self.address, "a release"))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncGatewayClient:
    """`GatewayClient` with await, for one event loop."""

    def __init__(
        self,
        address: str,
        *,
        timeout_s: float = 30.0,
        api_key: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self._http = httpx2.AsyncClient(**_options(address, timeout_s, api_key, ca_file))

    async def infer(
        self,
        data: bytes,
        *,
        file: str | None = None,
        timeout_s: float | None = None,
        origin: Origin | None = None,
    ) -> Result:
        """See `GatewayClient.infer`."""
        check_size(len(data))
        within_s = self.timeout_s if timeout_s is None else timeout_s
        with _translated(self.address, within_s):
            async with asyncio.timeout(within_s):
                answer = await self._http.post(ROUTE, **_request(data, within_s, origin))
        return read_answer(answer, self.address, file)

    async def served(self) -> Served:
        """See `GatewayClient.served`."""
        with _translated(self.address, self.timeout_s):
            async with asyncio.timeout(self.timeout_s):
                answer = await self._http.get(RELEASE_ROUTE, headers=HEADERS)
        return Served.from_dict(_json(answer, self.address, "a release"))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def read_answer(answer: httpx2.Response, address: str, file: str | None) -> Result:
    """The `Result` in a gateway's answer; raises the error that its problem+json names."""
    result = Result.from_dict(_json(answer, address, "a result"))
    return replace(result, image=replace(result.image, file=file))


def _json(answer: httpx2.Response, address: str, what: str) -> dict[str, Any]:
    """The object in an answer, which should be `what`; raises what its problem+json names."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.status_code != 200:
        raise _refusal(answer, body if isinstance(body, dict) else {}, address)
    if not isinstance(body, dict):
        raise ServerError(
            f"{address} answered {answer.request.url.path} with something else than {what}. "
            "Check that this is the address of a Deckwatch gateway."
        )
    return body


def _refusal(answer: httpx2.Response, problem: dict[str, Any], address: str) -> DeckwatchError:
    """Our error for an answer other than 200 (RFC 9457 problem, or whatever a proxy sends)."""
    detail = " ".join(str(problem.get("detail", "")).split())
    carried = from_wire(f"[{problem.get('code')}] {detail}")
    if isinstance(carried, ImageError):
        return carried
    kind = type(carried) if carried else BY_STATUS.get(answer.status_code, ServerError)
    told = ":" if carried else f" answered {answer.status_code} {answer.reason_phrase}."
    detail = detail or "Check that this is the address of a Deckwatch gateway."
    if issubclass(kind, KeyRefused):
        detail = f"{detail} This client sends the one in {KEY_VARIABLE}, or its api_key."
    error = kind(f"{address}{told} {detail}")
    if isinstance(error, ServerError | RateLimited):
        error.retry_after_s = _retry_after(answer)
    return error


def _retry_after(answer: httpx2.Response) -> int | None:
    """Seconds; None where there are none, or a date, which no gateway of ours gives."""
    given = answer.headers.get("retry-after", "")
    return int(given) if given.isascii() and given.isdigit() else None


def _request(data: bytes, timeout_s: float, origin: Origin | None) -> dict[str, Any]:
    known = {key: value for key, value in asdict(origin).items() if value} if origin else None
    return {"content": data, "headers": HEADERS, "timeout": timeout_s, "params": known}


def _key_headers(given: str | None) -> dict[str, str]:
    key = (os.environ.get(KEY_VARIABLE, "") if given is None else given).strip()
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()) or " " in key:
        source = KEY_VARIABLE if given is None else "api_key"
        raise UsageError(
            f"{source} is no key: it has characters that a key cannot have. Copy the key "
            "again, without quotes and spaces."
        )
    return {"Authorization": f"Bearer {key}"}


def _options(
    address: str,
    timeout_s: float,
    api_key: str | None,
    ca_file: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    """Settings of both HTTP clients; a proxy of the environment is not asked for loopback."""
    host = httpx2.URL(address).netloc.decode()
    return {
        "base_url": address,
        "timeout": timeout_s,
        "trust_env": not is_loopback(host),
        "headers": _key_headers(api_key),
        "verify": _context(address, ca_file),
    }


def _context(address: str, ca_file: str | os.PathLike[str] | None) -> ssl.SSLContext | bool:
    if ca_file is not None:
        return trusting(ca_file)
    if address.startswith("https://"):
        return True
    # One that trusts nobody: to read the authorities of the world takes 70 ms, for nothing here.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def _translated(address: str, timeout_s: float) -> Iterator[None]:
    """Our errors for the transport's."""
    try:
        yield
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise DeadlineExceeded(
            f"{address} gave no answer within {timeout_s:g} s. Try again, or allow more time."
        ) from error
    except httpx2.RequestError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise untrusted(address, str(error)) from error
        reason = str(error) or type(error).__name__
        raise ServerUnavailable(
            f"{address} cannot be reached ({reason}). "
            "Start it with `deckwatch up`, or check the address."
        ) from error
