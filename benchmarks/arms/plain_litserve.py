"""LitServe: the picture as base64 in JSON, two worker processes.

python -m benchmarks.arms.plain_litserve PORT REPOSITORY
"""

from __future__ import annotations

import base64
import sys
from typing import Any

import cv2
import litserve

from benchmarks.settings import THREADS, WORKERS
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.ports import LOOPBACK
from deckwatch_vision.result import Result


class Recognition(litserve.LitAPI):  # type: ignore[misc]
    """The release of `repository` behind LitServe's `/predict`."""

    def __init__(self, repository: str) -> None:
        super().__init__()
        self.repository = repository

    def setup(self, device: str) -> None:
        """Called once in each worker."""
        cv2.setNumThreads(THREADS)
        self.recogniser = LocalRecogniser(self.repository, threads=THREADS)

    def decode_request(self, request: dict[str, str], **_: Any) -> bytes:
        return base64.b64decode(request["image"])

    def predict(self, x: bytes, **_: Any) -> Result:
        return self.recogniser.recognise(x)

    def encode_response(self, output: Result, **_: Any) -> dict[str, Any]:
        return output.as_dict()


if __name__ == "__main__":
    server = litserve.LitServer(
        Recognition(sys.argv[2]), accelerator="cpu", workers_per_device=WORKERS
    )
    server.run(
        host=LOOPBACK, port=int(sys.argv[1]), generate_client_file=False, log_level="warning"
    )
