"""Asking a running server for a real answer, with the standard library alone.

READY is not enough: a python step can be ready and answer nonsense (numpy 2), or be missing behind
an ensemble. So a server counts as up once a generated picture came back with likelihoods.
"""

from __future__ import annotations

import http.client
import json
import math
import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from deckwatch_serving.repository import ENSEMBLE
from deckwatch_vision.errors import ServerError, ServerUnavailable, from_wire
from deckwatch_vision.images import encode_jpeg

_TRY_AGAIN_S = 0.05


@lru_cache(maxsize=1)
def generated_picture() -> bytes:
    """A JPEG of 640 x 480 noise on a gradient: every step has work to do, nobody's photograph."""
    random = np.random.default_rng(0)
    picture = np.linspace(60, 180, 480, dtype=np.float32)[:, None, None]
    picture = picture + random.normal(0.0, 12.0, (480, 640, 3))
    return encode_jpeg(np.clip(picture, 0, 255).astype(np.uint8))


def request(
    port: int,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    host: str = "127.0.0.1",
    timeout_s: float = 30.0,
) -> tuple[int, bytes]:
    """One HTTP request; status and body of the answer.

    Raises:
        ServerUnavailable: nobody answers there.
    """
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ServerUnavailable(
            f"No answer from http://{host}:{port}{path} ({str(error) or type(error).__name__}). "
            "Look into the server's log, or start it again."
        ) from None
    finally:
        connection.close()


def infer(http_port: int, image: bytes, *, timeout_s: float = 30.0) -> dict[str, list[float]]:
    """The ensemble's outputs for one encoded picture, flat lists by name.

    Raises:
        DeckwatchError: the error that a step raised, rebuilt.
        ServerUnavailable: nobody answers there.
        ServerError: any other refusal by Triton, in its words.
    """
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "IMAGE",
                    "shape": [len(image)],
                    "datatype": "UINT8",
                    "parameters": {"binary_data_size": len(image)},
                }
            ]
        }
    ).encode()
    status, body = request(
        http_port,
        "POST",
        f"/v2/models/{ENSEMBLE}/infer",
        body=head + image,
        headers={"Inference-Header-Content-Length": str(len(head))},
        timeout_s=timeout_s,
    )
    answer = json.loads(body)
    if status != http.client.OK:
        text = str(answer.get("error", answer))
        raise from_wire(text) or ServerError(
            f"Triton answered {status}: {text}. Look into the server's log."
        )
    return {each["name"]: each["data"] for each in answer["outputs"]}


def not_ready(server: str, status: int) -> ServerUnavailable:
    """The error for a server that answers, but not yet with success."""
    return ServerUnavailable(f"{server} is not ready (status {status}). Wait a moment.")


def check_answer(outputs: dict[str, list[float]], classes: int) -> None:
    """Make sure that an answer has a likelihood for each of `classes`, together 1.

    Raises:
        ServerError: it has not: the server's Python computes nonsense.
    """
    likelihoods = outputs.get("LIKELIHOODS", [])
    if len(likelihoods) != classes or not math.isclose(sum(likelihoods), 1.0, abs_tol=1e-3):
        raise ServerError(
            f"Triton is ready but answers {likelihoods} where {classes} likelihoods that sum to 1 "
            "were expected: its python backend and numpy do not fit each other. Install "
            "Deckwatch into a fresh environment: pip install 'deckwatch[local]'"
        )


def poll(
    attempt: Callable[[], None], *, alive: Callable[[], bool], deadline: float
) -> ServerError | None:
    """Call `attempt` until it raises no ServerUnavailable.

    Returns:
        None when it came through, else the last error once `deadline` (time.monotonic) has passed
        or `alive` says no.
    """
    while True:
        try:
            attempt()
            return None
        except ServerUnavailable as error:
            if not alive() or time.monotonic() > deadline:
                return error
        time.sleep(_TRY_AGAIN_S)
