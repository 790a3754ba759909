"""`deckwatch up` as its users meet it: a process that serves, mends itself, and ends cleanly."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deckwatch_serving import launcher, probe
from deckwatch_serving.child import Child
from deckwatch_serving.cli import curl_line
from deckwatch_serving.gateway import GatewayProcess
from deckwatch_serving.launcher import Launcher, Watch
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.errors import (
    LauncherError,
    MissingExtra,
    ServerError,
    ServerUnavailable,
    UsageError,
)
from tests.serving.processes import (
    alive,
    family,
    find,
    running_gateway,
    shared_memory,
    wait_until,
)
from tests.tiny_release import write_tiny_release

pytestmark = pytest.mark.stack

# As the installed command does it, wherever the entry point is not installed.
RUN = """
from deckwatch_client import cli
from deckwatch_serving.cli import up
cli.app.command("up")(up)
cli.main()
"""


class Up:
    """`deckwatch up` in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.out, self.err = folder / "out", folder / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN, "up", *arguments],
                stdout=out,
                stderr=err,
                env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
            )
        self.pids: list[int] = []

    @property
    def prefix(self) -> str:
        return f"deckwatch-{self.process.pid}-"

    def said(self, words: str) -> bool:
        return re.search(words, self.err.read_text()) is not None

    def wait_up(self) -> int:
        """Wait until it says so; the gateway's port."""
        wait_until(lambda: self.out.read_text().count("\n") == 2 or self.ended(), "a server")
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.out.read_text())
        assert found, self.err.read_text()
        self.pids = family(self.process.pid)
        return int(found[1])

    def ended(self) -> bool:
        return self.process.poll() is not None

    def status(self) -> int:
        return self.process.wait(60)

    def assert_nothing_left(self) -> None:
        wait_until(lambda: not any(map(alive, self.pids)), "the end of all processes")
        wait_until(lambda: not shared_memory(self.prefix), "clean shared memory")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*arguments: str) -> Up:
        started.append(Up(tmp_path, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        each.assert_nothing_left()


def classify(port: int) -> tuple[int, bytes]:
    picture = probe.generated_picture()
    return probe.request(port, "POST", "/classifyfish", body=picture)


def test_up_serves_mends_itself_and_ends_on_sigterm(
    up: Callable[..., Up], tiny_repository: Path
) -> None:
    stack = up("--port", "0", "--repository", str(tiny_repository))
    port = stack.wait_up()
    assert classify(port) == (http.client.OK, b'["NoF"]')
    first, second = stack.out.read_text().splitlines()
    assert first == f"Deckwatch is up: http://127.0.0.1:{port}"
    assert re.fullmatch(rf"Try it: curl --data-binary @\S+\.jpg {first[17:]}/classifyfish", second)
    assert stack.said(r"release tiny 1 from ")
    assert stack.said(r"triton: ready in \d+\.\d s at grpc://127\.0\.0\.1:\d+ \(recognised")
    assert stack.said(r"gateway: ready in \d+\.\d s at http://127\.0\.0\.1:\d+ \(recognised")

    os.kill(find(stack.pids, "triton_python_backend_stub")[0], signal.SIGKILL)
    wait_until(lambda: stack.said("triton: ready again"), "Triton after the crash of a step")
    assert stack.said("1 of its 5 steps crashed.*starting it again in 0.5 s")
    wait_until(lambda: classify(port)[0] == http.client.OK, "an answer")

    stack.pids = family(stack.process.pid)
    os.kill(find(stack.pids, "bin/tritonserver")[0], signal.SIGKILL)
    wait_until(lambda: stack.err.read_text().count("triton: ready again") == 2, "Triton again")
    assert stack.said("triton ended with status 137")
    wait_until(lambda: classify(port)[0] == http.client.OK, "an answer")

    stack.pids = family(stack.process.pid)
    stack.process.terminate()
    assert stack.status() == 0
    # Killed processes need a moment on the processor to go; nobody may stay.
    wait_until(lambda: not any(map(alive, stack.pids)), "the end of every process")
    assert not shared_memory(stack.prefix)
    assert stack.out.read_text().count("\n") == 2


def test_ctrl_c_ends_it_with_130(up: Callable[..., Up], tiny_repository: Path) -> None:
    stack = up("--port", "0", "--repository", str(tiny_repository))
    stack.wait_up()
    stack.process.send_signal(signal.SIGINT)
    wait_until(lambda: stack.said("stopping; Ctrl-C again ends at once"), "word of the end")
    stack.process.send_signal(signal.SIGINT)
    assert stack.status() == 130
    # Killed processes need a moment on the processor to go; nobody may stay.
    wait_until(lambda: not any(map(alive, stack.pids)), "the end of every process")
    assert not shared_memory(stack.prefix)
    assert "Traceback" not in stack.err.read_text()


def test_ctrl_c_while_it_starts(up: Callable[..., Up], tiny_repository: Path) -> None:
    stack = up("--port", "0", "--repository", str(tiny_repository))
    wait_until(lambda: stack.said("gateway: starting"), "the start")
    stack.process.send_signal(signal.SIGINT)
    assert stack.status() == 130
    assert not shared_memory(stack.prefix)


def test_kill_9_leaves_nothing(up: Callable[..., Up], tiny_repository: Path) -> None:
    stack = up("--port", "0", "--repository", str(tiny_repository))
    stack.wait_up()
    # The worst case: a crashed step's memory is nobody's but the leash's.
    os.kill(find(stack.pids, "triton_python_backend_stub")[0], signal.SIGKILL)
    stack.process.kill()
    assert stack.status() == -signal.SIGKILL
    stack.assert_nothing_left()


def test_a_taken_port(up: Callable[..., Up], tiny_repository: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        stack = up("--port", str(port), "--repository", str(tiny_repository))
        assert stack.status() == 1
    last = stack.err.read_text().splitlines()[-1]
    assert last.startswith(f"deckwatch: Port {port} of 127.0.0.1 is taken by another program")
    assert "--port PORT" in last
    assert stack.out.read_text() == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--repository", "/nowhere"), "The model repository given, /nowhere, is not a folder"),
        (("--host", "203.0.113.7"), "Give an address of this machine with --host"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(
    up: Callable[..., Up], arguments: tuple[str, ...], words: str
) -> None:
    stack = up("--port", "0", *arguments)
    assert stack.status() == 1
    last = stack.err.read_text().splitlines()[-1]
    assert last.startswith("deckwatch: ")
    assert words in last


def test_a_release_that_does_not_load(up: Callable[..., Up], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    write_tiny_release(broken)
    (broken / "detect" / "1" / "model.py").write_text("raise RuntimeError('no such luck')\n")
    stack = up("--port", "0", "--repository", str(broken))
    assert stack.status() == 1
    last = stack.err.read_text().splitlines()[-1]
    assert last.startswith("deckwatch: triton ended with status 1. It says: ")
    assert "no such luck" in last


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match=r"pip install 'deckwatch\[local,gateway\]'"):
        GatewayProcess("grpc://127.0.0.1:8001")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("deck.local", "http://deck.local:8080"),
    ],
)
def test_the_url_can_be_opened_here(host: str, url: str) -> None:
    assert GatewayProcess("grpc://127.0.0.1:8001", host=host).url == url


def test_the_curl_line_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (Path(__file__).parents[2], tmp_path):
        monkeypatch.chdir(folder)
        photo = curl_line("http://127.0.0.1:1").split("@")[1].split()[0]
        assert Path(photo).is_file()


def test_the_curl_line_shows_a_key_where_one_is_asked_for() -> None:
    plain = curl_line("http://127.0.0.1:1")
    assert curl_line("http://127.0.0.1:1", key=True) == plain.replace(
        "curl ", 'curl -H "Authorization: Bearer $DECKWATCH_API_KEY" '
    )


class Script:
    """A server that is a shell script: up while the file `up` is there."""

    name = "script"
    url = "none://"

    def __init__(self, folder: Path, script: str) -> None:
        self.up, self.starts = folder / "up", 0
        self.child = Child(
            ["bash", "-c", script], environment=os.environ, log=folder / "log", grace_s=2.0
        )

    def start(self) -> None:
        self.starts += 1
        self.child.start()

    def check_ready(self) -> None:
        if not self.up.exists():
            raise ServerUnavailable("not yet")

    def check_answers(self) -> None: ...

    def broken(self) -> str | None:
        return None


def test_a_server_that_keeps_crashing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "_FIRST_PAUSE_S", 0.01)
    server = Script(tmp_path, "sleep 0.3; echo Error: out of luck; exit 4")
    server.up.touch()
    lines: list[str] = []
    ready: list[bool] = []
    with pytest.raises(LauncherError, match=r"crashed 6 times in a row; giving up.*out of luck"):
        Launcher([server], lambda _, line: lines.append(line), lambda: ready.append(True)).run()
    assert server.starts == 6
    pauses = [line.rpartition(" in ")[2] for line in lines if "starting it again" in line]
    assert pauses == ["0.01 s", "0.02 s", "0.04 s", "0.08 s", "0.16 s"]
    assert ready == [True]  # told once, not at every restart
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_server_that_never_was_ready_is_not_tried_again(tmp_path: Path) -> None:
    server = Script(tmp_path, "echo Error: a typing error; exit 2")
    with pytest.raises(LauncherError, match=r"script ended with status 2.*a typing error"):
        Launcher([server], lambda *_: None, lambda: None).run()
    assert server.starts == 1


def test_a_server_that_is_not_ready_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "START_TIMEOUT_S", 0.3)
    server = Script(tmp_path, "sleep 600")
    with pytest.raises(LauncherError, match="was not ready after 0 s"):
        Launcher([server], lambda *_: None, lambda: None).run()
    assert not server.child.running


def test_a_server_that_answers_nonsense_is_not_kept(tmp_path: Path) -> None:
    class Nonsense(Script):
        def check_answers(self) -> None:
            raise ServerError("it answers nonsense")

    server = Nonsense(tmp_path, "sleep 600")
    server.up.touch()
    with pytest.raises(ServerError, match="nonsense"):
        Launcher([server], lambda *_: None, lambda: None).run()
    assert not server.child.running


def test_crashes_long_ago_are_forgiven(tmp_path: Path) -> None:
    server = Script(tmp_path, "sleep 600")
    server.up.touch()
    watch = Watch(server, lambda *_: None, crashes=5)
    now = time.monotonic()
    watch.step(now)
    watch.step(now)
    assert (watch.ready, watch.crashes) == (True, 5)
    watch.step(now + launcher.STABLE_S + 1)
    assert watch.crashes == 0
    server.child.stop(at_once=True)


def test_a_gateway_that_asks_for_keys_is_checked_too(
    tiny_server: EmbeddedTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECKWATCH_API_KEYS", "bridge correct-horse-battery-staple")
    with running_gateway(tiny_server.grpc_url) as gateway:
        gateway.check_answers()
        picture = probe.generated_picture()
        assert probe.request(gateway.port, "POST", "/classifyfish", body=picture)[0] == 401
        assert gateway.asks_for_keys


def test_https_is_not_for_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_TLS_CERT", "/etc/tls.crt")
    with pytest.raises(UsageError, match="deckwatch gateway serve"):
        GatewayProcess("grpc://127.0.0.1:8001")


def test_the_gateway_process_answers_and_refuses(tiny_server: EmbeddedTriton) -> None:
    with running_gateway(tiny_server.grpc_url) as gateway:
        gateway.check_answers()
        status, body = probe.request(gateway.port, "POST", "/v1/classify", body=b"text")
        assert (status, json.loads(body)["code"]) == (415, "unsupported-format")
    with pytest.raises(ServerUnavailable):
        gateway.check_ready()
