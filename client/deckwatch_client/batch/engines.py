"""Where the work is done: threads of this process, or a Ray cluster. Results come in order.

Threads serve both recognition in this process and servers: the nets, the decoders and the network
let go of Python's lock. In process one picture a core, its nets on that core, is a third faster
than one picture at a time on all cores; one more covers the waiting for the disk.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from typing import Protocol

from deckwatch_client.batch.feed import Feed
from deckwatch_client.batch.work import Connection, Recognise, Task
from deckwatch_client.records import Record
from deckwatch_client.served import Served
from deckwatch_serving import engines
from deckwatch_serving.cores import available_cores

SPARE = 1
PER_SERVER = 8
# Results wait for the ones before them: so many may, for each worker, before one that takes long
# holds up the others.
AHEAD = 16
# After Ctrl-C: what is at work is waited for so long.
GRACE_S = 10.0

Done = tuple[Task, Record | None]


class Engine(Protocol):
    """One way to work through tasks."""

    workers: int

    def served(self) -> Served:
        """What answers. Raises DeckwatchError."""

    def results(self, feed: Feed, stop: threading.Event) -> Generator[Done, None, None]:
        """Tasks with their records, in order; after `stop` those that were at work."""

    def close(self) -> None:
        """Let go of servers and models."""


def default_workers(connection: Connection) -> int:
    """How many pictures are at work at once where nobody says it."""
    if connection.addresses:
        servers = sum(1 + address.count(",") for address in connection.addresses)
        return PER_SERVER * servers
    return available_cores() + SPARE


class Threads:
    """Threads of this process."""

    def __init__(self, recognise: Recognise, workers: int) -> None:
        self.workers = workers
        self._recognise = recognise

    def served(self) -> Served:
        """See `Engine.served`."""
        return self._recognise.served()

    def results(self, feed: Feed, stop: threading.Event) -> Generator[Done, None, None]:
        """See `Engine.results`."""
        crew = _Crew(self._recognise, feed, stop, self.workers)
        try:
            yield from crew.results()
        finally:
            crew.ended.set()

    def close(self) -> None:
        """See `Engine.close`."""
        self._recognise.close()


class _Slot:
    """A task and, once it is done, its record or what went wrong."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.record: Record | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()


class _Crew:
    """The threads of one run."""

    def __init__(
        self, recognise: Recognise, feed: Feed, stop: threading.Event, workers: int
    ) -> None:
        self._recognise = recognise
        self._feed = feed
        self._stop = stop
        self.ended = threading.Event()
        self._slots: queue.SimpleQueue[_Slot | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(AHEAD * workers)
        self._taking = threading.Lock()
        self._left = workers
        for number in range(workers):
            # Daemons: a server that hangs must not keep the process from ending.
            threading.Thread(target=self._work, name=f"worker {number}", daemon=True).start()

    def results(self) -> Iterator[Done]:
        """Records in the order of the tasks."""
        while (slot := self._next()) is not None:
            if slot.error is not None:
                raise slot.error
            self._room.release()
            self._feed.done(slot.task)
            yield slot.task, slot.record

    def _next(self) -> _Slot | None:
        slot: _Slot | None = None
        deadline = None
        while True:
            try:
                slot = slot or self._slots.get(timeout=0.2)
                if slot is None or slot.done.wait(0.2):
                    return slot
            except queue.Empty:
                pass
            if self._stop.is_set():
                # What waits for a server that is away is not worth waiting for.
                grace_s = 0.0 if self._recognise.waiting else GRACE_S
                deadline = deadline or time.monotonic() + grace_s
                if time.monotonic() > deadline:
                    return None

    def _work(self) -> None:
        try:
            while (slot := self._take()) is not None:
                try:
                    slot.record = self._recognise(slot.task)
                except BaseException as error:
                    slot.error = error
                slot.done.set()
        finally:
            with self._taking:
                self._left -= 1
                if not self._left:
                    self._slots.put(None)

    def _take(self) -> _Slot | None:
        """The next task, which takes its place among the results before the one after it."""
        while not self._room.acquire(timeout=0.2):
            if self._over:
                return None
        with self._taking:
            if self._over:
                return None
            try:
                task = self._feed.take()
            except BaseException as error:
                slot = _Slot(Task("", b"", ""))
                slot.error = error
                slot.done.set()
                self._slots.put(slot)
                return None
            if task is None:
                return None
            slot = _Slot(task)
            self._slots.put(slot)
            return slot

    @property
    def _over(self) -> bool:
        return self._stop.is_set() or self.ended.is_set()


class Ray:
    """Workers of a Ray cluster, each with one core and, in process, the nets on it."""

    def __init__(self, recognise: Recognise, served: Served, workers: int) -> None:
        self.workers = workers
        self._recognise = recognise
        self._served = served

    def served(self) -> Served:
        """See `Engine.served`."""
        return self._served

    def results(self, feed: Feed, stop: threading.Event) -> Generator[Done, None, None]:
        """See `Engine.results`; what Ray has been given is waited for after `stop`."""
        waiting: deque[Task] = deque()

        def tasks() -> Iterator[Task]:
            for task in feed:
                sent = task.encoded()
                feed.done(task)
                waiting.append(sent)
                yield sent

        for record in engines.run(self._recognise, tasks(), engine="ray", workers=self.workers):
            yield waiting.popleft(), record

    def close(self) -> None:
        """See `Engine.close`; Ray's workers go with the run."""


def open_engine(
    name: engines.Engine, connection: Connection, recognise: Recognise, workers: int
) -> Engine:
    """The engine of that name.

    Args:
        name: "local" or "ray".
        connection: what `recognise` will use.
        recognise: what is done with each task.
        workers: pictures at work at once; 0 takes `default_workers`, or all that the cluster has.

    Raises:
        DeckwatchError: the release cannot be found out.
    """
    if name == "ray":
        return Ray(recognise, _served(connection), workers)
    return Threads(recognise, workers or default_workers(connection))


def _served(connection: Connection) -> Served:
    """What is served, without loading nets."""
    if connection.addresses:
        backend = connection.open()
        try:
            return backend.served()
        finally:
            backend.close()
    from deckwatch_serving.repository import find_repository, open_release

    return Served.of(open_release(find_repository(connection.repository), verify=False))
