"""Recognition in this process, behind the same two faces as the servers' clients."""

from __future__ import annotations

import os

from deckwatch_client.served import Served
from deckwatch_serving.local import LocalRecogniser
from deckwatch_vision.result import Result


class LocalBackend:
    """A release loaded into this process. Raises ReleaseNotFound, ReleaseCorrupt.

    `threads` are the processor threads for one net; None takes all that are available.
    """

    def __init__(
        self, repository: str | os.PathLike[str] | None = None, *, threads: int | None = None
    ) -> None:
        self._recogniser = LocalRecogniser(repository, threads=threads)

    def infer(self, data: bytes, *, file: str | None = None) -> Result:
        """Recognise the fish in one encoded picture. Raises ImageError."""
        return self._recogniser.recognise(data, file=file)

    def served(self) -> Served:
        """The release that was loaded; its model card is read from the repository."""
        from deckwatch_serving.configs import model_card_file

        release = self._recogniser.release
        card = self._recogniser.repository / model_card_file(release)
        return Served.of(release, card.read_text(encoding="utf-8") if card.is_file() else "")

    def close(self) -> None:
        """Nothing to let go of: the nets go with this object."""


class AsyncLocalBackend:
    """`LocalBackend` in worker threads; the nets let go of Python's lock while they run."""

    def __init__(self, backend: LocalBackend) -> None:
        self._backend = backend

    @classmethod
    async def load(cls, repository: str | os.PathLike[str] | None = None) -> AsyncLocalBackend:
        """Load the release without holding up the event loop."""
        import asyncio

        return cls(await asyncio.to_thread(LocalBackend, repository))

    async def infer(self, data: bytes, *, file: str | None = None) -> Result:
        """See `LocalBackend.infer`. A cancelled call's thread finishes its picture unheard."""
        import asyncio

        return await asyncio.to_thread(self._backend.infer, data, file=file)

    async def served(self) -> Served:
        """See `LocalBackend.served`."""
        return self._backend.served()

    async def close(self) -> None:
        """See `LocalBackend.close`."""
