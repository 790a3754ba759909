"""How events are worked off: in good times, while Triton is away, beside other gateways."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deckwatch_gateway.camio import labeller
from deckwatch_gateway.camio.delivery import Outcome
from deckwatch_gateway.camio.metrics import CamioMetrics
from deckwatch_gateway.camio.steps import MOST_UNFINISHED, Pace, Steps
from deckwatch_gateway.camio.store import PENDING, Entry, Store
from deckwatch_gateway.metrics import Metrics
from deckwatch_vision.errors import BrokenImage
from deckwatch_vision.species import DEMO, LabelSet
from tests.gateway.test_traces import Collector, facts

from .conftest import Start
from .fake import FakeCamio
from .gateways import KEY, TIMESTAMP, FastTriton, Hooked, hooked_gateway, photo, settled
from .queues import DEADLINE_S, PLENTY, RedisServer, arrival, opened

WaitFor = Callable[[Callable[[], object]], None]


def entries(queue: str, *states: Any) -> list[Entry]:
    """What another process sees in the queue."""

    async def look() -> list[Entry]:
        async with opened(queue) as store:
            return await store.entries(states or PENDING)

    return asyncio.run(look())


def away(_: str) -> None:
    raise FastTriton.Away


def test_an_event_waits_while_triton_is_away(
    hooked: Hooked, jpeg: bytes, wait_for: WaitFor
) -> None:
    hooked.triton.trouble = away
    hooked.send(hooked.camio.event([photo(jpeg)]))
    wait_for(lambda: len(hooked.triton.events) >= 4)
    [waits] = hooked.waiting()
    assert waits["state"] == "received"
    assert waits["reason"] == "Not recognised: server-unavailable."
    assert not hooked.camio.callbacks
    hooked.triton.trouble = lambda _: None
    assert hooked.camio.wait(callbacks=1)
    assert hooked.metric("recognition_postponed_total") >= 3


def test_an_image_that_triton_cannot_read_stops_no_other(hooked: Hooked, jpeg: bytes) -> None:
    refused = iter([True, False, False])

    def trouble(_: str) -> None:
        if next(refused):
            raise BrokenImage("the JPEG is truncated. Copy it again.")

    hooked.triton.trouble = trouble
    times = [f"2017-05-05T01:31:1{number}" for number in range(3)]
    hooked.send(hooked.camio.event([photo(jpeg, one) for one in times]))
    assert hooked.camio.wait(callbacks=1)
    labels = hooked.camio.callbacks[0].labels
    assert [len(labels[one]) for one in times] == [0, 1, 1]


def test_labels_are_called_as_the_release_that_answered_calls_them(
    hooked: Hooked, jpeg: bytes
) -> None:
    renamed = LabelSet(
        tuple(replace(one, camio_label=f"new {one.camio_label}") for one in DEMO.species)
    )

    def swap(_: str) -> None:
        if len(hooked.triton.events) == 2:
            hooked.triton.labels, hooked.triton.version = renamed, 2

    hooked.triton.trouble = swap
    hooked.send(hooked.camio.event([photo(jpeg, "2017-05-05T01:31:10"), photo(jpeg)]))
    assert hooked.camio.wait(callbacks=1)
    names = [list(found) for found in hooked.camio.callbacks[0].labels.values()]
    assert names == [["shark"], ["new shark"]]


def test_an_event_too_old_is_put_aside_and_can_be_replayed(
    start: Start, jpeg: bytes, wait_for: WaitFor
) -> None:
    hooked = start(camio_max_age_s=0.3)
    hooked.triton.trouble = away
    hooked.send(hooked.camio.event([photo(jpeg)]))
    wait_for(lambda: entries(hooked.queue, "dead"))
    [dead] = entries(hooked.queue, "dead")
    assert dead.reason.startswith("Too old after ")
    assert dead.reason.endswith("Not recognised: server-unavailable.")
    wait_for(lambda: hooked.metric("put_aside") == 1)
    assert hooked.metric("dead_total") == 1

    hooked.triton.trouble = lambda _: None

    async def replay() -> list[str]:
        async with opened(hooked.queue) as store:
            return await store.replay(None)

    assert asyncio.run(replay()) == [dead.id]
    assert hooked.camio.wait(callbacks=1), "its pictures were kept"


def test_the_gauges_tell_of_what_waits(hooked: Hooked, jpeg: bytes, wait_for: WaitFor) -> None:
    hooked.camio.reply.status = 503
    hooked.send(hooked.camio.event([photo(jpeg)]))
    wait_for(lambda: hooked.metric("pending") == 1 and hooked.metric("oldest_seconds") > 0)
    wait_for(lambda: hooked.metric('callbacks_total{outcome="retried"}') >= 2)
    hooked.camio.reply.status = 200
    settled(hooked)
    wait_for(lambda: hooked.metric("pending") == 0)
    assert hooked.metric("oldest_seconds") == 0


def test_a_fault_of_our_own_is_tried_again(
    hooked: Hooked, jpeg: bytes, monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(labeller, "image_labels", lambda *_: 1 / 0)
        hooked.send(hooked.camio.event([photo(jpeg)]))
        wait_for(lambda: any(one["attempts"] for one in hooked.waiting()))
        assert "failed over this event" in hooked.waiting()[0]["reason"]
    assert hooked.camio.wait(callbacks=1)


def test_pictures_of_events_are_kept_as_others_are(
    start: Start, jpeg: bytes, tmp_path: Path, wait_for: WaitFor
) -> None:
    kept = tmp_path / "kept"
    hooked = start(keep=str(kept), keep_sample=1.0, keep_least=0.0)
    hooked.send(hooked.camio.event([photo(jpeg)], camera="deck-aft"))
    wait_for(lambda: list(kept.glob("*/*.json")))
    [record] = kept.glob("*/*.json")
    content = json.loads(record.read_text())
    assert content["camera"] == "deck-aft"
    assert content["captured_at"] == TIMESTAMP


def test_an_event_has_a_trace_down_to_triton_and_its_callback(
    start: Start, jpeg: bytes, collector: Collector
) -> None:
    hooked = start(otlp_endpoint=collector.address)
    hooked.send(hooked.camio.event([photo(jpeg)]))
    event, callback = collector.named("camio event"), collector.named("callback")
    (recognised,) = (
        span
        for span in collector.spans
        if span.name == "triton" and span.trace_id == event.trace_id
    )
    assert {recognised.parent_span_id, callback.parent_span_id} == {event.span_id}
    assert facts(callback) == {"deckwatch.outcome": "delivered"}
    assert facts(event)["deckwatch.images"] == 1
    assert KEY not in str(collector.spans)
    assert "/labels/" not in str(collector.spans)


def test_a_claim_is_renewed_while_its_event_is_worked_on(
    start: Start, jpeg: bytes, wait_for: WaitFor
) -> None:
    hooked = start(camio_lease_s=2.0)
    go_on = threading.Event()

    def hang(_: str) -> None:
        go_on.wait(DEADLINE_S)

    hooked.triton.trouble = hang
    hooked.send(hooked.camio.event([photo(jpeg)]))
    wait_for(lambda: hooked.triton.events and entries(hooked.queue)[0].unfinished)
    ends = entries(hooked.queue)[0].due_at
    wait_for(lambda: time.time() > ends)
    [claimed] = entries(hooked.queue)
    assert claimed.due_at > ends
    assert claimed.unfinished == 1
    go_on.set()
    assert hooked.camio.wait(callbacks=1)


def test_gateways_share_the_work_of_one_queue(
    queue: str, jpeg: bytes, camio: FakeCamio, triton: FastTriton
) -> None:
    """Every event is recognised once and answered once, whoever took it in."""
    with ExitStack() as stack:
        gateways = [
            stack.enter_context(hooked_gateway(queue, triton, camio, camio_lease_s=60))
            for _ in range(2)
        ]
        events = [camio.event([photo(jpeg)], camera=f"deck-{number}") for number in range(30)]
        for number, event in enumerate(events):
            gateways[number % 2].send(event)
        assert camio.wait(callbacks=30)
        for gateway in gateways:
            settled(gateway)
    assert len({one.path for one in camio.callbacks}) == len(camio.callbacks) == 30
    assert len(triton.events) == 30


def test_a_gateway_that_stops_hands_its_work_to_another_at_once(
    queue: str, jpeg: bytes, camio: FakeCamio, triton: FastTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the lease would run out."""
    monkeypatch.setattr("deckwatch_gateway.camio.worker.FINISH_S", 0.2)
    stuck, go_on = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        stuck.set()
        go_on.wait(DEADLINE_S)

    triton.trouble = hang
    with hooked_gateway(queue, triton, camio, camio_lease_s=3000) as first:
        first.send(camio.event([photo(jpeg)]))
        assert stuck.wait(DEADLINE_S)
    [left] = entries(queue)
    assert left.unfinished == 0
    triton.trouble = lambda _: None
    go_on.set()
    with hooked_gateway(queue, triton, camio, camio_lease_s=3000):
        assert camio.wait(callbacks=1)


def test_what_is_nearly_done_is_finished_before_a_gateway_stops(
    queue: str, jpeg: bytes, camio: FakeCamio, triton: FastTriton
) -> None:
    camio.reply.delay_s = 0.5
    with hooked_gateway(queue, triton, camio) as first:
        first.send(camio.event([photo(jpeg)]))
        assert camio.wait(callbacks=1)
    assert [one.state for one in entries(queue, "received", "labelled", "delivered")] == [
        "delivered"
    ]
    assert len(camio.callbacks) == 1


class Answering:
    """Callbacks that all end in one way."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    async def post(self, url: str, answer: bytes) -> Outcome:
        return self.outcome


def step(queue: str, outcome: Outcome, *, pace: Pace, claims: int = 1) -> Entry:
    """The one event of a queue after a step that met `outcome`; it has labels already."""

    async def keep(_: object) -> None:
        return

    async def run() -> Entry:
        async with opened(queue) as store:
            await store.put(arrival(), PLENTY)
            for _ in range(claims):
                while (claim := await store.claim(0.001)) is None:
                    await asyncio.sleep(0.001)
            assert claim is not None
            await store.label(claim, b"labels")
            claim = replace(claim, answer=b"labels")
            metrics = CamioMetrics(Metrics().registry)
            no_labeller: Any = None
            callbacks: Any = Answering(outcome)
            await Steps(store, no_labeller, callbacks, pace, metrics, keep).advance(claim)
            return await only(store)

    return asyncio.run(run())


async def only(store: Store) -> Entry:
    [entry] = await store.entries(["labelled", "dead", "delivered"])
    return entry


PACE = Pace(max_age_s=60, retry_first_s=0.001, retry_longest_s=1)


def test_retry_after_is_kept_to(queue: str) -> None:
    entry = step(queue, Outcome("retry", "busy", retry_after_s=500), pace=PACE)
    assert entry.state == "labelled"
    assert entry.due_at - entry.since == pytest.approx(500, abs=20)


def test_what_is_refused_is_put_aside_at_once(queue: str) -> None:
    entry = step(queue, Outcome("refused", "camio.com answered 404 Not Found."), pace=PACE)
    assert (entry.state, entry.reason) == ("dead", "camio.com answered 404 Not Found.")


def test_an_event_that_takes_its_gateways_down_is_put_aside(queue: str) -> None:
    delivered = Outcome("delivered", "")
    old = replace(PACE, max_age_s=0)
    entry = step(queue, delivered, pace=old, claims=MOST_UNFINISHED + 2)
    assert entry.state == "dead"
    assert entry.reason == f"Work on it ended {MOST_UNFINISHED + 1} times without a word."


def test_an_event_that_only_got_old_is_tried_once_more(queue: str) -> None:
    """All gateways were down for longer than the longest age."""
    entry = step(queue, Outcome("delivered", ""), pace=replace(PACE, max_age_s=0))
    assert entry.state == "delivered"


def test_pictures_that_a_server_lost_are_no_event_without_images(
    redis_server: RedisServer, jpeg: bytes, camio: FakeCamio, triton: FastTriton, wait_for: WaitFor
) -> None:
    redis_server.command("FLUSHALL")
    triton.trouble = away
    with hooked_gateway(redis_server.url, triton, camio) as hooked:
        hooked.send(camio.event([photo(jpeg)]))
        [event] = hooked.waiting()
        assert redis_server.command("DEL", f"{{deckwatch:camio}}:body:{event['id']}") == b":1\r\n"
        wait_for(lambda: entries(hooked.queue, "dead"))
    assert "lost the event's pictures" in entries(redis_server.url, "dead")[0].reason
    assert camio.callbacks == []


def test_pauses_grow_up_to_the_longest_and_are_spread() -> None:
    pace = Pace(max_age_s=60, retry_first_s=1, retry_longest_s=300)
    for attempts in (0, 3, 8, 9, 1000, 10**9):
        pauses = [pace.wait_s(attempts) for _ in range(300)]
        longest = min(300.0, 2.0 ** min(attempts, 60))
        assert 0 <= min(pauses) < 0.2 * longest
        assert 0.8 * longest < max(pauses) <= longest
