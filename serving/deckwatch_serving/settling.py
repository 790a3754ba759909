"""Making up for a swap that was cut off: before the next one, and before a server starts."""

from __future__ import annotations

import contextlib
from pathlib import Path

from deckwatch_serving import configs, history
from deckwatch_serving.history import Swap
from deckwatch_serving.repository import live_version, open_release
from deckwatch_vision.errors import UsageError


def settle(repository: Path) -> Swap | None:
    """Make up for a swap that was cut off. Call with the lock held.

    Returns:
        The swap, None where the last one came to its end. Whether it happened is told by what is
        live now.
    """
    if history.announced(repository) is None:
        history.done(repository)
        return None
    live = open_release(repository, live_version(repository), verify=False)
    configs.write_configs(repository, live)
    return history.recover(repository, live.version)


def settle_if_free(repository: Path) -> None:
    """`settle`, before a server starts, what nobody is at.

    Who is swapping right now, or a repository that cannot be written, is left alone: every state in
    between can be served.
    """
    if history.announced(repository) is None:
        return
    with contextlib.suppress(UsageError, OSError), history.locked(repository):
        settle(repository)
