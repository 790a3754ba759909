"""Ctrl-C and SIGTERM: the first one asks the run to stop, the second one ends it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deckwatch_client.logs import speaker


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C or SIGTERM within the block.

    A second one raises KeyboardInterrupt. Outside of the main thread, where Python delivers no
    signals, nobody sets it.
    """
    stop = threading.Event()
    over = threading.Event()

    def ask(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    def tell() -> None:
        # Not in the handler: that may come while the main thread itself is saying something.
        stop.wait()
        if not over.is_set():
            speaker().info(
                "run stopping",
                "Stopping: what is at work is finished and noted. Once more to stop at once.",
            )

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    threading.Thread(target=tell, name="stopping", daemon=True).start()
    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        over.set()
        for each, handler in before.items():
            signal.signal(each, handler)
