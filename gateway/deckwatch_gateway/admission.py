"""How much the gateway takes on at once: pictures at Triton, and bytes of bodies in memory.

Both refuse at once instead of queueing: Triton has its own queue, and a caller that is told to
come back in a second is better off than one that waits behind a growing line.
Both belong to one event loop, so plain integers need no lock.
"""

from __future__ import annotations

from types import TracebackType

from deckwatch_vision.errors import ServerOverloaded


class Gate:
    """Lets at most `limit` pictures through to Triton at once: `with gate: ...`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0

    def check(self) -> None:
        """Refuse before a body is read that could not be let through anyway.

        Raises ServerOverloaded when the gate is full.
        """
        if self.in_flight >= self.limit:
            raise ServerOverloaded(
                f"{self.in_flight} pictures are being recognised, the most allowed. Try again "
                "shortly, or raise DECKWATCH_MAX_IN_FLIGHT where Triton can take more."
            )

    def __enter__(self) -> None:
        self.check()
        self.in_flight += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.in_flight -= 1


class HeldBytes:
    """Counts the bytes of all request bodies in memory and refuses to go over `limit`.

    What is counted is what has arrived, not what a Content-Length promises: otherwise a few
    callers that promise much and send nothing would lock out everyone else.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, size: int) -> None:
        """Raises ServerOverloaded when `size` more bytes would be too many."""
        if self.held + size > self.limit:
            raise ServerOverloaded(
                f"{self.held:,} bytes of request bodies are in memory and {size:,} more would "
                f"exceed the {self.limit:,} allowed. Try again shortly, or raise "
                "DECKWATCH_MAX_HELD_BYTES where there is memory for it."
            )
        self.held += size

    def give_back(self, size: int) -> None:
        """Stop counting `size` bytes that were taken."""
        self.held -= size
