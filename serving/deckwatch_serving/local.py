"""Recognition in this process, without any server: what `classify` uses by default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from deckwatch_serving.cores import available_cores
from deckwatch_serving.net import Net, choose_runtime, open_net
from deckwatch_serving.repository import find_repository, open_release
from deckwatch_vision.recognise import recognise

if TYPE_CHECKING:
    from deckwatch_vision.release import Release
    from deckwatch_vision.result import Result


class LocalRecogniser:
    """A release loaded into this process; may be used from several threads at once.

    Args:
        repository: the model repository; None looks for it (see `find_repository`).
        threads: processor threads for one net; None takes all that are available.
        verify: compare the release's files with their digests first.
        version: of the release; None is the live one.

    Raises:
        ReleaseNotFound: no release there.
        ReleaseCorrupt: the release's files are damaged.
    """

    def __init__(
        self,
        repository: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        verify: bool = True,
        version: int | None = None,
    ) -> None:
        self.repository = find_repository(repository)
        self.release: Release = open_release(self.repository, version, verify=verify)
        files = (self.release.detector.file, self.release.classifier.file)
        self._detector, self._classifier = _open_nets(
            [self.repository / each for each in files], self.release, threads or available_cores()
        )

    def recognise(self, data: bytes, *, file: str | None = None) -> Result:
        """Recognise the fish in one encoded picture; `file` is its name for the result.

        Raises:
            ImageError: the picture is empty, broken, too large or of no allowed format.
        """
        return recognise(data, self._detector, self._classifier, self.release, file=file)


def _open_nets(paths: list[Path], release: Release, threads: int) -> list[Net]:
    runtime, precision = choose_runtime(release)
    return [open_net(path, threads=threads, runtime=runtime, precision=precision) for path in paths]
