"""What a run is to do, and whether it may go on where another one stopped: run.json."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deckwatch_client.batch.log import FILE as LOG
from deckwatch_client.batch.log import disk_error
from deckwatch_client.batch.origin import Origins
from deckwatch_client.batch.work import Connection
from deckwatch_client.formats.contract import FormatOptions
from deckwatch_client.run_info import RUN, RunInfo
from deckwatch_client.served import Served
from deckwatch_client.version import installed_version
from deckwatch_client.video.options import VideoOptions
from deckwatch_serving.engines import Engine
from deckwatch_vision.errors import UsageError
from deckwatch_vision.species import Species

if TYPE_CHECKING:
    from deckwatch_client.background.options import BackgroundOptions

BACKGROUND, COPIES = "background", "annotated"
LOCK = ".lock"
# Another value of these would have given other answers; what else is in run.json may change.
SHAPING = ("rate_hz", "scene_change", "seconds", "background")
# Of these as well, where fish of a camera's background are dropped while the run goes.
SHAPING_CAMERAS = ("camera", "camera_from")


@dataclass(frozen=True)
class Plan:
    """A run.

    sources, lists: see `Sources`. out: the folder that it writes into.
    connection, engine, workers: where it works; 0 workers takes what is best there.
    origins: how camera, vessel and time are told from a path.
    video: how videos are sampled and followed.
    background: how a camera's background is used; None not at all. background_from: pictures to
        learn it from, or what `deckwatch background` made; None takes the run's own pictures.
    formats: by name; results.jsonl is always written. format_options: what some ask for.
    again: start anew although OUT holds a run; that one is kept in a folder of its own.
    """

    sources: tuple[str, ...]
    out: Path
    lists: tuple[str, ...] = ()
    connection: Connection = field(default_factory=Connection)
    engine: Engine = "local"
    workers: int = 0
    origins: Origins = field(default_factory=Origins)
    video: VideoOptions = field(default_factory=VideoOptions)
    background: BackgroundOptions | None = None
    background_from: Path | None = None
    formats: tuple[str, ...] = ("jsonl", "csv")
    format_options: FormatOptions = field(default_factory=FormatOptions)
    again: bool = False

    @property
    def all_formats(self) -> tuple[str, ...]:
        """The formats to write, the one that reports read first."""
        return tuple(dict.fromkeys(("jsonl", *self.formats)))

    def options(self, *, relative: bool) -> dict[str, Any]:
        """JSON values by name, for run.json; `relative`: names depend on the working folder."""
        background = None
        if self.background is not None:
            learnt_from = self.background_from and os.path.abspath(self.background_from)
            background = {**self.background.as_dict(), "from": learnt_from}
        return {
            "folder": os.getcwd() if relative else None,
            **self.video.as_dict(),
            "background": background,
            "camera": self.origins.camera,
            "vessel": self.origins.vessel,
            "camera_from": self.origins.camera_from,
            "time_pattern": list(self.origins.times),
        }


def run_info(plan: Plan, served: Served, *, relative: bool) -> RunInfo:
    """What the run is made with."""
    species = served.species or tuple(
        # A release from before configurations carried more than codes.
        Species(code, code, None, None, None, sensitive=False)
        for code in served.labels
    )
    return RunInfo(served.release, species, installed_version(), plan.options(relative=relative))


def differences(before: RunInfo, now: RunInfo) -> list[str]:
    """What speaks against going on with `before`, each as a phrase."""
    found = []
    told = [f"{each.release.name} {each.release.version}" for each in (before, now)]
    if before.release != now.release:
        found.append(f"its release is {told[0]}, now it would be {told[1]}")
    elif before.codes != now.codes:
        found.append(
            f"its classes are {', '.join(before.codes)}, now they would be {', '.join(now.codes)}"
        )
    folder = before.options.get("folder")
    if folder not in (None, os.getcwd()):
        found.append(f"its names start from {folder}, where the command has to be called")
    for name in (*SHAPING, *(SHAPING_CAMERAS if now.options.get("background") else ())):
        was, would_be = before.options.get(name), now.options.get(name)
        if was != would_be:
            found.append(f"its {name} is {_told(was)}, now it would be {_told(would_be)}")
    return found


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make the folder and be the only run in it.

    Raises:
        UsageError: another run works there.
        DeckwatchError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = os.open(out / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise disk_error(error, out) from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"Another run works in {out}. Wait until it is done, or give another --out."
            ) from None
        yield
    finally:
        os.close(file)


def begun(plan: Plan) -> RunInfo | None:
    """The run that stands in the folder; None where there is none.

    Raises:
        UsageError: files of ours stand there that no run.json tells of.
    """
    path = plan.out / RUN
    if path.is_file():
        try:
            return RunInfo.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{path} cannot be read ({error}). Give another --out, or --again to start anew."
            ) from None
    # A background may be there already: of a run that was killed while it learnt.
    names = [name for name in _written() if name != BACKGROUND]
    strange = [name for name in names if (plan.out / name).exists()]
    if strange:
        raise UsageError(
            f"{plan.out} holds {', '.join(strange)}, which no run of `deckwatch batch` wrote. Give "
            "another --out."
        )
    return None


def check(plan: Plan, now: RunInfo) -> RunInfo | None:
    """The run to go on with; None where a new one begins.

    `now` keeps the folder that names start from, also where all that is given now is absolute.

    Raises:
        UsageError: it was begun with something else; the message names each difference.
        DeckwatchError: the folder cannot be written.
    """
    if plan.again:
        try:
            _set_aside(plan)
        except OSError as error:
            raise disk_error(error, plan.out) from None
    before = begun(plan)
    if before is not None and before.options.get("folder"):
        now.options["folder"] = before.options["folder"]
    against = differences(before, now) if before is not None else []
    if against:
        raise UsageError(
            f"{plan.out} holds a run that was made otherwise: {'; '.join(against)}. Give the "
            "options of before or another --out, or --again to start anew, which keeps what is "
            "there in a folder of its own."
        )
    return before


def note(plan: Plan, now: RunInfo) -> None:
    """Write run.json, whole. Raises DeckwatchError where the disk refuses."""
    path = plan.out / RUN
    try:
        now.write(path)
    except OSError as error:
        raise disk_error(error, path) from None


def _set_aside(plan: Plan) -> None:
    """Move what a run before wrote into OUT/before-N; run.json last, so that it can be repeated."""
    there = [name for name in _written() if (plan.out / name).exists()]
    if not there:
        return
    number = 1
    while (plan.out / f"before-{number}" / RUN).exists():
        number += 1
    aside = plan.out / f"before-{number}"
    aside.mkdir(exist_ok=True)
    for name in there:
        (plan.out / name).rename(aside / name)


def _written() -> list[str]:
    """What a run writes into its folder, run.json last."""
    from deckwatch_client.formats.table import FORMATS

    found = [name for each in FORMATS.values() for name in each.writes]
    return [*dict.fromkeys((LOG, *found, BACKGROUND, COPIES)), RUN]


def _told(value: object) -> str:
    return "none" if value is None else json.dumps(value)
