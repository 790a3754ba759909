"""Registering hooks with Camio: `POST /api/users/me/hooks`, the one call that it documents.

with CamioApi(token) as camio:
    hook = camio.register("https://our.host/tasks/<key>", "camera == 'deck-aft'")
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import quote

import httpx2

from deckwatch_gateway.camio.callback_url import CallbackRefusedError, read_url
from deckwatch_gateway.camio.query import check_query
from deckwatch_vision.errors import (
    DeadlineExceeded,
    DeckwatchError,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    UsageError,
)

CAMIO = "https://camio.com"
HOOKS = "/api/users/me/hooks"
TYPE = "query_match"
HIDDEN = "***"
TIMEOUT_S = 30.0

_TOLD_LETTERS = 300


class CamioApi:
    """Camio's API as far as hooks go.

    Args:
        token: OAuth token of the Camio account.
        base: Camio's address; https, or http to this machine for a fake one.
        timeout_s: longest wait for an answer.

    Raises:
        UsageError: there is no token, or `base` is no such address.
    """

    def __init__(self, token: str, *, base: str = CAMIO, timeout_s: float = TIMEOUT_S) -> None:
        self._base = check_address(base, "--camio")
        self._timeout_s = timeout_s
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise UsageError(
                "There is no OAuth token of Camio's, or it is none. Set "
                "DECKWATCH_CAMIO_OAUTH_TOKEN, or name a file that holds it with --token-file."
            )
        self._token = token
        local = read_url(self._base).loopback
        # Redirects are not followed: the token must not go elsewhere.
        self._http = httpx2.Client(
            timeout=timeout_s, trust_env=not local, headers={"Authorization": f"token {token}"}
        )

    def register(self, callback_url: str, query: str) -> dict[str, Any]:
        """Have `callback_url` called for events that match `query`; the hook as Camio has it.

        Raises:
            UsageError: Camio refuses the token or the hook.
            ServerError: Camio cannot be reached, or answers otherwise than it documents.
        """
        with self._translated():
            answer = self._http.post(f"{self._base}{HOOKS}", json=hook(callback_url, query))
        found = self._read(answer, secret=callback_url)
        if not isinstance(found, dict) or "id" not in found:
            raise ServerError(
                f"{self._base} took the hook but did not answer with it. Look at the hooks of the "
                "account before registering again, or events may come twice."
            )
        return found

    def hooks(self) -> list[dict[str, Any]]:
        """The account's hooks.

        Camio does not document this call; it is asked for what it takes the hooks at.

        Raises:
            UsageError: Camio refuses the token.
            ServerError: Camio does not list hooks, or cannot be reached.
        """
        with self._translated():
            answer = self._http.get(f"{self._base}{HOOKS}")
        if answer.status_code in (404, 405, 501):
            raise ServerError(
                f"{self._base} does not list hooks (it answered {answer.status_code}). Camio "
                "documents registering alone; ask its support for the hooks of the account."
            )
        found = self._read(answer)
        if isinstance(found, dict):  # within some object
            found = next((each for each in found.values() if isinstance(each, list)), None)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise ServerError(
                f"{self._base} answered something else than a list of hooks. Camio documents "
                "registering alone; ask its support for the hooks of the account."
            )
        return found

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, answer: httpx2.Response, secret: str = "") -> Any:
        """The JSON of a good answer."""
        if answer.status_code in (200, 201):
            try:
                return answer.json()
            except ValueError:
                return None
        raise self._refusal(answer, secret)

    def _refusal(self, answer: httpx2.Response, secret: str) -> DeckwatchError:
        status = answer.status_code
        said = answer.text
        # It may repeat what it was sent.
        for one in (self._token, secret, secret.rpartition("/")[2]):
            said = said.replace(one, HIDDEN) if one else said
        said = " ".join(said.split())[:_TOLD_LETTERS]
        begin = f"{self._base} answered {status}" + (f" ({said})" if said else "")
        if status in (401, 403):
            return UsageError(f"{begin}: it does not accept the token. Get a new one from Camio.")
        if 300 <= status < 400:
            return UsageError(f"{begin}, a redirect, which is not followed. Correct --camio.")
        if status == 429:
            return ServerOverloaded(f"{begin}. Try again later.")
        if 400 <= status < 500:
            return UsageError(f"{begin}: it does not take the hook. Check --host and --query.")
        return ServerError(f"{begin}. Try again later.")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException as error:
            raise DeadlineExceeded(
                f"{self._base} did not answer within {self._timeout_s:g} s. Try again; if it was "
                "a hook to register, look at the account's hooks first."
            ) from error
        except httpx2.RequestError as error:
            raise ServerUnavailable(
                f"{self._base} cannot be reached ({_named(error)}). Check the network and --camio."
            ) from error


def hook(callback_url: str, query: str) -> dict[str, str]:
    """What is sent to register. Raises UsageError for a query that is not of Camio's grammar."""
    return {"callback_url": callback_url, "type": TYPE, "parsed_query": check_query(query)}


def tasks_url(host: str, key: str) -> str:
    """The address of this gateway's hook for Camio, with the key in its path.

    Args:
        host: the gateway from outside, https://host, with a port or a prefix if need be.
        key: one of DECKWATCH_CAMIO_KEYS.

    Raises:
        UsageError: that is no such address.
    """
    return f"{check_address(host, '--host')}/tasks/{quote(key, safe='')}"


def check_answers(url: str, *, timeout_s: float = TIMEOUT_S) -> None:
    """See that a gateway answers at the address of a hook and knows the key in it.

    Raises:
        UsageError: another key is wanted, or this is no gateway.
        ServerUnavailable: nothing answers, as seen from here.
    """
    shown = hide_key(url)
    local = read_url(url).loopback
    try:
        answer = httpx2.get(url, timeout=timeout_s, trust_env=not local)
    except httpx2.RequestError as error:
        raise ServerUnavailable(
            f"{shown} cannot be reached from here ({_named(error)}). Start the gateway, check "
            "--host, or leave out --check where only Camio can reach it."
        ) from error
    if answer.status_code == 400 and "Invalid API Key" in answer.text:
        raise UsageError(
            f"The gateway at {shown} does not know this key. Give it the same "
            "DECKWATCH_CAMIO_KEYS, or choose another key with --key."
        )
    if answer.status_code != 200:
        raise UsageError(
            f"{shown} answered {answer.status_code}, not as a gateway does. Check --host and what "
            "stands in front of the gateway."
        )


def hide_key(url: str) -> str:
    """The address of a hook without its key."""
    start, tasks, _ = url.partition("/tasks/")
    return f"{start}{tasks}{HIDDEN}" if tasks else url


def check_address(url: str, option: str) -> str:
    """An address without a slash at its end; http only to this machine.

    Raises:
        UsageError: it is none; the message names `option`.
    """
    expected = "Write https://, the host, and a port or a prefix of the path if need be."
    try:
        given = read_url(url)
    except CallbackRefusedError:
        raise UsageError(f"{option} {_without_user(url)!r} is no address. {expected}") from None
    if given.scheme != "https" and not given.loopback:
        raise UsageError(
            f"{option} {url!r} is not https, and what is sent there is secret. {expected}"
        )
    if "?" in given.target or "#" in url:
        raise UsageError(f"{option} {url!r} has a query or a fragment. {expected}")
    return f"{given.scheme}://{given.authority}{given.target.rstrip('/')}"


def as_line(hook: dict[str, Any]) -> str:
    """A hook as one line of JSON, its key hidden."""
    shown = {
        name: hide_key(value) if name == "callback_url" and isinstance(value, str) else value
        for name, value in hook.items()
    }
    return json.dumps(shown, ensure_ascii=False)


def _named(error: Exception) -> str:
    return str(error) or type(error).__name__


def _without_user(url: str) -> str:
    return f"{HIDDEN}@{url.rpartition('@')[2]}" if "@" in url else url
