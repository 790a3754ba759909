"""What goes with a picture: keys, certificates, deadlines, where it was taken, one connection."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest
import trustme

from deckwatch_client import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    DeckwatchError,
    KeyRefused,
    Result,
    ServerUnavailable,
    UsageError,
)
from deckwatch_client.backends import Manners, server_address
from deckwatch_client.replicas_addresses import parse_addresses
from tests.camio.gateways import FastTriton
from tests.client.test_retrying import RESULT
from tests.client.tritons import Triton, serving
from tests.gateway.conftest import running_gateway

KEY = "correct-horse-battery-staple"

Ask = Callable[..., Result]


def ask(address: str, picture: bytes = b"picture", call: Any = None, **settings: Any) -> Result:
    with Client(address, **settings) as client:
        assert KEY not in repr(client)
        return client.classify(picture, **(call or {}))


def ask_async(
    address: str, picture: bytes = b"picture", call: Any = None, **settings: Any
) -> Result:
    async def one() -> Result:
        async with AsyncClient(address, **settings) as client:
            assert KEY not in repr(client)
            return await client.classify(picture, **(call or {}))

    return asyncio.run(one())


@pytest.fixture(params=[ask, ask_async], ids=["sync", "async"])
def either(request: pytest.FixtureRequest) -> Ask:
    return request.param


class Web(ThreadingHTTPServer):
    """A gateway's answer to every picture; how often it was connected to, and what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.connections = 0
        self.asked: list[tuple[dict[str, list[str]], str | None]] = []
        self.retry_after = 0
        self.refusals = 0
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Header and body are two writes; without this they wait for each other's acknowledgement.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        web = self.server
        assert isinstance(web, Web)
        self.rfile.read(int(self.headers["Content-Length"]))
        web.asked.append((parse_qs(urlsplit(self.path).query), self.headers["Authorization"]))
        refused = len(web.asked) <= web.refusals
        answer = {"code": "server-overloaded", "detail": "full."} if refused else RESULT.as_dict()
        body = json.dumps(answer).encode()
        self.send_response(503 if refused else 200)
        if refused:
            self.send_header("Retry-After", str(web.retry_after))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield web
        web.shutdown()
        thread.join()


def test_one_connection_for_many_pictures(web: Web) -> None:
    with Client(web.address) as client:
        for _ in range(30):
            client.classify(b"picture")
    assert (web.connections, len(web.asked)) == (1, 30)

    async def thirty() -> None:
        async with AsyncClient(web.address) as client:
            for _ in range(30):
                await client.classify(b"picture")

    asyncio.run(thirty())
    assert (web.connections, len(web.asked)) == (2, 60)


def test_no_more_connections_than_pictures_at_a_time(web: Web) -> None:
    with Client(web.address) as client:
        assert len(list(client.classify_many([b"picture"] * 60, in_flight=4))) == 60
    assert web.connections <= 4


def test_refused_and_asked_again(either: Ask, web: Web) -> None:
    web.refusals = 1
    assert either(web.address).label == "NoF"
    assert len(web.asked) == 2


def test_where_and_when_it_was_taken(either: Ask, web: Web) -> None:
    moment = datetime(2026, 5, 5, 7, 30, tzinfo=UTC)
    either(web.address, call={"camera": "deck 2", "vessel": "Aurora", "captured_at": moment})
    either(web.address, call={"captured_at": "2026-05-05T07:30:00Z"})
    either(web.address)
    assert [asked for asked, _ in web.asked] == [
        {"camera": ["deck 2"], "vessel": ["Aurora"], "captured_at": ["2026-05-05T07:30:00+00:00"]},
        {"captured_at": ["2026-05-05T07:30:00Z"]},
        {},
    ]
    with pytest.raises(UsageError, match="captured_at='noon' is no time"):
        either(web.address, call={"captured_at": "noon"})


def test_the_gateway_keeps_where_it_was_taken(either: Ask, tmp_path: Path, shark: bytes) -> None:
    triton = FastTriton()
    with (
        triton.running(),
        running_gateway(triton=triton.address, keep=str(tmp_path), keep_below=1.0) as gateway,
    ):
        call = {"camera": "deck-2", "vessel": "Aurora", "captured_at": "2026-05-05T07:30:00+00:00"}
        either(gateway.server.url, shark, call)
    (record,) = tmp_path.rglob("??/*.json")
    kept = json.loads(record.read_text())
    assert {key: kept[key] for key in call} == call


def test_others_note_nothing(either: Ask, shark: bytes) -> None:
    call = {"camera": "deck-2", "vessel": "Aurora", "captured_at": "2026-05-05T07:30:00Z"}
    assert either("", shark, call).label == "SHARK"
    with serving(Triton()) as triton:
        assert either(triton.address, call=call).label == "SHARK"


def test_a_deadline_for_one_picture(either: Ask, shark: bytes) -> None:
    ended = threading.Event()
    with serving(Triton(before=lambda number, context: ended.wait(60))) as triton:
        with pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"):
            either(triton.address, call={"timeout_s": 0.2})
        with (
            running_gateway(triton=triton.address) as gateway,
            pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"),
        ):
            either(gateway.server.url, shark, {"timeout_s": 0.2})
        ended.set()
    assert either("", shark, {"timeout_s": 0.001}).label == "SHARK"  # it is for servers
    with pytest.raises(UsageError, match="timeout_s=0 leaves no time"):
        either("", shark, {"timeout_s": 0})


def test_a_key_that_is_given_wins(either: Ask, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_API_KEY", "of-the-environment")
    either(web.address)
    either(web.address, api_key=KEY)
    either(web.address, api_key="")
    assert [key for _, key in web.asked] == ["Bearer of-the-environment", f"Bearer {KEY}", None]


def test_a_key_is_shown_nowhere(either: Ask) -> None:
    assert KEY not in repr(Manners(api_key=KEY))
    with (
        running_gateway(triton="127.0.0.1:9", api_keys="tests another-key-of-the-tests") as gateway,
        pytest.raises(KeyRefused) as caught,
    ):
        either(gateway.server.url, api_key=KEY)
    errors: list[BaseException | None] = [caught.value]
    while errors[-1] is not None:
        errors.append(errors[-1].__cause__ or errors[-1].__context__)
    assert KEY not in "".join(f"{error!r} {error}" for error in errors)
    with pytest.raises(UsageError, match="api_key is no key") as wrong:
        either(gateway.server.url, api_key=f"{KEY}\n{KEY}")
    assert KEY not in str(wrong.value)


@pytest.mark.parametrize(
    ("address", "given", "told"),
    [
        ("", {"api_key": KEY}, "recognition in this process asks for none"),
        ("grpc://127.0.0.1:9", {"api_key": KEY}, "grpc://127.0.0.1:9 asks for none"),
        ("http://127.0.0.1:9", {"ca_file": "ca.pem"}, "has no TLS"),
        ("", {"ca_file": "ca.pem"}, "has no TLS"),
        ("grpc://127.0.0.1:9", {"ca_file": "ca.pem"}, "has no TLS"),
        ("https://127.0.0.1:9", {"ca_file": "missing.pem"}, "No such file"),
        ("grpcs://127.0.0.1:9", {"ca_file": "empty.pem"}, "holds no certificate"),
        ("grpcs://127.0.0.1:9,127.0.0.1:8", {"ca_file": "wrong.pem"}, "holds no certificate"),
        ("http://127.0.0.1:9", {"shared_memory": True}, "one Triton on this host"),
        ("grpcs://127.0.0.1:9", {"shared_memory": True}, "one Triton on this host"),
        ("grpc://a:1,b:2", {"shared_memory": True}, "one Triton on this host"),
        ("", {"shared_memory": True}, "one Triton on this host"),
    ],
)
def test_what_does_not_suit_the_address(
    either: Ask, folder: Path, address: str, given: dict[str, Any], told: str
) -> None:
    (folder / "empty.pem").write_text("")
    (folder / "wrong.pem").write_text("hello")
    with pytest.raises(UsageError, match=told) as caught:
        either(address, **given)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["grpcs://a", "grpcs://a:1,grpc://b:2", "grpcs://", "ftp://a:1", "a:8001", "grpcs:a"]
)
def test_no_address_with_tls(address: str) -> None:
    with pytest.raises(UsageError, match=r"Give grpc://"):
        server_address(address)


class Authority:
    """One that issues certificates for this machine, and its own in a file."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._authority.cert_pem.bytes())
        issued = self._authority.issue_cert("localhost", "127.0.0.1")
        self.chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        self.key = issued.private_key_pem.bytes()
        self.folder = folder

    @contextmanager
    def triton(self) -> Iterator[str]:
        credentials = grpc.ssl_server_credentials([(self.key, self.chain)])
        with serving(Triton(credentials=credentials)) as triton:
            yield triton.address

    @contextmanager
    def gateway(self) -> Iterator[str]:
        cert, key = self.folder / "tls.crt", self.folder / "tls.key"
        cert.write_bytes(self.chain)
        key.write_bytes(self.key)
        triton = FastTriton()
        with triton.running(), _gateway(triton.address, cert, key) as url:
            yield url

    def serving(self, kind: str) -> Any:
        return {"grpcs": self.triton, "https": self.gateway}[kind]()


@contextmanager
def _gateway(triton: str, cert: Path, key: Path) -> Iterator[str]:
    from deckwatch_gateway.server import GatewayServer
    from deckwatch_gateway.settings import Settings
    from tests.gateway.conftest import wait_for

    server = GatewayServer(Settings(port=0, triton=triton, tls_cert=cert, tls_key=key))
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    wait_for(lambda: server.started)
    yield server.url
    server.stop()
    thread.join(20)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("scheme", ["grpcs", "https"])
def test_tls(
    either: Ask,
    scheme: str,
    authority: Authority,
    shark: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with authority.serving(scheme) as address:
        assert address.startswith(f"{scheme}://")
        assert either(address, shark, ca_file=authority.file).label == "SHARK"
        assert either(address, shark, ca_file=str(authority.file)).label == "SHARK"
        monkeypatch.setenv("DECKWATCH_CA_FILE", str(authority.file))
        assert either(address, shark).label == "SHARK"


@pytest.mark.parametrize("scheme", ["grpcs", "https"])
def test_a_server_that_nobody_vouches_for(
    either: Ask, scheme: str, authority: Authority, tmp_path: Path, shark: bytes
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    told = r"shows a certificate that is not trusted \(.*\)\. Give ca_file or DECKWATCH_CA_FILE"
    with authority.serving(scheme) as address:
        for given in ({"ca_file": other.file}, {}):
            with pytest.raises(ServerUnavailable, match=told) as caught:
                either(address, shark, **given)
            assert str(caught.value).startswith(address)


@pytest.mark.parametrize(("asked", "served"), [("grpc", "grpcs"), ("http", "https")])
def test_plain_where_tls_is_wanted(
    either: Ask, asked: str, served: str, authority: Authority, shark: bytes
) -> None:
    with authority.serving(served) as address, pytest.raises(DeckwatchError):
        either(f"{asked}://{address.partition('://')[2]}", shark, timeout_s=5.0)


def test_several_servers_with_tls(either: Ask, authority: Authority) -> None:
    with authority.triton() as one, authority.triton() as two:
        both = f"{one},{two.removeprefix('grpcs://')}"
        with Client(both, ca_file=authority.file) as client, ThreadPoolExecutor(4) as pool:
            labels = pool.map(lambda _: client.classify(b"picture").label, range(8))
            assert set(labels) == {"SHARK"}
        assert either(both, ca_file=authority.file).label == "SHARK"


def test_classify_with_tls(
    authority: Authority,
    folder: Path,
    run_classify: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DECKWATCH_CA_FILE", str(authority.file))
    with authority.triton() as address:
        outcome = run_classify("--server", address, "shark.jpg")
    assert (outcome.status, outcome.out, outcome.err) == (0, "['SHARK']\n", "")


def test_the_gateway_takes_no_triton_with_tls() -> None:
    with pytest.raises(UsageError, match="not the address of a gRPC service"):
        parse_addresses("grpcs://triton:8001", tls=False)
    assert parse_addresses("grpcs://triton:8001").secure
