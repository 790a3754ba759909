"""From sources to tasks: what is known already is passed over, videos become frames.

The feed works in a thread of its own, so that looking for files and decoding videos overlaps with
everything else. It is a few tasks ahead and no more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from deckwatch_client.batch.index import Index, Known, frame_identity
from deckwatch_client.batch.sources import Item, Sources, identity
from deckwatch_client.batch.work import Task, failed
from deckwatch_client.video import is_stream, public_name
from deckwatch_serving.picture_files import stamp
from deckwatch_vision.errors import DeckwatchError

if TYPE_CHECKING:
    from deckwatch_client.video.frames import Frame, Lost
    from deckwatch_client.video.options import VideoOptions


class Feed:
    """Tasks one by one, for several takers.

    Args:
        sources: pictures and videos.
        index: what is known of them.
        video: how videos are sampled.
        ahead: tasks that may wait here.
        frames: frames of videos that may be in memory, here and at work.
        stop: set when the run is to end.
    """

    def __init__(
        self,
        sources: Sources,
        index: Index,
        video: VideoOptions,
        *,
        ahead: int,
        frames: int,
        stop: threading.Event,
    ) -> None:
        self._sources = sources
        self._index = index
        self._video = video
        self._stop = stop
        self._closed = threading.Event()
        self._tasks: queue.Queue[Task | None] = queue.Queue(ahead)
        self._frames = threading.BoundedSemaphore(frames)
        self._error: BaseException | None = None
        self._ended = False
        self.taken_over = 0
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        """Begin to look for work."""
        self._thread.start()

    def take(self) -> Task | None:
        """The next task; None when there is no more, for good.

        Raises:
            DeckwatchError: the sources cannot be read on.
        """
        while not self._ended:
            try:
                task = self._tasks.get(timeout=0.2)
            except queue.Empty:
                if self._over:
                    break
                continue
            if task is not None:
                return task
            self._ended = True
        if self._error is not None:
            raise self._error
        return None

    def __iter__(self) -> Iterator[Task]:
        while (task := self.take()) is not None:
            yield task

    def done(self, task: Task) -> None:
        """A task is no longer in memory."""
        if task.pixels is not None:
            self._frames.release()

    def close(self) -> None:
        """End the thread, wherever it is."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    @property
    def _over(self) -> bool:
        return self._stop.is_set() or self._closed.is_set()

    def _run(self) -> None:
        try:
            for item in self._sources:
                if not self._item(item):
                    break
        except BaseException as error:  # told in the thread that takes
            self._error = error
        self._put(None)

    def _item(self, item: Item) -> bool:
        """Put the tasks of a picture or video; False when the run is to end."""
        if item.kind == "video" and item.error is None:
            return self._frames_of(item.name)
        who = identity(item.name)
        task = Task(item.name, who, "" if item.error else _stamp(item.name))
        known = self._index.meet(who, task.stamp)
        if known is Known.TWICE:
            return not self._over
        if known is Known.DONE:
            self.taken_over += 1
            return not self._over
        return self._put(failed(task, item.error) if item.error else task)

    def _frames_of(self, name: str) -> bool:
        from deckwatch_client.video.frames import sample

        live = is_stream(name)
        public = public_name(name)  # an address may hold a password
        who, mark = identity(public), "" if live else _stamp(name)
        told = self._index.meet_video(who, public, mark)
        if told.known is not Known.NEW:
            return not self._over
        whole = Task(public, who, mark, video=who)
        try:
            for taken in sample(name, self._video, after=told.after):
                if not self._frame(taken, who, mark):
                    return False
        except DeckwatchError as error:
            return self._put(failed(whole, error))
        # A live stream has no end: the same command goes on with it.
        return live or self._put(replace(whole, finished=True))

    def _frame(self, taken: Frame | Lost, video: bytes, mark: str) -> bool:
        """Put what was taken from a video; False when the run is to end."""
        from deckwatch_client.video.frames import Lost

        moment = taken.moment
        who = frame_identity(video, moment)
        if self._index.meet(who, mark) is not Known.NEW:
            return not self._over
        task = Task(taken.name, who, mark, video, moment, captured_at=taken.captured_at)
        if isinstance(taken, Lost):
            return self._put(failed(task, taken.error))
        return self._room() and self._put(replace(task, looks=taken.looks, pixels=taken.pixels))

    def _room(self) -> bool:
        """Wait until another frame may be in memory; False when the run is to end."""
        while not self._frames.acquire(timeout=0.2):
            if self._over:
                return False
        return True

    def _put(self, task: Task | None) -> bool:
        while not self._over:
            try:
                self._tasks.put(task, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False


def _stamp(path: str) -> str:
    from pathlib import Path

    try:
        return stamp(Path(path))
    except ValueError:  # a null character, as a list may hold
        return ""
