"""`deckwatch camio events | replay`: what waits, what was put aside, and sending it again.

Both read and change the queue itself, beside running gateways.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from deckwatch_gateway.camio.store import PENDING, STATES, Entry, State, Store, iso_time, open_store
from deckwatch_gateway.cli_serve import SettingsFile
from deckwatch_vision.errors import UsageError

_T = TypeVar("_T")

# Letters of an id that are shown, and that are enough to name an event.
SHORT = 12
LEAST = 4
EVERYTHING = 10_000_000
_HEADS = ("id", "state", "age", "images", "key", "camera", "tries", "next", "reason")

Queue = Annotated[
    str | None,
    typer.Option(
        metavar="PLACE",
        help="The queue: path of an SQLite file, or redis://... [default: $DECKWATCH_CAMIO_QUEUE]",
    ),
]


def events(
    dead: Annotated[bool, typer.Option("--dead", help="Only those that were put aside.")] = False,
    pending: Annotated[bool, typer.Option("--pending", help="Only those that wait.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Those whose labels were delivered as well.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="The oldest so many.")] = 1000,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, an event each.")
    ] = False,
    queue: Queue = None,
    file: SettingsFile = None,
) -> None:
    """List the events that wait or were put aside, the oldest first, with what last went wrong.

    \b
    Examples:
      deckwatch camio events
      deckwatch camio events --dead
      deckwatch camio events --dead --json | jq -r .reason | sort | uniq -c
    """
    if dead + pending + everything > 1:
        raise UsageError("Choose one of --dead, --pending and --all.")
    states: tuple[State, ...] = (*PENDING, "dead")
    if dead:
        states = ("dead",)
    elif pending:
        states = PENDING
    elif everything:
        states = STATES
    found = _with_queue(queue, file, lambda store: store.entries(states, limit=limit + 1))
    shown = found[:limit]
    if as_json:
        for entry in shown:
            typer.echo(json.dumps(_as_dict(entry), ensure_ascii=False))
    elif shown:
        typer.echo(_table(shown, time.time()))
    if not shown:
        typer.echo("There are no such events.", err=True)
    if len(found) > limit:
        typer.echo(f"There are more than these {limit}; see --limit.", err=True)


def replay(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID...", help="Events, by their ids or the beginnings that `events` shows."
        ),
    ] = None,
    all_dead: Annotated[
        bool, typer.Option("--all-dead", help="Every event that was put aside.")
    ] = False,
    queue: Queue = None,
    file: SettingsFile = None,
) -> None:
    """Have events answered again that were put aside, or whose labels were delivered.

    An event that has labels is sent the same ones; one that has none is recognised. A running
    gateway goes on with it within a second. An event that waits already is left alone.

    \b
    Examples:
      deckwatch camio replay 9f86d081884c
      deckwatch camio replay --all-dead
    """
    if bool(ids) == all_dead:
        raise UsageError(
            "Name events (deckwatch camio replay ID...; `deckwatch camio events --dead` lists "
            "them), or all that were put aside with --all-dead."
        )
    named = None if all_dead else list(ids or ())
    done = _with_queue(queue, file, lambda store: _replay(store, named))
    typer.echo(f"{len(done)} {'event waits' if len(done) == 1 else 'events wait'} again.")


async def _replay(store: Store, named: Sequence[str] | None) -> list[str]:
    if named is None:
        return await store.replay(None)
    entries = await store.entries(STATES, limit=EVERYTHING)
    chosen = {entry.id: entry for entry in (_find(entries, one) for one in named)}
    for entry in chosen.values():
        if entry.state in PENDING:
            typer.echo(f"{entry.id[:SHORT]} waits already.", err=True)
    return await store.replay(list(chosen))


def _find(entries: Sequence[Entry], name: str) -> Entry:
    """The one event whose id begins with `name`."""
    found = [entry for entry in entries if entry.id.startswith(name)]
    if len(name) < LEAST or len(found) > 1:
        raise UsageError(
            f"{name!r} could be {len(found)} events. Give more of the id; "
            f"{LEAST} letters at least, `deckwatch camio events` shows {SHORT}."
        )
    if not found:
        raise UsageError(
            f"There is no event {name!r} in this queue. See `deckwatch camio events --all`; what "
            "was kept long enough is forgotten."
        )
    return found[0]


def _with_queue(queue: str | None, file: Path | None, work: Callable[[Store], Awaitable[_T]]) -> _T:
    """What `work` makes of the queue that is named or else in the settings."""
    from deckwatch_gateway.settings import read_settings

    location = read_settings(file).camio_queue if queue is None else queue

    async def run() -> _T:
        store = open_store(location, create=False)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _as_dict(entry: Entry) -> dict[str, Any]:
    times = {name: iso_time(getattr(entry, name)) for name in ("received_at", "since", "due_at")}
    return asdict(entry) | times


def _table(entries: Sequence[Entry], now: float) -> str:
    lines: list[tuple[str, ...]] = [_HEADS]
    for entry in entries:
        waits = entry.state in PENDING
        wait_s = max(0.0, entry.due_at - now)
        lines.append(
            (
                entry.id[:SHORT], entry.state, _span(now - entry.received_at), str(entry.images),
                entry.key_name, _plain(entry.camera), str(entry.attempts),
                f"in {_span(wait_s)}" if waits else "", _plain(entry.reason),
            )
        )  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _span(seconds: float) -> str:
    """A span of time in the largest unit that fits."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _plain(text: str) -> str:
    """Names and reasons come from outside: nothing of them may steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
