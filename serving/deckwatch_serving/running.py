"""A Triton that runs, told over HTTP to load the steps of a release and asked whether they answer.

triton = RunningTriton("http://127.0.0.1:8000")
triton.load("classifier")
"""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from deckwatch_serving import probe
from deckwatch_serving.repository import ENSEMBLE
from deckwatch_vision.errors import ServerError, ServerUnavailable, UsageError, from_wire

Tensors: TypeAlias = dict[str, NDArray[Any]]

# Compiling a net for a kind of GPU takes minutes.
LOAD_TIMEOUT_S = 900.0
_ANSWER_TIMEOUT_S = 60.0
# "name: value" of a header, where the server guards its model control.
HEADER_VARIABLE = "DECKWATCH_TRITON_HEADER"
_TYPES = {"UINT8": np.uint8, "INT32": np.int32, "FP32": np.float32}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an ensemble: its model, and what its tensors are called outside of it."""

    model: str
    inputs: dict[str, str]
    outputs: dict[str, str]


def read_steps(config: str) -> list[Step]:
    """The steps of an ensemble's config.pbtxt, as `configs` writes it."""
    steps = []
    for part in config.split('model_name: "')[1:]:
        maps: dict[str, dict[str, str]] = {"input": {}, "output": {}}
        pattern = r'(input|output)_map \{ key: "(\w+)" value: "(\w+)" \}'
        for kind, key, value in re.findall(pattern, part):
            maps[kind][key] = value
        steps.append(Step(part.partition('"')[0], maps["input"], maps["output"]))
    return steps


class RunningTriton:
    """Triton's HTTP endpoint.

    Args:
        url: http://host:port, as in `deckwatch up --triton-http-port`.
        timeout_s: longest wait for an answer; loading has a longer one of its own.

    Raises:
        UsageError: that is no such address, or DECKWATCH_TRITON_HEADER is no header.
    """

    def __init__(self, url: str, *, timeout_s: float = _ANSWER_TIMEOUT_S) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port or 8000
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
            raise UsageError(
                f"{url!r} is no address of Triton's HTTP endpoint. Write http://host:port; "
                "Triton's own port for it is 8000 (8001 is gRPC)."
            )
        self.url = f"http://{parts.netloc}"
        self._host, self._port = parts.hostname, port
        self._headers = _guard()
        self._timeout_s = timeout_s

    def load(self, model: str) -> None:
        """Load a model as its config now says, or let it be where nothing has changed.

        Returns when what the config asks for is loaded, and what it no longer asks for is on its
        way out; requests that are under way end as they began.

        Raises:
            ServerError: Triton refuses, in its words; what it served before it still serves.
            ServerUnavailable: nobody answers.
        """
        path = f"/v2/repository/models/{model}/load"
        status, body = self._request("POST", path, b"{}", timeout_s=LOAD_TIMEOUT_S)
        if status != http.client.OK:
            raise ServerError(f"{self.url} cannot load {model}: {self._why(status, body)}")

    def ready(self, model: str, version: int) -> bool:
        """Whether this version of the model is loaded."""
        status, _ = self._request("GET", f"/v2/models/{model}/versions/{version}/ready")
        return status == http.client.OK

    def config(self, model: str) -> dict[str, Any]:
        """The config of a loaded model, as Triton filled it in.

        Raises:
            ServerError: it is not loaded.
        """
        status, body = self._request("GET", f"/v2/models/{model}/config")
        if status != http.client.OK:
            raise ServerError(
                f"{self.url} does not serve {model}: {self._why(status, body)} Start it with the "
                "repository, or correct --triton."
            )
        content: dict[str, Any] = json.loads(body)
        return content

    def versions(self) -> set[tuple[str, int]]:
        """Model and version of everything that is loaded."""
        status, body = self._request("POST", "/v2/repository/index", b'{"ready": true}')
        if status != http.client.OK:
            raise ServerError(f"{self.url} does not list its models: {self._why(status, body)}")
        return {(row["name"], int(row["version"])) for row in json.loads(body)}

    def infer(
        self, model: str, inputs: Mapping[str, NDArray[Any]], version: int | None = None
    ) -> Tensors:
        """The outputs of a model for these inputs.

        Raises:
            DeckwatchError: the error that a step raised, rebuilt.
            ServerError: any other refusal by Triton, in its words.
        """
        head, tail = _request_body(inputs)
        path = f"/v2/models/{quote(model)}"
        path += f"/versions/{version}/infer" if version else "/infer"
        status, body, length = self._exchange(path, head, tail)
        if status != http.client.OK:
            text = self._why(status, body)
            raise from_wire(text) or ServerError(f"{self.url}, {model}: {text}")
        return _response_tensors(body, length)

    def chain(self, steps: Sequence[Step], version: int, image: bytes) -> Tensors:
        """One picture through the steps of a release that no ensemble is pinned to yet.

        Raises:
            DeckwatchError: a step refuses, see `infer`.
        """
        known: Tensors = {"IMAGE": np.frombuffer(image, np.uint8)}
        for step in steps:
            given = {key: known[name] for key, name in step.inputs.items()}
            found = self.infer(step.model, given, version)
            known |= {name: found[key] for key, name in step.outputs.items()}
        return known

    def recognise(self, image: bytes) -> Tensors:
        """One picture through the ensemble, as clients ask for it."""
        return self.infer(ENSEMBLE, {"IMAGE": np.frombuffer(image, np.uint8)})

    def _request(
        self, method: str, path: str, body: bytes = b"", timeout_s: float | None = None
    ) -> tuple[int, bytes]:
        return probe.request(
            self._port, method, path, body=body, headers=self._headers, host=self._host,
            timeout_s=timeout_s or self._timeout_s,
        )  # fmt: skip

    def _exchange(self, path: str, head: bytes, tail: bytes) -> tuple[int, bytes, int]:
        """Status and body of an answer with binary tensors, and how much of it is JSON."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            headers = {**self._headers, "Inference-Header-Content-Length": str(len(head))}
            connection.request("POST", path, body=head + tail, headers=headers)
            response = connection.getresponse()
            body = response.read()
            length = response.getheader("Inference-Header-Content-Length")
            return response.status, body, int(length) if length else len(body)
        except (OSError, http.client.HTTPException) as error:
            raise ServerUnavailable(
                f"No answer from {self.url}{path} ({str(error) or type(error).__name__})."
            ) from None
        finally:
            connection.close()

    def _why(self, status: int, body: bytes) -> str:
        """What Triton says, and the cure of what it says most often."""
        try:
            text = str(json.loads(body)["error"])
        except (ValueError, KeyError, TypeError):
            text = body.decode(errors="replace").strip() or f"status {status}."
        if "explicit model load / unload is not allowed" in text:
            text += ". Start Triton with --model-control-mode=explicit --load-model=deckwatch."
        if status == http.client.FORBIDDEN:
            text += f" (its model control is guarded: set {HEADER_VARIABLE}='name: value')"
        return text


def _guard() -> dict[str, str]:
    given = os.environ.get(HEADER_VARIABLE)
    if not given:
        return {}
    name, colon, value = given.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"{HEADER_VARIABLE} is no header. Write it as 'name: value'.")
    return {name.strip(): value.strip()}


def _request_body(inputs: Mapping[str, NDArray[Any]]) -> tuple[bytes, bytes]:
    """Triton's binary extension of the KServe protocol: JSON, then the tensors one by one."""
    rows, data = [], []
    for name, array in inputs.items():
        content = np.ascontiguousarray(array).tobytes()
        data.append(content)
        rows.append(
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": _NAMES[array.dtype],
                "parameters": {"binary_data_size": len(content)},
            }
        )
    head = {"inputs": rows, "parameters": {"binary_data_output": True}}
    return json.dumps(head).encode(), b"".join(data)


def _response_tensors(body: bytes, length: int) -> Tensors:
    found, start = {}, length
    for row in json.loads(body[:length])["outputs"]:
        kind = _TYPES[row["datatype"]]
        size = row.get("parameters", {}).get("binary_data_size", 0)
        content = np.frombuffer(body[start : start + size], kind)
        found[row["name"]] = content.reshape(row["shape"])
        start += size
    return found
