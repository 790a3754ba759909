"""Registering hooks, from the command line to a fake Camio; secrets stay out of sight."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deckwatch_gateway.camio.cli import camio as command
from deckwatch_gateway.camio.hooks import CamioApi, tasks_url
from deckwatch_vision.errors import (
    DeadlineExceeded,
    DeckwatchError,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    UsageError,
)
from tests.camio.fake import FakeCamio

KEY = "correct-horse-battery-staple"
TOKEN = "ya29.secret-token"
QUERY = "camera == 'deck-aft'"


@pytest.fixture
def camio() -> Iterator[FakeCamio]:
    with FakeCamio() as fake:
        yield fake


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_CAMIO_KEYS", f"office {KEY}")
    monkeypatch.setenv("DECKWATCH_CAMIO_OAUTH_TOKEN", TOKEN)


def run(*arguments: str, given: str | None = None) -> Result:
    done = CliRunner().invoke(command, arguments, input=given)
    assert KEY not in done.output
    assert TOKEN not in done.output
    return done


def fault(*arguments: str, given: str | None = None) -> str:
    """The message of the error that `deckwatch` would print."""
    done = run(*arguments, given=given)
    assert isinstance(done.exception, DeckwatchError)
    text = str(done.exception)
    assert KEY not in text
    assert TOKEN not in text
    assert text.endswith(".")
    return text


def test_registering_as_camio_documents_it(camio: FakeCamio) -> None:
    done = run("register", "--camio", camio.url, "--host", "https://our.host", "--query", QUERY)
    assert done.exit_code == 0
    [hook] = camio.hooks
    assert done.stdout == (
        f"Hook {hook['id']}: events of {QUERY} go to https://our.host/tasks/***.\n"
    )
    assert hook == {
        "id": hook["id"],
        "callback_url": f"https://our.host/tasks/{KEY}",
        "type": "query_match",
        "parsed_query": QUERY,
    }
    assert camio.tokens == [TOKEN]


def test_the_hook_as_json(camio: FakeCamio) -> None:
    done = run("register", "--camio", camio.url, "--host", "https://our.host/", "--json")
    assert json.loads(done.stdout) == {
        "id": camio.hooks[0]["id"],
        "callback_url": "https://our.host/tasks/***",
        "type": "query_match",
        "parsed_query": "1==1",
    }


def test_a_dry_run_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DECKWATCH_CAMIO_OAUTH_TOKEN")
    done = run("register", "--host", "https://our.host", "--query", QUERY, "--dry-run")
    assert done.stdout.splitlines() == [
        "POST https://camio.com/api/users/me/hooks",
        "Content-Type: application/json",
        "Authorization: token ***",
        '{"callback_url": "https://our.host/tasks/***", "type": "query_match", '
        '"parsed_query": "camera == \'deck-aft\'"}',
    ]


def test_a_dry_run_checks_as_well() -> None:
    assert "is malformed" in fault("register", "--host", "https://h", "--query", "=", "--dry-run")
    assert "--host" in fault("register", "--host", "our.host", "--dry-run")
    assert "--camio" in fault("register", "--host", "https://h", "--camio", "x", "--dry-run")


def test_hooks_are_listed_where_camio_lists_them(camio: FakeCamio) -> None:
    assert run("hooks", "--camio", camio.url).stdout == ""
    run("register", "--camio", camio.url, "--host", "https://our.host", "--query", QUERY)
    [line] = run("hooks", "--camio", camio.url).stdout.splitlines()
    assert json.loads(line)["callback_url"] == "https://our.host/tasks/***"


def test_the_token_from_a_file_or_standard_input(camio: FakeCamio, tmp_path: Path) -> None:
    file = tmp_path / "token.txt"
    file.write_text("other-token\n")
    begin = ("register", "--camio", camio.url, "--host", "https://our.host", "--token-file")
    assert run(*begin, str(file)).exit_code == 0
    assert run(*begin, "-", given="third-token\n").exit_code == 0
    assert camio.tokens == ["other-token", "third-token"]


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", b"x" * 5000])
def test_what_is_no_token_is_not_sent(camio: FakeCamio, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token.txt"
    file.write_bytes(content)
    assert "expected the token alone" in fault("hooks", "--token-file", str(file))
    assert "cannot be read" in fault("hooks", "--token-file", str(tmp_path / "none"))


def test_without_a_token_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DECKWATCH_CAMIO_OAUTH_TOKEN")
    assert "Set DECKWATCH_CAMIO_OAUTH_TOKEN" in fault("hooks")


def test_of_several_keys_one_is_chosen_by_name(
    camio: FakeCamio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    second = "another-long-key-0123456789"
    file = tmp_path / "keys"
    file.write_text(f"# of the second customer\nyard {second}  # since May\n")
    monkeypatch.setenv("DECKWATCH_CAMIO_KEYS_FILE", str(file))
    begin = ("register", "--camio", camio.url, "--host", "https://our.host")
    assert "There are 2 keys, named office, yard. Choose one with --key" in fault(*begin)
    assert "There is no key 'dock'" in fault(*begin, "--key", "dock")
    assert run(*begin, "--key", "yard").exit_code == 0
    assert camio.hooks[0]["callback_url"] == f"https://our.host/tasks/{second}"


def test_a_digest_cannot_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_CAMIO_KEYS", f"office sha256:{'0' * 64}")
    assert "not its digest" in fault("register", "--host", "https://our.host")
    monkeypatch.delenv("DECKWATCH_CAMIO_KEYS")
    assert "no key in plain" in fault("register", "--host", "https://our.host")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("https://our.host", "https://our.host/tasks/a%2Fb%20c"),
        ("https://Our.Host:8443/", "https://our.host:8443/tasks/a%2Fb%20c"),
        ("https://our.host/fish/", "https://our.host/fish/tasks/a%2Fb%20c"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/tasks/a%2Fb%20c"),
        ("http://localhost:8080", "http://localhost:8080/tasks/a%2Fb%20c"),
    ],
)
def test_the_address_of_our_hook(host: str, expected: str) -> None:
    assert tasks_url(host, "a/b c") == expected


@pytest.mark.parametrize(
    "host",
    ["our.host", "http://our.host", "ftp://our.host", "https://", "https://our.host/?a=b",
     "https://our.host/#a", "https://me:secret@our.host", ""],
)  # fmt: skip
def test_what_is_no_address_of_ours_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="--host") as caught:
        tasks_url(host, KEY)
    assert "secret@" not in str(caught.value)


@contextmanager
def answering(status: int, body: str, location: str = "") -> Iterator[str]:
    """A Camio that answers everything the same way; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def register(base: str) -> None:
    with CamioApi(TOKEN, base=base) as api:
        api.register(f"https://our.host/tasks/{KEY}", QUERY)


def listing(base: str) -> None:
    with CamioApi(TOKEN, base=base) as api:
        api.hooks()


@pytest.mark.parametrize(
    ("call", "status", "body", "kind", "words"),
    [
        (register, 401, "", UsageError, "does not accept the token"),
        (register, 403, "no", UsageError, r"answered 403 \(no\): it does not accept the token"),
        (register, 400, "bad query", UsageError, r"\(bad query\).*Check --host and --query"),
        (register, 302, "", UsageError, "a redirect, which is not followed"),
        (register, 429, "", ServerOverloaded, "Try again later"),
        (register, 500, "oops", ServerError, r"answered 500 \(oops\)"),
        (register, 200, "no JSON", ServerError, "took the hook but did not answer with it"),
        (register, 200, "[]", ServerError, "took the hook but did not answer with it"),
        (listing, 404, "", ServerError, r"does not list hooks \(it answered 404\)"),
        (listing, 405, "", ServerError, "documents registering alone"),
        (listing, 200, "{}", ServerError, "something else than a list"),
        (listing, 200, "[1]", ServerError, "something else than a list"),
        (listing, 401, "", UsageError, "does not accept the token"),
    ],
)
def test_other_answers_are_told_with_what_to_do(
    call: Callable[[str], None], status: int, body: str, kind: type[DeckwatchError], words: str
) -> None:
    with answering(status, body, "https://evil.com/") as base, pytest.raises(kind, match=words):
        call(base)


def test_a_list_within_an_object_is_a_list() -> None:
    with answering(200, '{"hooks": [{"id": "1"}]}') as base, CamioApi(TOKEN, base=base) as api:
        assert api.hooks() == [{"id": "1"}]


def test_secrets_that_camio_repeats_are_hidden() -> None:
    body = f"x token {TOKEN} https://our.host/tasks/{KEY} {KEY} " + "y" * 1000
    with answering(400, body) as base, pytest.raises(UsageError) as caught:
        register(base)
    assert KEY not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_camio_that_is_away_or_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        slow = pytest.raises(DeadlineExceeded, match="look at the account's hooks first")
        with CamioApi(TOKEN, base=url, timeout_s=0.2) as api, slow:
            api.register("https://our.host/tasks/1", QUERY)
    with pytest.raises(ServerUnavailable, match="cannot be reached"):
        register(url)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, "Invalid API Key", "does not know this key"),
        (404, "", "answered 404, not as a gateway does"),
        (301, "", "answered 301, not as a gateway does"),
        (500, "", "answered 500"),
    ],
)
def test_a_hook_that_would_be_dead_is_not_registered(
    camio: FakeCamio, status: int, body: str, words: str
) -> None:
    with answering(status, body, "https://evil.com/") as host:
        assert words in fault("register", "--camio", camio.url, "--host", host, "--check")
    assert "from here" in fault("register", "--camio", camio.url, "--host", host, "--check")
    assert not camio.hooks


def test_a_hook_that_answers_is_registered(camio: FakeCamio) -> None:
    with answering(200, '{"events": []}') as host:
        assert run("register", "--camio", camio.url, "--host", host, "--check").exit_code == 0
    assert len(camio.hooks) == 1


@pytest.mark.parametrize("token", ["", "two words", "é", "a\nb"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="no OAuth token"):
        CamioApi(token)


def test_the_token_goes_over_https_only() -> None:
    with pytest.raises(UsageError, match=r"--camio .* is not https"):
        CamioApi(TOKEN, base="http://camio.com")
