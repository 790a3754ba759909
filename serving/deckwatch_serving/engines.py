"""One function over many items: in processes of this machine, or on a Ray cluster.

    for result in run(function, items, engine="local", workers=2):
        ...

Results come in the order of the items, and no more than `window` items are on their way at once, so
memory does not grow with their number. A worker that dies (kill -9, out of memory) loses nothing:
its item is worked on again. `function` must be picklable (a function of a module, or an object with
`__call__` whose class is of one) and is sent to every worker once; what it keeps on itself stays
there between items. What it raises ends the run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import connection
from typing import Any, Literal, TypeVar, get_args

from deckwatch_serving.cores import available_cores
from deckwatch_vision.errors import DeckwatchError, UsageError

Engine = Literal["local", "ray"]
Item = TypeVar("Item")
Result = TypeVar("Result")

# Items on their way for every worker: enough that none waits while the slowest of them is fetched.
AHEAD = 4
# How often one item may lose its worker before it is taken for the cause.
TRIES = 3
# One core a worker: with threads of their own, two workers on two cores would run four.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def run(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    engine: Engine = "local",
    workers: int = 0,
    window: int | None = None,
) -> Iterator[Result]:
    """The results of `function` for every item, in order.

    Args:
        function: picklable; see above.
        items: taken one by one, never more than `window` before their results were asked for.
        engine: "local": processes, or this process itself with one worker. "ray": the cluster that
            RAY_ADDRESS names, else a Ray started on this machine for as long as it takes.
        workers: how many items at once; 0 takes one a core, or all that the cluster has.
        window: items on their way at once; by default four a worker.

    Raises:
        UsageError: no such engine, or a number that cannot be.
        MissingExtra: Ray is not installed.
        DeckwatchError: an item ended its worker three times.
    """
    if engine not in get_args(Engine):
        raise UsageError(f"No engine {engine!r}. Give one of: {', '.join(get_args(Engine))}.")
    if workers < 0 or (window is not None and window < 1):
        raise UsageError(f"{workers} workers, a window of {window}: give at least 1, or leave out.")
    if engine == "ray":
        from deckwatch_serving import ray_engine

        return ray_engine.run(function, iter(items), workers, window)
    workers = workers or available_cores()
    if workers == 1:
        return _here(function, items)
    return _processes(function, iter(items), workers, window or AHEAD * workers)


def _here(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    import cv2

    threads = cv2.getNumThreads()
    # A worker is one core, also where it is this process.
    cv2.setNumThreads(1)
    try:
        yield from map(function, items)
    finally:
        cv2.setNumThreads(threads)


_function: Callable[[Any], Any] | None = None  # of this worker process


def _begin(function: Callable[[Any], Any]) -> None:
    """The first thing that a worker process does."""
    global _function
    import cv2

    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _function = function


def _end_with_parent() -> None:
    """Workers of a parent that was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        connection.wait([parent.sentinel])
        os._exit(1)


def _call(item: Any) -> Any:
    return _function(item)  # type: ignore[misc]  # set by _begin


def _submit(executor: ProcessPoolExecutor, item: Any) -> Future[Any]:
    """Hand an item over."""
    # A worker that is started for it inherits the mask, and never hears of Ctrl-C, which reaches
    # the whole group: the parent alone decides what it means.
    with _uninterrupted():
        return executor.submit(_call, item)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the block is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Workers started meanwhile inherit an environment of one thread each."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _processes(
    function: Callable[[Item], Result], items: Iterator[Item], workers: int, window: int
) -> Iterator[Result]:
    def pool() -> ProcessPoolExecutor:
        # Spawned, not forked: OpenCV and OpenBLAS do not survive a fork with threads running.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers, context, _begin, (function,))

    with single_threaded():
        executor = pool()
        others = set(multiprocessing.active_children())
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        broken = 0
        try:
            while True:
                try:
                    for item in islice(items, window - len(waiting)):
                        # The item stays known even where the pool breaks while taking it.
                        waiting.append((item, Future()))
                        waiting[-1] = (item, _submit(executor, item))
                    if not waiting:
                        return
                    result = waiting[0][1].result()
                except BrokenProcessPool:
                    broken += 1
                    if broken >= TRIES:
                        raise _lost(waiting[0][0]) from None
                    executor.shutdown(wait=True, cancel_futures=True)
                    executor = pool()
                    # Results that were there before the pool broke are kept.
                    waiting = deque(
                        (item, held if _finished(held) else _submit(executor, item))
                        for item, held in waiting
                    )
                    continue
                broken = 0
                waiting.popleft()
                yield result
        except KeyboardInterrupt:
            # At once, whatever they are at: what is half written is no file yet.
            with _uninterrupted():
                for worker in set(multiprocessing.active_children()) - others:
                    worker.terminate()
            raise
        finally:
            with _uninterrupted():  # an impatient second Ctrl-C would leave workers behind
                executor.shutdown(wait=True, cancel_futures=True)


def _finished(future: Future[Any]) -> bool:
    return (
        future.done()
        and not future.cancelled()
        and not isinstance(future.exception(), BrokenProcessPool)
    )


def _lost(item: object) -> DeckwatchError:
    return DeckwatchError(
        f"A worker process died {TRIES} times in a row, last at {item!r:.200}. Often the machine "
        "was out of memory: run the same command with fewer --workers; it goes on where it stood."
    )
