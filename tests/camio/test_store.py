"""What every queue of events must do, held against an SQLite file and a real Redis server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from deckwatch_gateway.camio.store import PENDING, STATES, Claim, Limits, State, Store

from .queues import DEADLINE_S, PLENTY, arrival, opened

LEASE_S = 60.0
SHORT_S = 0.05
TINY_S = 0.001


def on(queue: str, test: Callable[[Store], Awaitable[None]]) -> None:
    async def run() -> None:
        async with opened(queue) as store:
            await asyncio.wait_for(test(store), DEADLINE_S)

    asyncio.run(run())


async def claimed(store: Store, lease_s: float = LEASE_S) -> Claim:
    claim = await store.claim(lease_s)
    assert claim is not None
    return claim


async def claimed_later(store: Store, lease_s: float = TINY_S) -> Claim:
    """The next claim, as soon as something is due or a lease ran out."""
    while (claim := await store.claim(lease_s)) is None:
        await asyncio.sleep(0.01)
    return claim


async def states(store: Store) -> dict[str, State]:
    return {entry.id: entry.state for entry in await store.entries(STATES)}


def test_an_event_goes_from_received_to_delivered(queue: str) -> None:
    async def test(store: Store) -> None:
        given = arrival(body=b'{"images": []}')
        assert await store.put(given, PLENTY) == "accepted"
        assert await states(store) == {"id-a": "received"}

        claim = await claimed(store)
        assert (claim.entry.id, claim.body, claim.answer) == ("id-a", given.body, None)
        assert claim.callback_url == given.callback_url
        assert claim.age_s >= 0

        assert await store.label(claim, b"labels") == b"labels"
        assert await states(store) == {"id-a": "labelled"}
        assert await store.delivered(claim)
        assert await states(store) == {"id-a": "delivered"}
        assert await store.claim(LEASE_S) is None

    on(queue, test)


def test_what_is_told_of_an_event(queue: str) -> None:
    async def test(store: Store) -> None:
        given = replace(arrival("b", body=b"x" * 1000), images=3)
        await store.put(given, PLENTY)
        [entry] = await store.entries(PENDING)
        assert (entry.key_name, entry.camera, entry.images) == ("aurora", "deck-b", 3)
        assert entry.host == "hooks.camio.com"
        assert entry.received_at == entry.since == pytest.approx(entry.due_at, abs=0.01)
        assert (entry.attempts, entry.unfinished, entry.reason) == (0, 0, "")
        assert "hush" not in repr(entry)

    on(queue, test)


def test_the_oldest_comes_first_and_each_only_once(queue: str) -> None:
    async def test(store: Store) -> None:
        for name in "abc":
            await store.put(arrival(name), PLENTY)
            await asyncio.sleep(0.002)  # Redis keeps time in milliseconds
        found = [(await claimed(store)).entry.id for _ in "abc"]
        assert found == ["id-a", "id-b", "id-c"]
        assert await store.claim(LEASE_S) is None

    on(queue, test)


def test_many_at_once_never_share_a_claim(queue: str) -> None:
    async def test(store: Store) -> None:
        for number in range(20):
            await store.put(arrival(str(number)), PLENTY)
        claims = await asyncio.gather(*(store.claim(LEASE_S) for _ in range(30)))
        found = [claim.entry.id for claim in claims if claim is not None]
        assert len(found) == len(set(found)) == 20

    on(queue, test)


def test_the_same_event_is_merged_while_it_waits(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        assert await store.put(arrival(), PLENTY) == "duplicate"
        claim = await claimed(store)
        assert await store.put(arrival(), PLENTY) == "duplicate"
        await store.label(claim, b"labels")
        assert await store.put(arrival(), PLENTY) == "duplicate"
        assert await store.delivered(claim)
        assert await states(store) == {"id-a": "delivered"}
        assert await store.claim(LEASE_S) is None

    on(queue, test)


def test_the_same_event_after_its_answer_is_answered_again_with_its_labels(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        claim = await claimed(store)
        await store.label(claim, b"labels")
        await store.delivered(claim)
        assert await store.put(arrival(), PLENTY) == "duplicate"
        again = await claimed(store)
        assert (again.answer, again.body) == (b"labels", b"")
        assert again.callback_url == claim.callback_url
        assert await store.delivered(again)

    on(queue, test)


def test_the_first_labels_stand(queue: str) -> None:
    """Two gateways worked on one event because a lease ran out: both send the same bytes."""

    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        slow = await claimed(store, lease_s=TINY_S)
        fast = await claimed_later(store)
        assert fast.entry.id == slow.entry.id
        assert await store.label(fast, b"first") == b"first"
        assert await store.label(slow, b"second") == b"first"
        await store.delivered(fast)
        assert await store.label(slow, b"third") == b"first"
        assert await states(store) == {"id-a": "delivered"}

    on(queue, test)


def test_who_lost_a_claim_changes_nothing(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        lost = await claimed(store, lease_s=TINY_S)
        kept = await claimed_later(store)
        assert await store.renew(kept, LEASE_S)
        assert not await store.renew(lost, LEASE_S)
        assert not await store.postpone(lost, 0, "late")
        assert not await store.release(lost)
        assert not await store.dead(lost, "late")
        assert not await store.delivered(lost)
        assert await store.claim(LEASE_S) is None
        [entry] = await store.entries(PENDING)
        assert (entry.state, entry.reason, entry.unfinished) == ("received", "", 2)

    on(queue, test)


def test_a_claim_ends_with_its_lease_unless_it_is_renewed(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        first = await claimed(store, SHORT_S)
        await asyncio.sleep(SHORT_S / 2)
        renewed = time.monotonic()
        assert await store.renew(first, SHORT_S)
        second = await claimed_later(store, SHORT_S)
        assert time.monotonic() - renewed >= SHORT_S - 0.002  # Redis keeps time in milliseconds
        assert second.token != first.token

    on(queue, test)


def test_a_postponed_event_waits_and_keeps_its_reason(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        claim = await claimed(store)
        assert await store.postpone(claim, 3600, "status 503")
        assert await store.claim(LEASE_S) is None
        [entry] = await store.entries(PENDING)
        assert (entry.attempts, entry.reason, entry.unfinished) == (1, "status 503", 0)
        assert entry.due_at - entry.since == pytest.approx(3600, abs=60)

        await store.put(arrival("b"), PLENTY)
        other = await claimed(store)
        assert await store.postpone(other, SHORT_S, "status 429")
        again = await claimed_later(store)
        assert (again.entry.id, again.entry.attempts) == ("id-b", 1)

    on(queue, test)


def test_labels_begin_a_new_count_of_attempts(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        await store.postpone(await claimed(store), 0, "Triton is away")
        claim = await claimed_later(store)
        await store.label(claim, b"labels")
        await store.postpone(claim, 0, "status 500")
        again = await claimed_later(store)
        assert (again.entry.attempts, again.entry.reason) == (1, "status 500")
        assert again.answer == b"labels"

    on(queue, test)


def test_a_released_event_is_due_at_once_and_nothing_is_counted(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        assert await store.release(await claimed(store))
        again = await claimed(store)
        assert (again.entry.attempts, again.entry.unfinished) == (0, 1)
        assert again.body == b"{}"

    on(queue, test)


def test_claims_that_end_without_a_word_are_counted(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        for number in (1, 2, 3):
            claim = await claimed_later(store, lease_s=TINY_S)
            assert claim.entry.unfinished == number

    on(queue, test)


def test_a_dead_event_is_kept_with_its_reason_and_replayed(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(body=b"pictures"), PLENTY)
        await store.dead(await claimed(store), "Triton was away for a day")
        assert await store.claim(LEASE_S) is None
        [entry] = await store.entries(["dead"])
        assert entry.reason == "Triton was away for a day"

        assert await store.replay(["id-a", "id-unknown"]) == ["id-a"]
        assert await store.replay(["id-a"]) == [], "it waits already"
        claim = await claimed(store)
        assert (claim.body, claim.answer) == (b"pictures", None)
        assert (claim.entry.attempts, claim.entry.unfinished, claim.entry.reason) == (0, 1, "")
        assert claim.age_s < 60

        await store.label(claim, b"labels")
        await store.dead(claim, "status 404")
        assert await store.replay(None) == ["id-a"]
        assert (await claimed(store)).answer == b"labels"

    on(queue, test)


def test_all_dead_events_are_replayed_at_once(queue: str) -> None:
    async def test(store: Store) -> None:
        for number in range(12):
            await store.put(arrival(str(number)), PLENTY)
            await store.dead(await claimed(store), "status 404")
        await store.put(arrival("waits"), PLENTY)
        assert await store.replay([]) == []
        assert len(await store.replay(None)) == 12
        assert (await store.tally()).pending == 13

    on(queue, test)


def test_a_delivered_event_is_replayed_by_its_id_only(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(), PLENTY)
        claim = await claimed(store)
        await store.label(claim, b"labels")
        await store.delivered(claim)
        assert await store.replay(None) == []
        assert await store.replay(["id-a"]) == ["id-a"]
        assert (await claimed(store)).answer == b"labels"

    on(queue, test)


def test_a_dead_event_that_is_sent_again_lives_again(queue: str) -> None:
    async def test(store: Store) -> None:
        await store.put(arrival(body=b"pictures"), PLENTY)
        await store.dead(await claimed(store), "too old")
        assert await store.put(arrival(body=b"pictures"), PLENTY) == "duplicate"
        assert (await claimed(store)).body == b"pictures"
        assert await store.entries(["dead"]) == []

    on(queue, test)


def test_the_queue_is_full_by_number(queue: str) -> None:
    async def test(store: Store) -> None:
        two = Limits(max_events=2, max_bytes=10**6)
        assert await store.put(arrival("a"), two) == "accepted"
        assert await store.put(arrival("b"), two) == "accepted"
        assert await store.put(arrival("c"), two) == "full"
        assert await store.put(arrival("a"), two) == "duplicate", "it takes no room"
        claim = await claimed(store)
        await store.label(claim, b"labels")
        assert await store.put(arrival("c"), two) == "full"
        await store.delivered(claim)
        assert await store.put(arrival("c"), two) == "accepted"
        assert await store.put(arrival("a"), two) == "full", "answered again, it would wait too"

    on(queue, test)


def test_the_queue_is_full_by_bytes_until_pictures_are_deleted(queue: str) -> None:
    async def test(store: Store) -> None:
        some = Limits(max_events=100, max_bytes=1000)
        assert await store.put(arrival("a", body=b"x" * 600), some) == "accepted"
        assert await store.put(arrival("b", body=b"x" * 600), some) == "full"
        assert (await store.tally()).held_bytes == 600
        claim = await claimed(store)
        await store.label(claim, b"labels")
        assert (await store.tally()).held_bytes == 0
        assert await store.put(arrival("b", body=b"x" * 600), some) == "accepted"
        await store.dead(await claimed(store), "too old")
        assert (await store.tally()).held_bytes == 600, "it has no labels, so it needs its pictures"

    on(queue, test)


def test_the_tally_counts_and_tells_the_age_of_the_oldest(queue: str) -> None:
    async def test(store: Store) -> None:
        assert await store.tally() == await store.tally()
        empty = await store.tally()
        assert (empty.pending, empty.dead, empty.held_bytes, empty.oldest_s) == (0, 0, 0, 0)
        for name in "abc":
            await store.put(arrival(name), PLENTY)
        await store.dead(await claimed(store), "status 404")
        await asyncio.sleep(SHORT_S)
        tally = await store.tally()
        assert (tally.pending, tally.dead) == (2, 1)
        assert SHORT_S / 2 < tally.oldest_s < 60

    on(queue, test)


def test_entries_of_one_key_and_of_some_states_bounded(queue: str) -> None:
    async def test(store: Store) -> None:
        for number in range(4):
            await store.put(arrival(f"a{number}", key_name="aurora"), PLENTY)
            await store.put(arrival(f"b{number}", key_name="borealis"), PLENTY)
            await asyncio.sleep(0.002)
        await store.dead(await claimed(store), "status 404")
        mine = await store.entries(PENDING, key_name="aurora")
        assert [entry.id for entry in mine] == ["id-a1", "id-a2", "id-a3"]
        assert len(await store.entries(STATES)) == 8
        assert len(await store.entries(STATES, limit=3)) == 3
        assert await store.entries(["delivered"]) == []

    on(queue, test)


def test_purge_forgets_what_was_kept_long_enough(queue: str) -> None:
    async def test(store: Store) -> None:
        for name in ("waits", "answered", "dead"):
            await store.put(arrival(name, body=b"x" * 10_000), PLENTY)
            await asyncio.sleep(0.002)
        await claimed(store)
        answered = await claimed(store)
        await store.label(answered, b"labels")
        await store.delivered(answered)
        await store.dead(await claimed(store), "status 404")

        day = 24 * 3600.0
        assert await store.purge(keep_delivered_s=day, keep_dead_s=day, max_dead=9) == []
        assert len(await states(store)) == 3
        assert await store.purge(keep_delivered_s=0, keep_dead_s=day, max_dead=9) == []
        assert await states(store) == {"id-waits": "received", "id-dead": "dead"}
        assert await store.purge(keep_delivered_s=0, keep_dead_s=0, max_dead=9) == ["id-dead"]
        assert await states(store) == {"id-waits": "received"}
        assert (await store.tally()).held_bytes == 10_000
        assert await store.put(arrival("answered"), PLENTY) == "accepted", "forgotten, so new"

    on(queue, test)


def test_purge_keeps_the_newest_dead(queue: str) -> None:
    async def test(store: Store) -> None:
        for number in range(5):
            await store.put(arrival(str(number)), PLENTY)
            await store.dead(await claimed(store), "status 404")
            await asyncio.sleep(0.002)
        gone = await store.purge(keep_delivered_s=60, keep_dead_s=60, max_dead=2)
        assert sorted(gone) == ["id-0", "id-1", "id-2"]
        assert sorted(await states(store)) == ["id-3", "id-4"]

    on(queue, test)


def test_everything_is_there_after_a_restart(queue: str) -> None:
    async def before(store: Store) -> None:
        for name in "ab":
            await store.put(arrival(name, body=b"pictures"), PLENTY)
            await asyncio.sleep(0.002)
        claim = await claimed(store)
        await store.label(claim, b"labels")
        await store.release(claim)

    async def after(store: Store) -> None:
        claims = {claim.entry.id: claim for claim in [await claimed(store), await claimed(store)]}
        assert claims["id-a"].answer == b"labels"
        assert claims["id-b"].body == b"pictures"

    on(queue, before)
    on(queue, after)


def test_several_gateways_share_the_queue(queue: str) -> None:
    async def test(one: Store) -> None:
        async with opened(queue) as two:
            await one.put(arrival("a"), PLENTY)
            await two.put(arrival("b"), PLENTY)
            assert await two.put(arrival("a"), PLENTY) == "duplicate"
            found = {(await claimed(store)).entry.id for store in (one, two)}
            assert found == {"id-a", "id-b"}
            assert await one.claim(LEASE_S) is await two.claim(LEASE_S) is None

    on(queue, test)


def test_names_and_labels_of_any_script_come_back_as_they_were(queue: str) -> None:
    async def test(store: Store) -> None:
        given = replace(arrival(), camera="甲板 📷", callback_url="https://camio.com/é?x=1")
        await store.put(given, PLENTY)
        claim = await claimed(store)
        assert (claim.entry.camera, claim.callback_url) == (given.camera, given.callback_url)
        answer = bytes(range(256)) * 40
        assert await store.label(claim, answer) == answer
        await store.postpone(claim, 0, "naïve: " + "x" * 10_000)
        again = await claimed_later(store)
        assert again.answer == answer
        assert again.entry.reason.startswith("naïve")
        assert len(again.entry.reason) == 300

    on(queue, test)
