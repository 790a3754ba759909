"""The release here and the server elsewhere: reached, known, timed, and at the same time of day."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deckwatch_client.doctor import release, server
from deckwatch_client.doctor.finding import Finding, Subject
from deckwatch_client.doctor.table import CHECKS, examine
from deckwatch_client.local import LocalBackend
from deckwatch_vision.result import ReleaseInfo
from deckwatch_vision.species import DEMO
from tests.client.tritons import Triton, serving
from tests.tiny_release import write_tiny_release

Found = Callable[..., list[Finding]]
SERVER_CHECKS = [check for check in CHECKS if check.section in ("Release", "Server")]


def report(**subject: Any) -> dict[str, list[Finding]]:
    """The findings about release and server by check."""
    found: dict[str, list[Finding]] = {}
    for check, finding in examine(Subject(**subject), SERVER_CHECKS):
        found.setdefault(check.name, []).append(finding)
    return found


def test_the_release_and_a_picture(tiny_repository: Path) -> None:
    found = report()
    (finding,) = found["release"]
    assert finding.level == "ok"
    assert finding.text.startswith(f"Release tiny 1 in {tiny_repository.resolve()};")
    (finding,) = found["inference"]
    assert (finding.level, finding.facts["runtime"]) == ("ok", "onnxruntime")
    assert finding.facts["median_s"] > 0
    assert found["server"][0].text.startswith("No server is named")
    assert found.keys() == {"release", "inference", "server"}


def test_a_damaged_release(tmp_path: Path) -> None:
    made = write_tiny_release(tmp_path)
    with (tmp_path / made.detector.file).open("ab") as net:
        net.write(b"rust")
    found = report(repository=tmp_path)
    (finding,) = found["release"]
    assert (finding.level, finding.facts["code"]) == ("problem", "release-corrupt")
    assert finding.cure
    assert "inference" not in found  # told once


def test_no_release(tmp_path: Path) -> None:
    (finding,) = report(repository=tmp_path)["release"]
    assert finding.facts["code"] == "release-not-found"
    assert "Name a model repository with --repository" in finding.cure


def test_a_library_that_is_broken_is_not_called(found: Found) -> None:
    subject = Subject(release=ReleaseInfo("tiny", 1), broken={"onnxruntime"})
    (finding,) = release.inference(subject)
    assert (finding.level, finding.cure) == ("problem", "First mend onnxruntime, as said above.")


def test_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "SLOW_S", 0.0)
    (finding,) = report()["inference"]
    assert finding.level == "warning"
    assert "ask a server (--server)" in finding.cure


def test_a_computer_that_cannot_add(monkeypatch: pytest.MonkeyPatch) -> None:
    infer = LocalBackend.infer

    def halved(self: LocalBackend, data: bytes, *, file: str | None = None) -> Any:
        result = infer(self, data, file=file)
        for code in result.likelihoods:
            result.likelihoods[code] /= 2
        return result

    monkeypatch.setattr(LocalBackend, "infer", halved)
    (finding,) = report()["inference"]
    assert finding.level == "problem"
    assert "sum to 0.5 and not to 1." in finding.text


@dataclass
class Gateway:
    """What a gateway answers, and the keys that it was asked with."""

    version: int = 1
    refused: bool = False
    ahead_s: float = 0.0
    address: str = ""
    keys: list[str | None] = field(default_factory=list)

    def body(self, path: str) -> dict[str, Any]:
        if self.refused and path != "/":
            return {"code": "key-refused", "detail": "This gateway asks for a key. Send one."}
        if path == "/v1/release":
            labels = DEMO.as_list()
            return {"name": "fleet", "version": self.version, "labels": labels, "model_card": ""}
        return {
            "label": "NoF", "likelihoods": dict.fromkeys(DEMO.codes, 0.25), "fish": [],
            "image": {"width": 640, "height": 480, "sha256": "0" * 64},
            "release": {"name": "fleet", "version": self.version},
        }  # fmt: skip


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            gateway.keys.append(self.headers["Authorization"])
            body = json.dumps(gateway.body(self.path)).encode()
            self.send_response(401 if gateway.refused and self.path != "/" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + gateway.ahead_s, usegmt=True)

        def log_message(self, *_: object) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway.address = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield gateway
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_gateway(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_API_KEY", "sesame")
    monkeypatch.setenv("DECKWATCH_SERVER", gateway.address)
    found = report()
    assert found["server"][0].text == f"{gateway.address}, by DECKWATCH_SERVER."
    assert "takes connections" in found["reachable"][0].text
    serves, differs, takes = found["served"]
    assert serves.text == "It serves release fleet 1; it takes the key."
    assert differs.level == "note"
    assert "On this machine it is tiny 1" in differs.text
    assert takes.facts["median_s"] > 0
    assert found["clock"][0].level == "ok"
    assert set(gateway.keys) == {"Bearer sesame", None}  # the clock is asked without


def test_a_key_that_is_refused_and_a_clock_that_is_late(gateway: Gateway) -> None:
    gateway.refused, gateway.ahead_s = True, -3600.0
    found = report(server=gateway.address)
    (refused,) = found["served"]
    assert (refused.level, refused.facts["code"]) == ("problem", "key-refused")
    assert "DECKWATCH_API_KEY" in f"{refused.text} {refused.cure}"
    (late,) = found["clock"]
    assert late.level == "warning"
    assert "s behind this machine's." in late.text


def test_a_triton() -> None:
    with serving(Triton(answering=[3], configured=[3])) as triton:
        found = report(server=triton.address)
    assert found["served"][0].text.startswith("It serves release ")
    assert found["served"][-1].text.startswith("A test picture takes ")
    assert "clock" not in found  # gRPC does not tell the time


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_nothing_listens(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        found = report(server=f"{scheme}://127.0.0.1:{port}")
    (finding,) = found["reachable"]
    assert (finding.level, finding.text) == ("problem", f"Nothing listens at 127.0.0.1:{port}.")
    assert not {"served", "clock"} & found.keys()


def test_a_name_without_address_and_one_of_two_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = report(server="grpc://nowhere:8001,elsewhere:8001")
    assert [one.text for one in found["reachable"]] == [
        "nowhere has no address (Name or service not known).",
        "elsewhere has no address (Name or service not known).",
    ]


def test_no_address_at_all() -> None:
    (finding,) = report(server="ftp://host")["server"]
    assert (finding.level, finding.facts["code"]) == ("problem", "usage")
    assert finding.cure.startswith("Give grpc://host:port")


def test_a_key_that_everybody_can_read(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_API_KEY", "sesame")
    assert [one.level for one in found(server.named, server="http://fish.example:8080")] == [
        "ok",
        "warning",
    ]
    assert [one.level for one in found(server.named, server="https://fish.example")] == ["ok"]
    assert [one.level for one in found(server.named, server="http://127.0.0.1:8080")] == ["ok"]


def test_a_proxy(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@proxy.example:3128")
    (finding,) = found(server.reachable, address="http://fish.example:8080")
    assert finding.level == "note"
    assert finding.text == "fish.example is asked through the proxy proxy.example:3128."
