"""A pipeline: threads that read and decode, threads that run the nets, one that writes.

python -m benchmarks.arms.pipelined FOLDER OUTPUT REPOSITORY

The same steps and nets as ours, on all cores, joined by short queues.
"""

from __future__ import annotations

import hashlib
import json
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deckwatch_serving.cores import available_cores
from deckwatch_serving.net import choose_runtime, open_net
from deckwatch_serving.repository import open_release
from deckwatch_vision.recognise import assemble, find_fish, fuse, make_crops, prepare

AHEAD = 4


class Pipeline:
    """The stages of one run over a folder."""

    def __init__(self, folder: str, repository: str) -> None:
        root = Path(repository)
        self.release = open_release(root, None)
        runtime, precision = choose_runtime(self.release)
        self.detector, self.classifier = (
            open_net(root / file, threads=available_cores(), runtime=runtime, precision=precision)
            for file in (self.release.detector.file, self.release.classifier.file)
        )
        self.paths: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self.decoded: queue.Queue[Any] = queue.Queue(AHEAD * available_cores())
        self.answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        for path in sorted(Path(folder).iterdir()):
            self.paths.put(path)

    def run(self, output: Path) -> None:
        """Start the stages and write what comes out."""
        readers = self._start(self._read, available_cores())
        workers = self._start(self._recognise, 2 * available_cores())
        threading.Thread(target=self._end, args=(readers, workers)).start()
        with output.open("w", encoding="utf-8") as lines:
            while (answer := self.answers.get()) is not None:
                lines.write(json.dumps(answer) + "\n")

    def _start(self, work: Callable[[], None], count: int) -> list[threading.Thread]:
        threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads

    def _end(self, readers: list[threading.Thread], workers: list[threading.Thread]) -> None:
        """Tell every stage when nothing more comes."""
        for _ in readers:
            self.paths.put(None)
        for reader in readers:
            reader.join()
        for _ in workers:
            self.decoded.put(None)
        for worker in workers:
            worker.join()
        self.answers.put(None)

    def _read(self) -> None:
        while (path := self.paths.get()) is not None:
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            self.decoded.put((path, digest, prepare(data, self.release)))

    def _recognise(self) -> None:
        while (item := self.decoded.get()) is not None:
            path, digest, picture = item
            heads = self.detector(picture.canvas[None])[0]
            boxes, scores = find_fish(heads, picture, self.release)
            crops, rows, row_scores = make_crops(picture.image, boxes, scores, self.release)
            fused = fuse(self.classifier(crops), rows, row_scores, self.release)
            size = picture.image.shape[:2]
            self.answers.put(assemble(fused, size, self.release, str(path), digest).as_dict())


if __name__ == "__main__":
    Pipeline(sys.argv[1], sys.argv[3]).run(Path(sys.argv[2]))
