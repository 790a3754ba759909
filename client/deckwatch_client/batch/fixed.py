"""The backgrounds of a run's fixed cameras: learnt before its first picture, then kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deckwatch_client.batch.plan import BACKGROUND, Plan
from deckwatch_client.batch.sources import Sources
from deckwatch_client.batch.work import frame_bytes
from deckwatch_client.logs import speaker
from deckwatch_client.pictures import read_picture
from deckwatch_client.records import Moment
from deckwatch_client.video import is_stream
from deckwatch_vision.errors import ImageError, UsageError

if TYPE_CHECKING:
    from deckwatch_client.background.stage import BackgroundStage
    from deckwatch_client.background.store import Background

# A sample is taken without knowing what is day and what is night; each shall have enough.
_TIMES = 2

Sample = tuple[str, Moment | None]
"""A picture's path, or a video's with the moment of one frame."""


def prepare(
    plan: Plan, sources: Sources, stop: threading.Event, *, continuing: bool
) -> BackgroundStage | None:
    """What drops fish of the background; None where the plan wants nothing of the kind.

    A new run learns, or copies what was learnt, into OUT/background; a run that goes on uses what
    is there, so that it finds the same as before.

    Raises:
        UsageError: there is nothing to learn from, or the folder cannot be written.
    """
    if plan.background is None:
        return None
    from deckwatch_client.background.stage import BackgroundStage
    from deckwatch_client.background.store import Backgrounds

    store = Backgrounds(plan.out / BACKGROUND)
    stage = BackgroundStage(store.path, plan.background)
    if continuing:
        return stage
    learnt_already = _made_before(plan.background_from)
    if learnt_already is not None:
        store.path.mkdir(parents=True, exist_ok=True)
        for each in learnt_already:
            store.write(each)
        return stage
    if plan.background_from is not None:
        sources = Sources([str(plan.background_from)], (), plan.out)
    elif sources.once:
        raise UsageError(
            "--background cannot learn from a list on standard input, which is read once. Give "
            "--background-from, or the list as a file."
        )
    speaker().info("background", "Learning what the cameras always see.")
    for learnt in stage.learn_from(_pictures(plan, sources, stop)):
        tell = speaker().info if learnt.backgrounds else speaker().warning
        tell("background", f"{learnt}.", camera=learnt.camera, night=learnt.night)
    return stage


def _made_before(path: Path | None) -> list[Background] | None:
    """Backgrounds of `deckwatch background learn`, where that is what the path holds."""
    from deckwatch_client.background.store import SUFFIX, Backgrounds

    if path is None:
        return None
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder to learn a background from.")
    if path.is_file() and path.suffix != SUFFIX:
        return None
    return list(Backgrounds(path)) or None


def _pictures(
    plan: Plan, sources: Sources, stop: threading.Event
) -> Iterator[tuple[str | None, bytes]]:
    """An even sample of every camera's pictures and frames."""
    from deckwatch_client.background.sample import EvenSample

    if plan.background is None:
        return
    sample: EvenSample[Sample] = EvenSample(_TIMES * plan.background.sample)
    for item in sources:
        _go_on(stop)
        camera, _ = plan.origins.place(item.name)
        if item.error is not None or is_stream(item.name):
            continue
        if item.kind == "picture":
            sample.offer(camera, (item.name, None))
            continue
        for moment in _moments(item.name, plan):
            _go_on(stop)
            sample.offer(camera, (item.name, moment))
    for camera, (name, when) in sample.chosen():
        _go_on(stop)
        try:
            yield camera, read_picture(name) if when is None else _frame(name, when)
        except ImageError:
            continue  # the run itself tells of it


def _go_on(stop: threading.Event) -> None:
    """Raise KeyboardInterrupt where the user wants to stop: there is nothing to finish yet."""
    if stop.is_set():
        raise KeyboardInterrupt


def _moments(video: str, plan: Plan) -> Iterator[Moment]:
    from deckwatch_client.video.frames import Lost, sample

    try:
        for taken in sample(video, plan.video, after=None):
            if not isinstance(taken, Lost):
                yield taken.moment
    except ImageError:
        return


def _frame(video: str, moment: Moment) -> bytes:
    from deckwatch_client.video.frames import FrameReader

    with FrameReader(video) as reader:
        return frame_bytes(reader.pixels(moment))
