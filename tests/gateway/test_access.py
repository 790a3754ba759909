"""Keys on the routes: who is let in, who is told what, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from deckwatch_gateway.keys import hash_entry
from deckwatch_gateway.settings import Settings, read_settings
from deckwatch_vision.errors import UsageError

from .conftest import Running, read_answer, running_gateway, wait_for

KEY = "correct-horse-battery-staple"
METRICS_KEY = "paper-clip-lantern-mooring"
KEYS = f"bridge {KEY}, prometheus {METRICS_KEY} metrics"
BEARER = {"Authorization": f"Bearer {KEY}"}
SCRAPER = {"Authorization": f"Bearer {METRICS_KEY}"}
PICTURE = b"no picture, but let in"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Running]:
    """A gateway that asks for keys; nothing here passes it and reaches Triton."""
    with running_gateway(triton="grpc://127.0.0.1:1", api_keys=KEYS, wrong_keys_a_minute=0) as one:
        yield one


def limited(gateway: Running, by: str) -> float:
    gateway.caller.headers.update(SCRAPER)
    found = gateway.caller.metric("limited_total", by=by)
    del gateway.caller.headers["Authorization"]
    return found


@pytest.mark.parametrize("path", ["/classifyfish", "/v1/classify", "/v1/classify?overlay=true"])
@pytest.mark.parametrize(
    "headers",
    [
        BEARER,
        {"Authorization": f"bearer  {KEY}"},
        {"X-API-Key": KEY},
        {"Authorization": "Basic dXNlcjpwYXNz", "X-API-Key": KEY},
    ],
)
def test_let_in(guarded: Running, path: str, headers: dict[str, str]) -> None:
    answer = guarded.caller.post(path, content=PICTURE, headers=headers)
    assert answer.json()["code"] == "unsupported-format"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/classifyfish"), ("POST", "/v1/classify"), ("GET", "/metrics"),
     ("GET", "/v1/release")],
)  # fmt: skip
@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, ""),
        ({"Authorization": "Bearer"}, ""),
        ({"Authorization": f"Basic {KEY}"}, ""),
        ({"X-API-Key": ""}, ""),
        ({"Authorization": f"Bearer {KEY}x"}, ', error="invalid_token"'),
        ({"X-API-Key": "guess"}, ', error="invalid_token"'),
        ({"X-API-Key": "\u00fcnicode"}, ', error="invalid_token"'),
    ],
)
def test_not_let_in(
    guarded: Running, method: str, path: str, headers: dict[str, str], error: str
) -> None:
    given = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = guarded.caller.request(method, path, headers=given)
    assert (answer.status_code, answer.json()["code"]) == (401, "key-refused")
    assert answer.headers["www-authenticate"] == f'Bearer realm="deckwatch"{error}'
    assert KEY not in answer.text


def test_a_key_opens_what_it_is_for(guarded: Running) -> None:
    answer = guarded.caller.get("/metrics", headers=BEARER)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-refused")
    assert 'error="insufficient_scope", scope="metrics"' in answer.headers["www-authenticate"]
    assert guarded.caller.get("/metrics", headers=SCRAPER).status_code == 200
    answer = guarded.caller.post("/classifyfish", content=PICTURE, headers=SCRAPER)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-refused")


@pytest.mark.parametrize("path", ["/", "/healthz", "/openapi.json"])
def test_what_is_open(guarded: Running, path: str) -> None:
    assert guarded.caller.get(path).status_code == 200


def test_readiness_is_open(guarded: Running) -> None:
    assert guarded.caller.get("/readyz").json()["code"] == "not-ready"


def test_without_keys_all_is_open(without_triton: Running) -> None:
    assert without_triton.caller.get("/metrics").status_code == 200
    answer = without_triton.caller.post("/classifyfish", content=PICTURE, headers=BEARER)
    assert answer.json()["code"] == "unsupported-format"


def test_a_body_is_not_asked_for_without_a_key(guarded: Running) -> None:
    with guarded.raw() as bare:
        bare.sendall(
            b"POST /classifyfish HTTP/1.1\r\nHost: localhost\r\n"
            b"Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"
        )
        status, _, body = read_answer(bare)  # and no "100 Continue" before it
    assert (status, body["code"]) == (401, "key-refused")


def test_the_document_says_how_to_show_a_key(guarded: Running) -> None:
    document: dict[str, Any] = guarded.caller.get("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            guards = [name for each in operation.get("security", ()) for name in each]
            assert set(guards) <= schemes.keys()
            opens = path in ("/", "/healthz", "/readyz") or path.startswith("/tasks")
            assert bool(guards) != opens
            assert opens or {"401", "403", "429"} <= operation["responses"].keys()


def test_keys_are_exchanged_without_a_restart(
    start_gateway: Callable[..., Running], nowhere: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text(hash_entry("bridge", KEY) + "\n")
    gateway = start_gateway(triton=nowhere, api_keys_file=file)

    def status(key: str) -> int:
        headers = {"X-API-Key": key}
        return gateway.caller.post("/classifyfish", content=PICTURE, headers=headers).status_code

    assert (status(KEY), status(METRICS_KEY)) == (415, 401)
    file.write_text(hash_entry("bridge", METRICS_KEY) + "\n")
    wait_for(lambda: status(METRICS_KEY) == 415)
    assert status(KEY) == 401
    file.write_text("")
    wait_for(lambda: status(METRICS_KEY) == 401)  # nobody is let in, rather than everybody


@pytest.mark.parametrize("keys", ["short", f"bridge {KEY} everything"])
def test_malformed_keys_prevent_a_start(
    start_gateway: Callable[..., Running], nowhere: str, keys: str
) -> None:
    with pytest.raises(UsageError, match="NAME KEY"):
        start_gateway(triton=nowhere, api_keys=keys)


def test_the_log_names_keys_and_shows_none(guarded: Running) -> None:
    with capture_logs() as lines:
        guarded.caller.post("/classifyfish", content=PICTURE, headers=BEARER)
        guarded.caller.post("/classifyfish", content=PICTURE, headers={"X-API-Key": "hush-hush"})
        wait_for(lambda: sum(line.get("method") == "POST" for line in lines) == 2)
    posts = [line for line in lines if line.get("method") == "POST"]
    assert [line.get("key") for line in posts] == ["bridge", None]
    assert KEY not in str(lines)
    assert "hush" not in str(lines)


def test_wrong_keys_are_limited(start_gateway: Callable[..., Running], nowhere: str) -> None:
    gateway = start_gateway(
        triton=nowhere, api_keys=KEYS, wrong_keys_a_minute=3, trusted_proxies="127.0.0.1"
    )

    def post(key: str, address: str) -> httpx2.Response:
        headers = {"X-API-Key": key, "X-Forwarded-For": address}
        return gateway.caller.post("/classifyfish", content=PICTURE, headers=headers)

    attacker, ship = "192.0.2.1", "198.51.100.1"
    assert [post(f"guess {n}", attacker).status_code for n in range(4)] == [401, 401, 401, 429]
    answer = post(KEY, attacker)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate-limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    assert post(KEY, ship).status_code == 415
    no_key = gateway.caller.post("/classifyfish", headers={"X-Forwarded-For": ship})
    assert no_key.status_code == 401
    assert limited(gateway, "attempts") == 2


def test_each_key_has_its_rate(start_gateway: Callable[..., Running], nowhere: str) -> None:
    other = "marble-kettle-orbit-window"
    gateway = start_gateway(
        triton=nowhere, api_keys=f"{KEYS}, boat {other}", rate_per_key=0.01, rate_burst=2
    )

    def post(key: str) -> httpx2.Response:
        return gateway.caller.post("/classifyfish", content=PICTURE, headers={"X-API-Key": key})

    assert [post(KEY).status_code for _ in range(3)] == [415, 415, 429]
    answer = post(KEY)
    assert 90 <= int(answer.headers["retry-after"]) <= 100
    assert "one key" in answer.json()["detail"]
    assert post(other).status_code == 415
    assert limited(gateway, "key") == 2


def test_each_address_has_its_rate(start_gateway: Callable[..., Running], nowhere: str) -> None:
    gateway = start_gateway(
        triton=nowhere, rate_per_address=0.01, rate_burst=1, trusted_proxies="127.0.0.0/8"
    )

    def status(address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return gateway.caller.post("/classifyfish", content=PICTURE, headers=headers).status_code

    assert [status("192.0.2.1") for _ in range(2)] == [415, 429]
    assert [status("2001:db8::1"), status("2001:db8::2")] == [415, 429]
    assert status("2001:db8:0:1::1") == 415
    assert limited(gateway, "address") == 2


def test_keys_let_the_gateway_listen_beyond_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_HOST", "0.0.0.0")
    with pytest.raises(UsageError, match=r"DECKWATCH_API_KEYS_FILE.*DECKWATCH_ALLOW_PUBLIC=true"):
        read_settings()
    monkeypatch.setenv("DECKWATCH_API_KEYS", KEYS)
    assert read_settings().asks_for_keys


def test_settings_do_not_show_keys() -> None:
    settings = Settings(api_keys=SecretStr(KEYS))
    assert KEY not in f"{settings} {settings!r}"


def test_an_empty_variable_is_no_file_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEYS", "API_KEYS_FILE", "TLS_CERT", "TLS_KEY"):
        monkeypatch.setenv(f"DECKWATCH_{name}", "")
    settings = read_settings()
    assert not settings.asks_for_keys
    assert settings.tls_cert is None
