"""Every entrance to the stack, as a function from pictures to results."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import tritonclient.grpc as grpcclient

from deckwatch_client import AsyncClient, Client, Result, classify
from deckwatch_client.ensemble import read_served

# As many pictures at once as the steps of the CPU profile have instances.
AT_ONCE = 2
SERVERS = ("local", "grpc", "http")


@dataclass(frozen=True)
class Stack:
    """Where the running stack is."""

    repository: Path
    grpc: str
    http: str

    def address(self, server: str) -> str:
        return {"local": "", "grpc": self.grpc, "http": self.http}[server]


Answers = list[dict[str, Any]]
Entrance = Callable[[Stack, Sequence[Path]], Answers]


@dataclass
class Outcome:
    """What one run of `classify` left behind."""

    status: int
    out: str
    err: str


def run_classify(stack: Stack, server: str, *arguments: str, stdin: bytes = b"") -> Outcome:
    """`classify` in this process, with `stdin` on standard input."""
    out, err = io.StringIO(), io.StringIO()
    command = ["--server", stack.address(server), "--repository", str(stack.repository)]
    given, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = classify.main([*command, *arguments])
    finally:
        sys.stdin = given
    return Outcome(status, out.getvalue(), err.getvalue())


@contextmanager
def generic_triton(stack: Stack) -> Iterator[grpcclient.InferenceServerClient]:
    """NVIDIA's own client, which knows nothing of Deckwatch."""
    with grpcclient.InferenceServerClient(stack.grpc.removeprefix("grpc://")) as triton:
        yield triton


def image_tensor(data: bytes) -> grpcclient.InferInput:
    tensor = grpcclient.InferInput("IMAGE", [len(data)], "UINT8")
    tensor.set_data_from_numpy(np.frombuffer(data, np.uint8))
    return tensor


@contextmanager
def generic_http(stack: Stack) -> Iterator[httpx2.Client]:
    """Bare HTTP to the gateway."""
    with httpx2.Client(base_url=stack.http, trust_env=False, timeout=60) as http:
        yield http


def classify_paths(server: str, stack: Stack, paths: Sequence[Path]) -> Answers:
    """`classify --json PATH ...`"""
    outcome = run_classify(stack, server, "--json", *map(str, paths))
    assert (outcome.status, outcome.err) == (0, "")
    return [json.loads(line) for line in outcome.out.splitlines()]


def classify_stdin(server: str, stack: Stack, paths: Sequence[Path]) -> Answers:
    """`classify --json < PATH` for one picture after the other."""
    outcomes = [run_classify(stack, server, "--json", stdin=path.read_bytes()) for path in paths]
    assert {(outcome.status, outcome.err) for outcome in outcomes} == {(0, "")}
    return [json.loads(outcome.out) for outcome in outcomes]


def client(server: str, stack: Stack, paths: Sequence[Path]) -> Answers:
    """`Client.classify` of paths, by several threads."""
    with (
        Client(stack.address(server), repository=stack.repository) as deckwatch,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        return [result.as_dict() for result in pool.map(deckwatch.classify, paths)]


def async_client(server: str, stack: Stack, paths: Sequence[Path]) -> Answers:
    """`AsyncClient.classify` of contents, several at a time."""

    async def everything() -> list[Result]:
        turnstile = asyncio.Semaphore(AT_ONCE)
        async with AsyncClient(stack.address(server), repository=stack.repository) as deckwatch:

            async def one(path: Path) -> Result:
                async with turnstile:
                    return await deckwatch.classify(path.read_bytes(), file=os.fspath(path))

            return await asyncio.gather(*map(one, paths))

    return [result.as_dict() for result in asyncio.run(everything())]


def tritonclient(stack: Stack, paths: Sequence[Path]) -> Answers:
    """NVIDIA's client over gRPC, and its tensors put together here."""
    with generic_triton(stack) as triton:
        served = read_served(triton.get_model_config("deckwatch").config)

        def one(path: Path) -> dict[str, Any]:
            answer = triton.infer("deckwatch", [image_tensor(path.read_bytes())])
            return Result.from_arrays(
                answer.as_numpy("LIKELIHOODS"),
                answer.as_numpy("BOXES"),
                answer.as_numpy("SCORES"),
                answer.as_numpy("FISH_LIKELIHOODS"),
                answer.as_numpy("SIZE"),
                served.labels,
                served.release,
            ).as_dict()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(one, paths))


def gateway(multipart: bool, stack: Stack, paths: Sequence[Path]) -> Answers:
    """`POST /v1/classify`, the picture as the body or as a file of a form."""

    def one(path: Path) -> dict[str, Any]:
        content = path.read_bytes()
        sent: dict[str, Any] = (
            {"files": {"image": (path.name, content)}} if multipart else {"content": content}
        )
        answer = http.post("/v1/classify", **sent)
        assert answer.status_code == 200, answer.text
        return answer.json()

    with generic_http(stack) as http, ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, paths))


ENTRANCES: dict[str, Entrance] = {
    **{f"classify-path-{server}": partial(classify_paths, server) for server in SERVERS},
    **{f"classify-stdin-{server}": partial(classify_stdin, server) for server in SERVERS},
    **{f"client-{server}": partial(client, server) for server in SERVERS},
    **{f"async-client-{server}": partial(async_client, server) for server in SERVERS},
    "tritonclient": tritonclient,
    "gateway-raw": partial(gateway, False),
    "gateway-multipart": partial(gateway, True),
}
