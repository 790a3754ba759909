"""What is done with one picture or frame, wherever it is done: an object that may be pickled.

recognise = Recognise(Connection(address="grpc://127.0.0.1:8001"), Origins())
record = recognise(Task("trip/deck.jpg", ...))
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deckwatch_client.backends import Backend, open_backend
from deckwatch_client.batch.origin import Origins
from deckwatch_client.batch.patience import Balanced, Patient
from deckwatch_client.pictures import read_picture
from deckwatch_client.records import Failure, Moment, Origin, Record
from deckwatch_client.served import Served
from deckwatch_vision.errors import DeckwatchError, ImageError, ServerError
from deckwatch_vision.exif import captured_at
from deckwatch_vision.images import encode_jpeg

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deckwatch_client.background.stage import BackgroundStage

# A frame goes to the backend as a JPEG, so that every backend sees the same pixels; at this quality
# and with colours in full the loss is below the noise of any camera.
FRAME_QUALITY, FRAME_COLOURS = 95, "444"


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work, and how it is noted.

    name, identity, stamp: of the picture or frame, see `index`; the stamp is the file's.
    video: for a frame, and for what is told of a video as a whole, the video's identity.
    moment, looks, pixels, data: of a frame; encoded, `data` stands for the pixels.
    captured_at: of a live stream's frame, see `Origin`.
    failure: why there is nothing to do.
    finished: this says that the video was read to its end, and is no record.
    """

    name: str
    identity: bytes
    stamp: str
    video: bytes | None = None
    moment: Moment | None = None
    looks: str | None = None
    pixels: NDArray[np.uint8] | None = None
    data: bytes | None = None
    captured_at: str | None = None
    failure: Failure | None = None
    finished: bool = False

    def encoded(self) -> Task:
        """The same, for another process: with a frame's JPEG instead of its pixels."""
        if self.pixels is None:
            return self
        return replace(self, pixels=None, data=frame_bytes(self.pixels))


@dataclass(frozen=True, slots=True)
class Connection:
    """Where recognition happens.

    addresses: normalised ones of servers; none means in this process.
    repository: in this process the model repository; None looks for it.
    timeout_s: longest wait for one answer. patience_s: for a server that is away.
    threads: in this process the processor threads of a net: pictures are worked on side by side.
    """

    addresses: Sequence[str] = ()
    repository: str | None = None
    timeout_s: float = 30.0
    patience_s: float = 600.0
    threads: int = 1

    def open(self) -> Backend:
        """Connect, or load the release. Raises DeckwatchError."""
        if not self.addresses:
            from deckwatch_client.local import LocalBackend

            return LocalBackend(self.repository, threads=self.threads)
        backends = [
            open_backend(each, repository=None, timeout_s=self.timeout_s) for each in self.addresses
        ]
        backend = backends[0] if len(backends) == 1 else Balanced(backends)
        return Patient(backend, patience_s=self.patience_s)


class Recognise:
    """Recognises the picture of a task; opens its backend with the first one.

    May be called from several threads, and pickled: each process opens its own backend.
    """

    def __init__(
        self, connection: Connection, origins: Origins, stage: BackgroundStage | None = None
    ) -> None:
        self._connection = connection
        self._origins = origins
        self.stage = stage
        self._backend: Backend | None = None
        self._lock = threading.Lock()

    def __call__(self, task: Task) -> Record | None:
        """The record of a task; None for one that carries none.

        Raises:
            DeckwatchError: not the picture but the server or the release is at fault.
        """
        if task.finished:
            return None
        record = Record(
            task.name,
            failure=task.failure,
            origin=Origin(captured_at=task.captured_at),
            moment=task.moment,
            looks=task.looks,
        )
        if task.failure is not None:
            return record
        try:
            data = _bytes_of(task)
            if task.moment is None:
                record = replace(record, origin=Origin(captured_at=captured_at(data)))
            return self._recognised(record, data)
        except (ImageError, ServerError) as error:
            # Of a server's errors `Patient` lets pass those alone that are the picture's own.
            return replace(record, failure=Failure.of(error))

    @property
    def waiting(self) -> bool:
        """Whether the server is away just now."""
        return isinstance(self._backend, Patient) and self._backend.away

    def served(self) -> Served:
        """What answers. Raises DeckwatchError."""
        return self._open().served()

    def close(self) -> None:
        """Close the backend; calls that are waiting for it fail."""
        with self._lock:
            if self._backend is not None:
                self._backend.close()

    def _recognised(self, record: Record, data: bytes) -> Record:
        backend = self._open()
        if self.stage is None:
            return replace(record, result=backend.infer(data))
        camera, _ = self._origins.place(record.moment.video if record.moment else record.name)
        result, static, unchanged = self.stage.recognise(data, camera, backend.infer)
        return replace(record, result=result, static=static, unchanged=unchanged)

    def _open(self) -> Backend:
        with self._lock:
            if self._backend is None:
                self._backend = self._connection.open()
            return self._backend

    def __reduce__(self) -> tuple[Any, ...]:
        return Recognise, (self._connection, self._origins, self.stage)


def failed(task: Task, error: DeckwatchError) -> Task:
    """The task, with nothing to do but to note why."""
    return replace(task, failure=Failure.of(error))


def _bytes_of(task: Task) -> bytes:
    if task.data is not None:
        return task.data
    if task.pixels is not None:
        return frame_bytes(task.pixels)
    return read_picture(task.name)


def frame_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """A frame [H,W,3] as every backend sees it."""
    return encode_jpeg(pixels, FRAME_QUALITY, FRAME_COLOURS)
