"""A camera on loopback: an RTSP server that sends numbered pictures as JPEG over RTP.

RTSP is that of RFC 2326 with RTP in the same TCP connection, the payload that of RFC 2435. Like a
camera it does not wait: pictures go out at its own rate, and whoever comes late has missed some.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from typing import cast

import cv2

from tests.client.video.videos import HEIGHT, WIDTH, numbered

PAYLOAD = 1200
CLOCK = 90_000


class Camera(socketserver.ThreadingTCPServer):
    """Sends picture number n at n / rate_hz seconds after its start.

    password: of the user "deck", asked for with Basic authentication if there is one.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *, port: int = 0, rate_hz: float = 20.0, password: str = "") -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.rate_hz = rate_hz
        self.password = password
        self.began = time.monotonic()
        self.silent = threading.Event()  # connected, but no picture comes
        self.sessions: set[socket.socket] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where it can be seen, without the password."""
        return f"rtsp://127.0.0.1:{self.port}/deck?channel=1"

    @property
    def number(self) -> int:
        """Of the picture that is due now."""
        return int((time.monotonic() - self.began) * self.rate_hz)

    def hang_up(self) -> None:
        """Cut all connections."""
        for each in list(self.sessions):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def camera(*, port: int = 0, rate_hz: float = 20.0, password: str = "") -> Iterator[Camera]:
    """A camera that is on within the block."""
    with Camera(port=port, rate_hz=rate_hz, password=password) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.hang_up()
            server.shutdown()
            thread.join()


class _Session(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        camera = cast("Camera", self.server)
        camera.sessions.add(self.connection)
        try:
            while (request := self._request()) is not None:
                if self._answer(camera, *request):
                    self._play(camera)
                    return
        except OSError:  # the other end is gone
            pass
        finally:
            camera.sessions.discard(self.connection)

    def _request(self) -> tuple[str, dict[str, str]] | None:
        first = self.rfile.readline().decode()
        if not first:
            return None
        headers = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return first.split()[0], headers

    def _answer(self, camera: Camera, method: str, headers: dict[str, str]) -> bool:
        """Answer a request; whether pictures are to be sent from now on."""
        given = headers.get("authorization", "")
        expected = "Basic " + base64.b64encode(f"deck:{camera.password}".encode()).decode()
        if camera.password and method != "OPTIONS" and given != expected:
            self._say(headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="deck"')
        elif method == "DESCRIBE":
            self._say(
                headers,
                "200 OK",
                "Content-Type: application/sdp",
                body="v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=deck\r\nt=0 0\r\n"
                "m=video 0 RTP/AVP 26\r\nc=IN IP4 0.0.0.0\r\na=control:track1\r\n",
            )
        elif method == "SETUP" and "TCP" not in headers.get("transport", ""):
            self._say(headers, "461 Unsupported Transport")
        elif method == "SETUP":
            transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
            self._say(headers, "200 OK", "Session: 1", transport)
        elif method == "PLAY":
            self._say(headers, "200 OK", "Session: 1")
            return True
        else:
            self._say(headers, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        return False

    def _say(self, headers: dict[str, str], status: str, *lines: str, body: str = "") -> None:
        told = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *lines]
        if body:
            told.append(f"Content-Length: {len(body)}")
        self.wfile.write(("\r\n".join(told) + "\r\n\r\n" + body).encode())

    def _play(self, camera: Camera) -> None:
        sequence, last = 0, camera.number
        while True:
            number = camera.number
            if number == last or camera.silent.is_set():
                time.sleep(0.005)
                continue
            last = number
            stamp = int(number / camera.rate_hz * CLOCK) & 0xFFFFFFFF
            for offset, piece, final in _pieces(number):
                header = struct.pack(
                    ">BBHII", 0x80, 26 | (0x80 if final else 0), sequence & 0xFFFF, stamp, 1
                )
                packet = header + offset + piece
                self.wfile.write(b"$\0" + struct.pack(">H", len(packet)) + packet)
                sequence += 1


def _pieces(number: int) -> Iterator[tuple[bytes, bytes, bool]]:
    """JPEG headers of RFC 2435, pieces of the scan, and whether each is the last."""
    tables, scan = _jpeg(number)
    for start in range(0, len(scan), PAYLOAD):
        # Type 1: 4:2:0. Quality 255: the tables stand in the first packet.
        header = struct.pack(">IBBBB", start, 1, 255, WIDTH // 8, HEIGHT // 8)
        if start == 0:
            header += struct.pack(">BBH", 0, 0, len(tables)) + tables
        yield header, scan[start : start + PAYLOAD], start + PAYLOAD >= len(scan)


def _jpeg(number: int) -> tuple[bytes, bytes]:
    """The quantisation tables and the scan of a picture's JPEG."""
    data = cv2.imencode(".jpg", numbered(number)[..., ::-1])[1].tobytes()
    tables, at = b"", 2
    while True:
        marker, length = struct.unpack_from(">HH", data, at)
        content = data[at + 4 : at + 2 + length]
        if marker == 0xFFDB:
            for start in range(0, len(content), 65):
                tables += content[start + 1 : start + 65]
        at += 2 + length
        if marker == 0xFFDA:
            return tables, data[at:-2]
