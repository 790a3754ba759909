"""The pictures of one camera, for `classify --background`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deckwatch_client.background.stage import BackgroundStage
from deckwatch_client.background.store import Backgrounds
from deckwatch_client.records import background_json
from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import Result


class FixedCamera:
    """`BackgroundStage` for pictures of one camera, with what was learnt of it before.

    Args:
        path: a folder of backgrounds, or one of its files.
        camera: the camera's name; None will do where there is but one.

    Raises:
        UsageError: nothing was learnt of such a camera, or which one is meant is not clear.
    """

    def __init__(self, path: str, camera: str | None = None) -> None:
        store = Backgrounds(Path(path))
        known = store.cameras()
        named = ", ".join(repr(each) if each else "one without a name" for each in known)
        if not known or (camera is not None and camera not in known):
            raise UsageError(
                f"{path} holds no background of {repr(camera) if camera else 'any camera'}"
                + (
                    f", but of {named}. Correct --camera."
                    if known
                    else ". Make one with `deckwatch background learn`."
                )
            )
        if camera is None and len(known) > 1:
            raise UsageError(f"{path} holds backgrounds of {named}. Say which with --camera.")
        self._camera = known[0] if camera is None else camera
        self._stage = BackgroundStage(Path(path))

    def recognise(
        self, data: bytes, infer: Callable[[bytes], Result]
    ) -> tuple[Result, dict[str, Any]]:
        """The result without static fish, and `static` and `unchanged` as in a `Record`'s JSON."""
        result, static, unchanged = self._stage.recognise(data, self._camera, infer)
        return result, background_json(static, unchanged)

    def warnings(self) -> list[str]:
        """See `BackgroundStage.warnings`."""
        return self._stage.warnings()
