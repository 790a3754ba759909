"""Many pictures through one function, several at a time: in threads for `Client`, else with await.

Read from their source as places get free, so that memory does not grow with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
)
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# Items held for each place: an answer that is late must not leave the other places idle while it
# is waited for.
HELD = 2


def run(
    items: Iterable[Item], one: Callable[[Item], Answer], places: int, *, ordered: bool
) -> Generator[tuple[Item, Answer], None, None]:
    """Each item with its answer, from `places` threads; what `one` raises ends it.

    Closing it begins nothing more; what has begun ends unheard.
    """
    pool = ThreadPoolExecutor(places, thread_name_prefix="deckwatch")
    begun: dict[Future[Answer], Item] = {}  # in the order given
    source = iter(items)
    more = True
    try:
        while more or begun:
            ready = next((each for each in begun if ordered or each.done()), None)
            if ready is not None and ready.done():
                answer = ready.result()
                yield begun.pop(ready), answer
            elif more and len(begun) < places * HELD:
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                else:
                    begun[pool.submit(one, item)] = item
            elif begun:
                wait([ready] if ready else begun, return_when=FIRST_COMPLETED)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


async def run_async(
    items: Iterable[Item] | AsyncIterable[Item],
    one: Callable[[Item], Awaitable[Answer]],
    places: int,
    *,
    ordered: bool,
) -> AsyncGenerator[tuple[Item, Answer], None]:
    """`run` with tasks; closing it cancels those that are not done."""
    turn = asyncio.Semaphore(places)

    async def in_turn(item: Item) -> Answer:
        async with turn:
            return await one(item)

    begun: dict[asyncio.Task[Answer], Item] = {}  # in the order given
    source = aiter(items if isinstance(items, AsyncIterable) else _each(items))
    more = True
    try:
        while more or begun:
            ready = next((each for each in begun if ordered or each.done()), None)
            if ready is not None and ready.done():
                answer = ready.result()
                yield begun.pop(ready), answer
            elif more and len(begun) < places * HELD:
                try:
                    item = await anext(source)
                except StopAsyncIteration:
                    more = False
                else:
                    begun[asyncio.create_task(in_turn(item))] = item
            elif begun:
                await asyncio.wait([ready] if ready else begun, return_when=FIRST_COMPLETED)
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


async def _each(items: Iterable[Item]) -> AsyncIterator[Item]:
    for item in items:
        yield item
