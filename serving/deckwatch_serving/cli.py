"""`deckwatch up`: the whole stack on this machine, with one command."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

_EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "photos"


def up(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the gateway; 0 takes a free one.")
    ] = 8080,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address that the gateway listens on.")
    ] = "127.0.0.1",
    repository: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Model repository to serve; by default the release that ships with Deckwatch.",
        ),
    ] = None,
    triton_grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Triton's gRPC port; 0 takes a free one.")
    ] = 0,
    triton_http_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Triton's HTTP port; 0 takes a free one.")
    ] = 0,
    triton_metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Triton's metrics port; 0 takes a free one.")
    ] = 0,
) -> None:
    """Serve on this machine: the Triton ensemble and the gateway, until Ctrl-C.

    Says where once a generated picture was recognised, and prints a command to try it with. A
    server that dies is started again. Needs the extras: pip install 'deckwatch[local,gateway]'.

    \b
    Examples:
      deckwatch up
      deckwatch up --port 0 --repository runs/spring/candidates/best
      DECKWATCH_API_KEYS_FILE=keys deckwatch up --host 0.0.0.0

    \b
    Exit status:
      0 stopped by SIGTERM, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C

    Environment: the gateway's settings, see `deckwatch gateway settings`; the options below win
    over them. See also: docs/serving.md, docs/http.md, `deckwatch doctor`.
    """
    from deckwatch_serving.gateway import GatewayProcess
    from deckwatch_serving.launcher import Launcher
    from deckwatch_serving.triton import EmbeddedTriton

    began = time.monotonic()
    triton = EmbeddedTriton(
        repository,
        grpc_port=triton_grpc_port,
        http_port=triton_http_port,
        metrics_port=triton_metrics_port,
    )
    gateway = GatewayProcess(triton.grpc_url, host=host, port=port)
    release = triton.release
    _say("deckwatch", f"release {release.name} {release.version} from {triton.repository}")
    for server in (triton, gateway):
        _say(server.name, f"starting; log: {server.child.log}")

    def ready() -> None:
        _say("deckwatch", f"up after {time.monotonic() - began:.1f} s; Ctrl-C stops it")
        line = curl_line(gateway.url, key=gateway.asks_for_keys)
        sys.stdout.write(f"Deckwatch is up: {gateway.url}\nTry it: {line}\n")
        sys.stdout.flush()

    raise typer.Exit(Launcher([triton, gateway], _say, ready).run())


def curl_line(url: str, *, key: bool = False) -> str:
    """A command to try the gateway with: a sample photograph where there are some.

    With `key` it shows the gateway the key that clients take from DECKWATCH_API_KEY.
    """
    samples = sorted(_EXAMPLES.glob("*.jpg"))
    photo = os.path.relpath(samples[0]) if samples else "photo.jpg"
    if photo.startswith(os.pardir):
        photo = str(samples[0])
    header = '-H "Authorization: Bearer $DECKWATCH_API_KEY" ' if key else ""
    return f"curl {header}--data-binary @{photo} {url}/classifyfish"


def _say(name: str, text: str) -> None:
    sys.stderr.write(f"{name:>9}: {text}\n")
    sys.stderr.flush()
