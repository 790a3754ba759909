"""`deckwatch camio events | replay`, as they are typed, beside a running gateway."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deckwatch_gateway.camio.cli import camio as app
from deckwatch_gateway.camio.store import Store
from deckwatch_vision.errors import QueueUnavailable, UsageError
from tests.gateway.conftest import wait_for

from .conftest import Start
from .gateways import Hooked, photo
from .queues import PLENTY, arrival, opened


def run(*words: str) -> Result:
    """The command in this process; what it raises on purpose is raised here as well."""
    done = CliRunner().invoke(app, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


async def _fill(store: Store) -> None:
    """One event that waits, one with labels that waits, one dead, one delivered."""
    for name in ("delivered", "dead", "labelled"):
        await store.put(arrival(name, key_name=f"key-{name}"), PLENTY)
        claim = await store.claim(60)
        assert claim is not None
        if name == "dead":
            await store.dead(claim, "camio.com answered 404 Not Found.")
            continue
        await store.label(claim, b"labels")
        if name == "delivered":
            await store.delivered(claim)
        else:
            await store.postpone(claim, 3600, "camio.com answered 503: \x1b[31mred\x1b[0m")
    await store.put(replace(arrival("received"), camera="deck\x1b]0;title\x07"), PLENTY)


@pytest.fixture
def filled(queue: str) -> str:
    async def fill() -> None:
        async with opened(queue) as store:
            await _fill(store)

    asyncio.run(fill())
    return queue


def ids(done: Result) -> list[str]:
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


def test_what_waits_and_what_was_put_aside_is_listed(filled: str) -> None:
    done = run("events", "--queue", filled)
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["dead", "labelled", "received"]
    assert lines[0].split()[:3] == ["id", "state", "age"]
    assert "camio.com answered 404 Not Found." in lines[1]
    assert "in 1 h" in lines[2] or "in 60 min" in lines[2]
    assert "\x1b" not in done.stdout
    assert "hush" not in done.stdout


@pytest.mark.parametrize(
    ("option", "wanted"),
    [
        ("--dead", ["id-dead"]),
        ("--pending", ["id-labelled", "id-received"]),
        ("--all", ["id-delivered", "id-dead", "id-labelled", "id-received"]),
    ],
)
def test_some_of_them_as_json(filled: str, option: str, wanted: list[str]) -> None:
    done = run("events", option, "--json", "--queue", filled)
    assert ids(done) == wanted
    first = json.loads(done.stdout.splitlines()[0])
    assert first["received_at"].endswith("+00:00")
    assert "hush" not in done.stdout


def test_the_oldest_so_many(filled: str) -> None:
    done = run("events", "--all", "--json", "--limit", "2", "--queue", filled)
    assert ids(done) == ["id-delivered", "id-dead"]
    assert "more than these 2" in done.stderr


def test_an_empty_queue_prints_no_data(queue: str) -> None:
    asyncio.run(_touch(queue))
    done = run("events", "--queue", queue)
    assert (done.stdout, done.stderr) == ("", "There are no such events.\n")


async def _touch(queue: str) -> None:
    async with opened(queue):
        pass


def test_one_is_replayed_by_the_beginning_of_its_id(filled: str) -> None:
    assert run("replay", "id-dea", "--queue", filled).stdout == "1 event waits again.\n"
    assert "id-dead" in ids(run("events", "--pending", "--json", "--queue", filled))


def test_one_that_was_delivered_and_one_that_waits(filled: str) -> None:
    done = run("replay", "id-delivered", "id-received", "id-received", "--queue", filled)
    assert done.stdout == "1 event waits again.\n"
    assert done.stderr == "id-received waits already.\n"


def test_all_that_were_put_aside(filled: str) -> None:
    assert run("replay", "--all-dead", "--queue", filled).stdout == "1 event waits again.\n"
    assert run("replay", "--all-dead", "--queue", filled).stdout == "0 events wait again.\n"


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["replay"], r"--all-dead"),
        (["replay", "id-dead", "--all-dead"], r"Name events"),
        (["replay", "id-unknown"], r"no event 'id-unknown'.*--all"),
        (["replay", "id-d"], r"could be 2 events"),
        (["replay", "id"], r"4 letters at least"),
        (["events", "--dead", "--all"], r"Choose one"),
    ],
)
def test_what_makes_no_sense_is_refused(filled: str, words: list[str], cure: str) -> None:
    with pytest.raises(UsageError, match=cure):
        run(*words, "--queue", filled)


def test_a_queue_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no queue"):
        run("events", "--queue", str(tmp_path / "q.sqlite"))
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away(nobody: str) -> None:
    with pytest.raises(QueueUnavailable, match="Redis server runs") as caught:
        run("events", "--queue", nobody)
    assert "hush" not in str(caught.value)


def test_the_settings_name_the_queue(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_CAMIO_QUEUE", filled)
    assert ids(run("events", "--dead", "--json")) == ["id-dead"]


def test_a_running_gateway_goes_on_with_what_is_replayed(start: Start, jpeg: bytes) -> None:
    """Put aside because its labels were refused; the cause is mended, and it is replayed."""
    hooked: Hooked = start()
    hooked.camio.reply.status = 404
    hooked.send(hooked.camio.event([photo(jpeg)]))
    assert hooked.camio.wait(callbacks=1)
    wait_for(lambda: bool(run("events", "--dead", "--json", "--queue", hooked.queue).stdout))
    dead = json.loads(run("events", "--dead", "--json", "--queue", hooked.queue).stdout)
    assert dead["reason"].startswith("127.0.0.1 answered 404 Not Found")
    hooked.camio.reply.status = 200
    run("replay", dead["id"], "--queue", hooked.queue)
    assert hooked.camio.wait(callbacks=2)
    first, second = hooked.camio.callbacks
    assert first.body == second.body


def test_exit_statuses_and_streams(tmp_path: Path) -> None:
    """Through the command `deckwatch` itself: 2 and one line for what the caller can mend."""
    done = subprocess.run(
        [sys.executable, "-m", "deckwatch_client.cli", "camio", "events", "--queue", "q.sqlite"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "there is no queue at q.sqlite" in done.stderr
