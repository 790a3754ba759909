"""How each arm is called: in process, over gRPC, over HTTP.

Bodies are made beforehand and every answer is parsed, so that the caller's own work is about the
same for all of them.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Protocol

import cv2

from benchmarks.settings import THREADS
from deckwatch_client.triton import TritonClient
from deckwatch_serving.cores import available_cores
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.ports import LOOPBACK

TIMEOUT_S = 30.0

Likelihoods = dict[str, float]
Call = Callable[[bytes], Likelihoods]


class Way(Protocol):
    """One arm as seen by those who ask it."""

    @staticmethod
    def body(picture: bytes) -> bytes:
        """What is sent for an encoded picture."""
        ...

    def connect(self, clients: int) -> Call:
        """A connection for one of `clients` clients that ask at the same time."""
        ...


class Bare:
    """The pipeline in this process; several clients share a pool of as many threads as cores."""

    def __init__(self, address: str) -> None:
        cv2.setNumThreads(THREADS)
        self._recogniser = LocalRecogniser(address, threads=THREADS)
        self._pool = ThreadPoolExecutor(available_cores())

    @staticmethod
    def body(picture: bytes) -> bytes:
        return picture

    def connect(self, clients: int) -> Call:
        if clients == 1:
            return lambda body: self._recogniser.recognise(body).likelihoods
        return lambda body: self._pool.submit(self._recogniser.recognise, body).result().likelihoods


class Grpc:
    """Triton through the typed client; one channel for all clients."""

    def __init__(self, address: str) -> None:
        self._client = TritonClient(address, timeout_s=TIMEOUT_S)

    @staticmethod
    def body(picture: bytes) -> bytes:
        return picture

    def connect(self, clients: int) -> Call:
        return lambda body: self._client.infer(body).likelihoods


class Http:
    """A POST over a connection that is kept open."""

    path: ClassVar[str] = "/classify"
    content_type: ClassVar[str] = "image/jpeg"

    def __init__(self, address: str) -> None:
        self._port = int(address)

    @staticmethod
    def body(picture: bytes) -> bytes:
        return picture

    def connect(self, clients: int) -> Call:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=TIMEOUT_S)
        connection.connect()
        headers = {"Content-Type": self.content_type}

        def call(body: bytes) -> Likelihoods:
            connection.request("POST", self.path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read()
            if response.status != http.client.OK:
                raise OSError(f"{self.path} answered {response.status}: {content[:200]!r}")
            answer: dict[str, Any] = json.loads(content)
            likelihoods: Likelihoods = answer["likelihoods"]
            return likelihoods

        return call


class Gateway(Http):
    """The gateway of Deckwatch."""

    path = "/v1/classify"


class FastApi(Http):
    """`arms.plain_fastapi`."""


class LitServe(Http):
    """`arms.plain_litserve`."""

    path = "/predict"
    content_type = "application/json"

    @staticmethod
    def body(picture: bytes) -> bytes:
        return json.dumps({"image": base64.b64encode(picture).decode()}).encode()


WAYS: dict[str, Any] = {
    "bare": Bare,
    "grpc": Grpc,
    "gateway": Gateway,
    "fastapi": FastApi,
    "litserve": LitServe,
}
