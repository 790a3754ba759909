"""The gateway as a process: its exit status, its log, and how it stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.images import encode_jpeg
from tests.client.tritons import Triton, serving
from tests.tiny_release import tiny_picture

from .conftest import DEADLINE_S, wait_for

pytestmark = pytest.mark.stack


class Process:
    """A gateway process and the lines of its log so far."""

    def __init__(
        self, *, command: tuple[str, ...] = ("deckwatch_gateway",), **environment: str
    ) -> None:
        inherited = {key: val for key, val in os.environ.items() if "DECKWATCH_" not in key}
        given = {f"DECKWATCH_{name.upper()}": value for name, value in environment.items()}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=inherited | {"DECKWATCH_PORT": "0"} | given,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def first_line(self) -> dict[str, Any]:
        assert self.popen.stderr is not None
        line: dict[str, Any] = json.loads(self.popen.stderr.readline())
        return line

    def finish(self) -> tuple[int, list[dict[str, Any]]]:
        """Exit status and the rest of the log, every line of which must be JSON."""
        out, err = self.popen.communicate(timeout=DEADLINE_S)
        assert out == ""  # nothing but data belongs there, and a server has none
        return self.popen.returncode, [json.loads(line) for line in err.splitlines()]


@contextmanager
def process(*command: str, **environment: str) -> Iterator[Process]:
    running = Process(command=command or ("deckwatch_gateway",), **environment)
    try:
        yield running
    finally:
        if running.popen.poll() is None:
            running.popen.kill()
        running.popen.communicate()


@pytest.mark.parametrize(
    ("setting", "cure"),
    [
        ({"host": "0.0.0.0"}, "DECKWATCH_ALLOW_PUBLIC=true"),
        ({"triton": "somewhere"}, "Give grpc://host:port"),
        ({"host": "127.0.0.1", "port": "0", "max_in_flight": "none"}, "DECKWATCH_MAX_IN_FLIGHT"),
    ],
)
def test_a_wrong_setting_is_one_line_and_status_2(setting: dict[str, str], cure: str) -> None:
    with process(**setting) as running:
        _, err = running.popen.communicate(timeout=DEADLINE_S)
    assert running.popen.returncode == 2
    assert err.count("\n") == 1
    assert cure in err


def test_a_taken_port_is_one_line_and_status_2(nowhere: str) -> None:
    port = nowhere.rpartition(":")[2]
    with process(port=port) as running:
        _, err = running.popen.communicate(timeout=DEADLINE_S)
    assert running.popen.returncode == 2
    assert err.count("\n") == 1
    assert f"port {port}" in err
    assert "DECKWATCH_PORT" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_with_status_0(number: signal.Signals, nowhere: str) -> None:
    with process(triton=nowhere) as running:
        url = running.first_line()["url"]
        assert httpx2.get(f"{url}/healthz", trust_env=False).status_code == 200
        running.popen.send_signal(number)
        status, _ = running.finish()
    assert status == 0


def test_the_command_serves_with_a_file_of_settings(nowhere: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'triton = "{nowhere}"\nmax_in_flight = 3\n')
    command = ("deckwatch_client.cli", "gateway", "serve", "--file", str(file))
    with process(*command, max_inflight="7") as running:
        told = running.first_line()
        assert (told["variable"], told["did_you_mean"]) == (
            "DECKWATCH_MAX_INFLIGHT", "DECKWATCH_MAX_IN_FLIGHT",
        )  # fmt: skip
        url = running.first_line()["url"]
        text = httpx2.get(f"{url}/metrics", trust_env=False).text
        assert "deckwatch_gateway_in_flight_limit 3.0" in text
        running.popen.send_signal(signal.SIGTERM)
        assert running.finish()[0] == 0

        file.write_text("max_in_flight = 0")
    with process(*command) as running:
        _, err = running.popen.communicate(timeout=DEADLINE_S)
    assert running.popen.returncode == 2
    assert f"max_in_flight = 0 in {file}" in err


def test_what_is_in_flight_is_finished(triton_server: EmbeddedTriton) -> None:
    """SIGTERM with half a picture sent: not ready at once, and the picture is still answered."""
    picture = encode_jpeg(tiny_picture(fish=1))
    with process(triton=triton_server.grpc_url, drain_s="2") as running:
        url = running.first_line()["url"]

        with httpx2.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as caller:
            wait_for(lambda: caller.get("/readyz").status_code == 200)

            def halves() -> Iterator[bytes]:
                yield picture[:1000]
                running.popen.send_signal(signal.SIGTERM)
                wait_for(lambda: caller.get("/readyz").status_code == 503)
                yield picture[1000:]

            answer = caller.post("/classifyfish", content=halves())
            assert answer.status_code == 200
        status, _ = running.finish()
    assert status == 0


@dataclass
class PatientTriton(Triton):
    """Answers warming-up and probes at once, other requests when their id is in `let`."""

    asked: list[str] = field(default_factory=list)
    let: set[str] = field(default_factory=set)

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.asked.append(request.id)
        if request.id:
            over = threading.Event()
            context.add_callback(over.set)
            wait_for(lambda: request.id in self.let or over.is_set())
        return super().ModelInfer(request, context)


def test_the_order_of_stopping(tmp_path: Path, jpeg: bytes, nowhere: str) -> None:
    """Not ready, then no new connections, then what is in flight; Camio's event waits for another.

    The second gateway takes the event up at once, not when the claim of the first has expired.
    """
    camio = {
        "camio_keys": "fleet correct-horse-battery-staple",
        "camio_queue": str(tmp_path / "q"),
        "camio_allow_loopback": "true",
    }
    event = {
        "callback_url": f"http://{nowhere.removeprefix('grpc://')}/labels",
        "images": [{"timestamp": "2017-05-05T01:31:13", "image_b64": b64encode(jpeg).decode()}],
    }
    with serving(PatientTriton()) as triton, ThreadPoolExecutor(2) as pool:
        settings = {"triton": triton.address, "camio_lease_s": "600", **camio}
        with process(drain_s="1.5", **settings) as running:
            url = running.first_line()["url"]
            with httpx2.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as caller:
                wait_for(lambda: caller.get("/readyz").status_code == 200)
                path = "/tasks/correct-horse-battery-staple"
                assert caller.post(path, json=event).text == "ok"

                def post(identity: str) -> int:
                    headers = {"X-Request-ID": identity}
                    return caller.post("/classifyfish", content=jpeg, headers=headers).status_code

                first = pool.submit(post, "first")
                wait_for(lambda: len(list(filter(None, triton.asked))) == 2)
                (identity,) = set(triton.asked) - {"", "first"}

                running.popen.send_signal(signal.SIGTERM)
                wait_for(lambda: caller.get("/readyz").status_code == 503)
                assert caller.get("/healthz").status_code == 200, "still served while it drains"
                second = pool.submit(post, "second")
                wait_for(lambda: "second" in triton.asked)

                wait_for(lambda: refused(url))
                assert running.popen.poll() is None
                assert not first.done()
                assert not second.done()
                triton.let |= {"first", "second"}
                assert (first.result(), second.result()) == (200, 200)
            status, lines = running.finish()
        assert status == 0
        assert lines[-1]["event"] == "stopped"
        assert not [line for line in lines if line["level"] in ("warning", "error")]

        before = triton.asked.count(identity)
        with process(**settings) as running:
            wait_for(lambda: triton.asked.count(identity) > before)
            triton.let.add(identity)
            running.popen.send_signal(signal.SIGTERM)
            assert running.finish()[0] == 0


def refused(url: str) -> bool:
    """Whether nobody listens there any more."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), DEADLINE_S).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_log_has_ids_keys_names_and_callers_and_no_secrets(nowhere: str) -> None:
    keys = {"api_keys": "boat hush-key-long-enough-1", "camio_keys": "fleet hush-key-long-enough-2"}
    with process(triton=nowhere, trusted_proxies="127.0.0.0/8", **keys) as running:
        url = running.first_line()["url"]
        with httpx2.Client(base_url=url, trust_env=False) as caller:
            caller.post(
                "/classifyfish?key=hush-1",
                content=b"not a picture",
                headers={
                    "X-Request-ID": "trip-7",
                    "Authorization": "Bearer hush-key-long-enough-1",
                    "X-Forwarded-For": "203.0.113.9",
                },
            )
            caller.post("/classifyfish", headers={"X-API-Key": "hush-2"})
            caller.get("/tasks/hush-key-long-enough-2")
            caller.get("/tasks/hush-3")
            caller.get("/hush-4")
        running.popen.send_signal(signal.SIGTERM)
        _, lines = running.finish()
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in requests] == [
        ("/classifyfish", 415),
        ("/classifyfish", 401),
        ("/tasks/{api_key:path}", 200),
        ("/tasks/{api_key:path}", 400),
        ("unmatched", 404),
    ]
    assert requests[0]["request_id"] == "trip-7"
    assert requests[0]["code"] == "unsupported-format"
    assert requests[0]["key"] == "boat"
    assert requests[0]["client"] == "203.0.113.9"
    assert requests[1]["client"] == "127.0.0.1"
    assert "hush" not in json.dumps(lines)
