"""A Camio to try the gateway's hooks with: it takes hooks, sends events, and prints the labels.

It keeps to what Camio shows of itself in public. The whole exchange on one machine, after
`export DECKWATCH_CAMIO_KEYS=try-it-out-0123456789 DECKWATCH_CAMIO_ALLOW_LOOPBACK=true` and
`export DECKWATCH_CAMIO_OAUTH_TOKEN=any`, in three terminals:

    deckwatch up
    python examples/camio/fake_camio.py examples/photos/*.jpg
    deckwatch camio register --camio http://127.0.0.1:9090 --host http://127.0.0.1:8080

The third makes the second send its photographs and print their labels.
"""

from __future__ import annotations

import argparse
import base64
import json
import socket
import ssl
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx2

HOOKS = "/api/users/me/hooks"
LABELS = "/labels/"
TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


@dataclass
class Reply:
    """How a callback is answered: `delay_s` before, not at all with `drop`."""

    status: int = 200
    body: bytes = b'{"status": "ok"}'
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False


@dataclass
class Callback:
    """A callback that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def labels(self) -> dict[str, Any]:
        """Labels by timestamp and name."""
        found: dict[str, Any] = json.loads(self.body)["labels"]
        return found


class FakeCamio:
    """The server; `with FakeCamio() as camio: ...`.

    `replies` are given to the next callbacks in turn, then `reply` to all further ones.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.callbacks: list[Callback] = []
        self.hooks: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.reply = Reply()
        self.replies: deque[Reply] = deque()
        self.closing = threading.Event()
        self.changed = threading.Condition()
        self._server = _Server(port, self, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self._server.tls else 'http'}://127.0.0.1:{self.port}"

    def event(self, images: Sequence[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        """An event with a callback address of its own."""
        return {
            "user_id": "109010722686218614620",
            "camera": "deck-aft",
            "callback_url": f"{self.url}{LABELS}{uuid.uuid4().hex}",
            "images": list(images),
        } | fields

    def wait(self, callbacks: int = 0, hooks: int = 0, timeout_s: float = 20.0) -> bool:
        """Until that many have come in; whether they have."""
        with self.changed:
            return self.changed.wait_for(
                lambda: len(self.callbacks) >= callbacks and len(self.hooks) >= hooks, timeout_s
            )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def image(
    picture: bytes, timestamp: Any, media_type: str = "image/jpeg", **fields: Any
) -> dict[str, Any]:
    """One image of an event."""
    encoded = base64.b64encode(picture).decode()
    return {"type": media_type, "timestamp": timestamp, "image_b64": encoded} | fields


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, port: int, camio: FakeCamio, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.camio = camio
        self.tls = tls

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.settimeout(10)
        if self.tls:
            # The handshake is left to the handler's thread.
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers that hang up are none of its business."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the caller is gone
            return
        camio = self.server.camio
        if self.path.startswith(LABELS):
            with camio.changed:
                camio.callbacks.append(Callback(self.path, dict(self.headers), body))
                reply = camio.replies.popleft() if camio.replies else camio.reply
                camio.changed.notify_all()
            camio.closing.wait(reply.delay_s)
            if not reply.drop:
                self._answer(reply)
        elif self.path == HOOKS:
            self._answer(self._register(body))
        else:
            self._answer(Reply(404))

    def do_GET(self) -> None:
        if self.path == HOOKS:
            self._answer(Reply(body=json.dumps(self.server.camio.hooks).encode()))
        else:
            self._answer(Reply(404))

    def _register(self, body: bytes) -> Reply:
        camio = self.server.camio
        token = self.headers.get("Authorization", "")
        try:
            hook = json.loads(body)
        except ValueError:
            hook = {}
        if not token.startswith("token "):
            return Reply(401, b'{"error": "no token"}')
        if not hook.get("callback_url") or hook.get("type") != "query_match":
            return Reply(400, b'{"error": "not a hook"}')
        with camio.changed:
            camio.hooks.append({"id": uuid.uuid4().hex, **hook})
            camio.tokens.append(token.removeprefix("token "))
            camio.changed.notify_all()
            return Reply(body=json.dumps(camio.hooks[-1]).encode())

    def _answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """What is of interest is printed elsewhere."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Send photographs as one event to every hook, and print the labels; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photographs", nargs="*", type=Path, metavar="PHOTO")
    parser.add_argument("--port", type=int, default=9090, help="where it listens [9090]")
    parser.add_argument("--to", metavar="URL", help="a hook that needs no registering")
    parser.add_argument("--camera", default="deck-aft", help="the camera's name [deck-aft]")
    parser.add_argument(
        "--wait", type=float, default=300, metavar="S", help="seconds to wait for each step [300]"
    )
    options = parser.parse_intermixed_args(arguments)
    missing = [str(path) for path in options.photographs if not path.is_file()]
    if missing:
        parser.error(f"there is no file {', '.join(missing)}")
    with FakeCamio(options.port) as camio:
        hook = options.to
        if not hook:
            _say(f"A Camio listens at {camio.url}; register a hook with it.")
            if not camio.wait(hooks=1, timeout_s=options.wait):
                _say("No hook was registered in time.")
                return 1
            hook = camio.hooks[-1]["callback_url"]
        return _exchange(camio, hook, options.photographs, options.camera, options.wait)


def _exchange(
    camio: FakeCamio, hook: str, photographs: Sequence[Path], camera: str, wait_s: float
) -> int:
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    names = {(now + timedelta(seconds=n)).isoformat(): one for n, one in enumerate(photographs)}
    images = [
        image(path.read_bytes(), when, TYPES.get(path.suffix.lower(), "image/jpeg"))
        for when, path in names.items()
    ]
    begun = time.monotonic()
    try:
        answer = httpx2.post(
            hook, json=camio.event(images, camera=camera), timeout=60, trust_env=False
        )
    except httpx2.RequestError as error:
        _say(f"The hook cannot be reached ({error}). Is the gateway running?")
        return 1
    _say(f"Sent {len(images)} images; answered {answer.status_code} {answer.text}")
    if answer.status_code != 200 or not camio.wait(callbacks=1, timeout_s=wait_s):
        _say("There are no labels.")
        return 1
    _say(f"Labels after {time.monotonic() - begun:.2f} s:")
    for when, labels in camio.callbacks[0].labels.items():
        found = ", ".join(f"{name} {one['probability']:.2f}" for name, one in labels.items())
        _say(f"  {when}  {names[when].name}: {found or 'nothing'}")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
