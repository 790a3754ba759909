"""Headers that keep browsers from doing harm, and requests that foreign pages have them make."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2
import pytest

from deckwatch_gateway.headers import ALWAYS

from .conftest import Running, read_answer, running_gateway

PICTURE = b"no picture, but let in"


@pytest.fixture(scope="module")
def open_gateway() -> Iterator[Running]:
    """A gateway on loopback that asks for no keys."""
    with running_gateway(triton="grpc://127.0.0.1:1") as one:
        yield one


def check_always(headers: httpx2.Headers | dict[str, str]) -> None:
    for name, value in ALWAYS:
        assert headers[name.decode()] == value.decode()
    assert "strict-transport-security" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]


def test_every_kind_of_answer_has_them(open_gateway: Running) -> None:
    caller = open_gateway.caller
    for answer in (
        caller.get("/healthz"),
        caller.get("/readyz"),
        caller.get("/nowhere"),
        caller.get("/classifyfish"),
        caller.post("/classifyfish", content=PICTURE),
        caller.options("/v1/classify", headers={"Origin": "https://a.example"}),
    ):
        check_always(answer.headers)


def test_what_is_not_http_has_them(open_gateway: Running) -> None:
    with open_gateway.raw() as bare:
        bare.sendall(b"nonsense\r\n\r\n")
        check_always(read_answer(bare)[1])


def test_the_page_keeps_its_own_policy(open_gateway: Running) -> None:
    answer = open_gateway.caller.get("/", headers={"Accept": "text/html"})
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert len(answer.headers.get_list("content-security-policy")) == 1


def test_browsers_are_bound_to_tls_where_it_was_tls(
    start_gateway: Callable[..., Running], nowhere: str
) -> None:
    gateway = start_gateway(triton=nowhere, trusted_proxies="127.0.0.1")
    answer = gateway.caller.get("/healthz", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers["strict-transport-security"] == "max-age=15552000"


OWN = ["localhost", "localhost:8080", "LOCALHOST.", "deck.localhost:1", "127.0.0.1:80", "[::1]:80",
       "192.168.1.7:8080"]  # fmt: skip
FOREIGN = ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example",
           "evil.example:127.0.0.1"]  # fmt: skip


@pytest.mark.parametrize("host", OWN)
def test_own_names(open_gateway: Running, host: str) -> None:
    assert open_gateway.caller.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", ["/", "/v1/release", "/metrics"])
def test_foreign_names_do_not_lead_to_loopback(open_gateway: Running, path: str, host: str) -> None:
    with open_gateway.raw() as bare:
        bare.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        status, headers, body = read_answer(bare)
    assert (status, body["code"]) == (421, "misdirected-request")
    assert headers["x-request-id"] == body["instance"]


def test_more_names_can_be_allowed(start_gateway: Callable[..., Running], nowhere: str) -> None:
    gateway = start_gateway(triton=nowhere, hosts="Deck.Example, other.example.")
    for host, expected in {
        "deck.example": 200, "other.example:443": 200, "localhost": 200, "evil.example": 421,
    }.items():  # fmt: skip
        answer = httpx2.get(f"{gateway.server.url}/healthz", headers={"Host": host})
        assert answer.status_code == expected


def test_with_keys_any_name_will_do(start_gateway: Callable[..., Running], nowhere: str) -> None:
    gateway = start_gateway(triton=nowhere, api_keys="bridge correct-horse-battery-staple")
    answer = gateway.caller.get("/healthz", headers={"Host": "deck.example"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "hosts", ["", "Host: localhost\r\nHost: evil.example\r\n"], ids=["none", "two"]
)
def test_one_host_header_there_must_be(open_gateway: Running, hosts: str) -> None:
    with open_gateway.raw() as bare:
        bare.sendall(f"GET /healthz HTTP/1.1\r\n{hosts}\r\n".encode())
        status, _, body = read_answer(bare)
    assert (status, body["code"]) == (400, "malformed-request")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/classifyfish", "/v1/classify"])
def test_foreign_pages_send_no_pictures(
    open_gateway: Running, path: str, headers: dict[str, str]
) -> None:
    answer = open_gateway.caller.post(path, content=PICTURE, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross-site-request")


def test_the_own_page_and_programs_do(open_gateway: Running) -> None:
    url = open_gateway.server.url
    for headers in (
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": url},
        {"Origin": url},
        {"Sec-Fetch-Site": "none"},
    ):
        answer = open_gateway.caller.post("/classifyfish", content=PICTURE, headers=headers)
        assert answer.json()["code"] == "unsupported-format"
