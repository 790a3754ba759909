"""Callbacks over real connections: what is taken, tried again, refused, and never asked."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme

from deckwatch_gateway.camio.callback_url import CallbackRules, parse_hosts
from deckwatch_gateway.camio.delivery import Callbacks, Outcome
from tests.camio.fake import FakeCamio, Reply

NAME = "hooks.camio.test"
ANSWER = json.dumps({"status": "success", "labels": {}}).encode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def camio() -> Iterator[FakeCamio]:
    """By plain http."""
    with FakeCamio() as fake:
        yield fake


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[FakeCamio]:
    """By https, with a certificate for NAME."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    with FakeCamio(tls=context) as fake:
        yield fake


class Names:
    """A resolver that answers from a list, one answer a lookup, the last one for good."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise socket.gaierror("no such name")
        return answer


def post(
    url: str,
    rules: CallbackRules,
    *,
    times: int = 1,
    timeout_s: float = 10.0,
    resolve: Callable[[str, int], Awaitable[Sequence[str]]] | None = None,
    tls: ssl.SSLContext | None = None,
) -> list[Outcome]:
    async def run() -> list[Outcome]:
        more = {} if resolve is None else {"resolve": resolve}
        callbacks = Callbacks(rules, timeout_s=timeout_s, tls=tls, **more)
        try:
            return [await callbacks.post(url, ANSWER) for _ in range(times)]
        finally:
            await callbacks.close()

    return asyncio.run(run())


def post_here(camio: FakeCamio, times: int = 1, timeout_s: float = 10.0) -> list[Outcome]:
    """To a fake Camio on this machine, as for trying out."""
    rules = CallbackRules((), allow_loopback=True)
    # Nobody is trusted, which saves reading hundreds of certificates each time.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    url = f"{camio.url}/labels/1?a=b"
    return post(url, rules, times=times, timeout_s=timeout_s, tls=tls)


def named(port: int, *, allow_loopback: bool) -> tuple[str, CallbackRules]:
    hosts = parse_hosts(f"{NAME}:{port}")
    return f"https://{NAME}:{port}/labels/1", CallbackRules(hosts, allow_loopback)


def test_labels_arrive_as_camio_expects_them(camio: FakeCamio) -> None:
    assert post_here(camio) == [Outcome("delivered", "127.0.0.1 answered 200.")]
    [callback] = camio.callbacks
    headers = {name.lower(): value for name, value in callback.headers.items()}
    assert callback.path == "/labels/1?a=b"
    assert callback.body == ANSWER
    assert headers.pop("user-agent").startswith("deckwatch/")
    assert headers == {
        "host": f"127.0.0.1:{camio.port}",
        "content-type": "application/json",
        "content-length": str(len(ANSWER)),
        "accept": "*/*",
        "accept-encoding": "identity",
    }


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_taken(camio: FakeCamio, status: int) -> None:
    camio.reply = Reply(status, b"")
    assert post_here(camio)[0].kind == "delivered"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(camio: FakeCamio, status: int) -> None:
    camio.reply = Reply(status, b"")
    [outcome] = post_here(camio)
    assert outcome.kind == "retry"
    assert outcome.retry_after_s is None
    assert outcome.reason.startswith(f"127.0.0.1 answered {status}")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 415, 422])
def test_other_4xx_are_final_and_carry_what_was_said(camio: FakeCamio, status: int) -> None:
    camio.reply = Reply(status, b'{"error":\n "no such\x07 event"}')
    [outcome] = post_here(camio)
    assert outcome.kind == "refused"
    assert outcome.reason.endswith(': {"error": "no such? event"}')


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_redirects_are_not_followed(camio: FakeCamio, status: int) -> None:
    camio.reply = Reply(status, b"", {"Location": f"{camio.url}/labels/elsewhere"})
    [outcome] = post_here(camio)
    assert outcome.kind == "refused"
    assert "redirects are not followed" in outcome.reason
    assert [one.path for one in camio.callbacks] == ["/labels/1?a=b"]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), (" 0 ", 0.0), ("86400", 3600.0), ("9" * 400, 3600.0), ("-5", None), ("soon", None),
     ("", None), ("1.5", None), ("Mon, 99 Foo 2026 99:99:99 GMT", None)],
)  # fmt: skip
def test_retry_after_in_seconds(camio: FakeCamio, value: str, seconds: float | None) -> None:
    camio.reply = Reply(503, b"", {"Retry-After": value})
    assert post_here(camio)[0].retry_after_s == seconds


def test_retry_after_as_a_date(camio: FakeCamio) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)
    past = datetime.now(UTC) - timedelta(days=1)
    camio.replies.extend(
        Reply(429, b"", {"Retry-After": format_datetime(when, usegmt=True)})
        for when in (soon, past)
    )
    first, second = post_here(camio, times=2)
    assert first.retry_after_s is not None
    assert 50 < first.retry_after_s <= 100
    assert second.retry_after_s == 0


def test_failing_twice_then_succeeding(camio: FakeCamio) -> None:
    camio.replies.extend([Reply(drop=True), Reply(500)])
    assert [one.kind for one in post_here(camio, times=3)] == ["retry", "retry", "delivered"]
    assert {one.body for one in camio.callbacks} == {ANSWER}


def test_no_answer_in_time(camio: FakeCamio) -> None:
    camio.reply = Reply(delay_s=30)
    assert post_here(camio, timeout_s=0.2) == [
        Outcome("retry", "127.0.0.1 did not answer within 0.2 s.")
    ]


def test_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        [outcome] = post(url, CallbackRules((), allow_loopback=True))
    assert outcome == Outcome("retry", "127.0.0.1 cannot be reached: nothing listens there.")


@pytest.mark.parametrize("status", [200, 400])
def test_an_endless_answer_is_not_read(status: int) -> None:
    """The status decides; of the body only a beginning is looked at."""
    sent = 0

    def pour(listening: socket.socket) -> None:
        nonlocal sent
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(10)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n" % status)
            with suppress(OSError):
                while True:
                    connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                    sent += 4096

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=pour, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        [outcome] = post(url, CallbackRules((), allow_loopback=True))
        thread.join()
    assert outcome.kind == ("delivered" if status == 200 else "refused")
    assert len(outcome.reason) < 250
    assert sent < 64 * 1024 * 1024  # what fits into the buffers between


def test_labels_that_were_taken_are_not_sent_again_for_a_slow_body() -> None:
    """The status has come; that the body never does is no reason to try again."""

    def dawdle(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(20)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=dawdle, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        [outcome] = post(url, CallbackRules((), allow_loopback=True), timeout_s=1.5)
        thread.join()
    assert outcome.kind == "delivered"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01garbage",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 500_000,
    ],
)
def test_what_is_no_http_is_tried_again(answer: bytes) -> None:
    def speak(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(10)
            connection.recv(65536)
            with suppress(OSError):
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=speak, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        [outcome] = post(url, CallbackRules((), allow_loopback=True))
        thread.join()
    assert outcome == Outcome("retry", "127.0.0.1 broke off the connection.")


def test_over_tls_the_name_is_asked_for_and_proven(
    secure: FakeCamio, trust: ssl.SSLContext
) -> None:
    url, rules = named(secure.port, allow_loopback=True)
    names = Names(["127.0.0.1"])
    [outcome] = post(url, rules, resolve=names, tls=trust)
    assert outcome == Outcome("delivered", f"{NAME} answered 200.")
    assert secure.callbacks[0].headers["Host"] == f"{NAME}:{secure.port}"
    assert names.asked == [(NAME, secure.port)]


def test_another_certificate_is_not_accepted(secure: FakeCamio, trust: ssl.SSLContext) -> None:
    rules = CallbackRules(parse_hosts(f"other.camio.test:{secure.port}"), allow_loopback=True)
    url = f"https://other.camio.test:{secure.port}/labels/1"
    [outcome] = post(url, rules, resolve=Names(["127.0.0.1"]), tls=trust)
    assert outcome.kind == "retry"
    assert "certificate is not to be trusted" in outcome.reason
    assert not secure.callbacks


def test_an_unknown_authority_is_not_trusted(secure: FakeCamio) -> None:
    url, rules = named(secure.port, allow_loopback=True)
    [outcome] = post(url, rules, resolve=Names(["127.0.0.1"]))
    assert outcome.kind == "retry"
    assert "certificate is not to be trusted" in outcome.reason
    assert not secure.callbacks


def test_plain_http_behind_https_is_no_tls(camio: FakeCamio) -> None:
    url, rules = named(camio.port, allow_loopback=True)
    [outcome] = post(url, rules, resolve=Names(["127.0.0.1"]))
    assert outcome.kind == "retry"
    assert not camio.callbacks


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["0.0.0.0"],
        ["93.184.215.14", "127.0.0.1"],
        ["127.0.0.1", "93.184.215.14"],
    ],
    ids=str,
)
def test_a_name_that_leads_inside_is_refused_before_connecting(
    secure: FakeCamio, trust: ssl.SSLContext, addresses: list[str]
) -> None:
    url, rules = named(secure.port, allow_loopback=False)
    [outcome] = post(url, rules, resolve=Names(addresses), tls=trust)
    assert outcome == Outcome("refused", f"The name {NAME} leads to an address that is not public.")
    assert not secure.callbacks


def test_the_checked_address_is_the_one_connected_to(
    secure: FakeCamio, trust: ssl.SSLContext
) -> None:
    """A name server that changes its mind after the check (DNS rebinding) is not asked again."""
    url, rules = named(secure.port, allow_loopback=True)
    names = Names(["127.0.0.1"], ["10.1.2.3"])
    first, second = post(url, rules, resolve=names, tls=trust, times=2)
    assert first.kind == "delivered"
    assert second.kind == "refused"
    assert len(names.asked) == 2


def test_the_next_address_is_tried_where_one_is_dead(
    secure: FakeCamio, trust: ssl.SSLContext
) -> None:
    url, rules = named(secure.port, allow_loopback=True)
    names = Names(["127.9.9.9", "127.0.0.1"])  # nothing listens at the first
    assert post(url, rules, resolve=names, tls=trust)[0].kind == "delivered"


def test_a_name_without_addresses_is_tried_again() -> None:
    url, rules = named(443, allow_loopback=False)
    assert post(url, rules, resolve=Names([])) == [
        Outcome("retry", f"{NAME} cannot be reached: the name {NAME} has no address.")
    ]


def test_a_slow_name_server_is_bounded() -> None:
    async def slow(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    url, rules = named(443, allow_loopback=False)
    [outcome] = post(url, rules, resolve=slow, timeout_s=0.2)
    assert outcome == Outcome("retry", f"{NAME} did not answer within 0.2 s.")


def test_an_address_that_is_not_allowed_is_not_looked_up() -> None:
    names = Names(["93.184.215.14"])
    rules = CallbackRules(parse_hosts("camio.com"))
    for url in (
        "https://evil.com/?token=secret",
        "http://camio.com/",
        "no url",
        "https://a@camio.com",
    ):
        [outcome] = post(url, rules, resolve=names)
        assert outcome.kind == "refused"
        assert "secret" not in outcome.reason
    assert not names.asked


def test_proxies_of_the_environment_are_not_asked(
    camio: FakeCamio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post_here(camio)[0].kind == "delivered"


def test_check_says_why_by_the_text_alone() -> None:
    async def run() -> None:
        callbacks = Callbacks(CallbackRules(parse_hosts("camio.com")), timeout_s=1)
        assert callbacks.check("https://camio.com/x") is None
        assert "evil.com" in str(callbacks.check("https://evil.com/x"))
        await callbacks.close()

    asyncio.run(run())
