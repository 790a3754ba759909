"""One run from sources to results; the same plan goes on where it stopped.

summary = run(Plan(sources=("season",), out=Path("results")))
print(summary.pictures, summary.failed, summary.outputs)
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from deckwatch_client.batch import fixed
from deckwatch_client.batch import plan as plans
from deckwatch_client.batch.engines import Engine, open_engine
from deckwatch_client.batch.feed import Feed
from deckwatch_client.batch.finish import Stopped, Tally, finish, written
from deckwatch_client.batch.index import Index, frame_identity
from deckwatch_client.batch.log import FILE, Log
from deckwatch_client.batch.plan import Plan
from deckwatch_client.batch.progress import Progress
from deckwatch_client.batch.sources import Sources, identity
from deckwatch_client.batch.stopping import stopping
from deckwatch_client.batch.work import Recognise, Task
from deckwatch_client.logs import Speaker, speaker
from deckwatch_client.records import Moment, Record
from deckwatch_client.run_info import RunInfo
from deckwatch_client.video import is_video
from deckwatch_vision.errors import DeckwatchError, UsageError
from deckwatch_vision.result import ReleaseInfo

# As classify's.
DONE, FAILED, SOME_FAILED, INTERRUPTED = 0, 1, 3, 130


class ReleaseChanged(DeckwatchError):  # noqa: N818
    """A server changed its release while the run was going. Go back to it, or start anew."""

    code = "release-changed"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run found.

    tally: of all results, also those of earlier runs; empty where none were written. done:
    pictures that this run worked on; taken_over: that earlier ones had done. others: files left
    aside, by suffix. outputs: files and folders that were written.
    """

    tally: Tally
    done: int
    taken_over: int
    others: Counter[str] = field(default_factory=Counter)
    outputs: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def status(self) -> int:
        """The exit status."""
        if self.interrupted:
            return INTERRUPTED
        if not self.tally.failed:
            return SOME_FAILED if self.tally.gone else DONE
        return SOME_FAILED if self.tally.failed < self.tally.pictures else FAILED


def run(plan: Plan, *, loaded: Callable[[], object] | None = None) -> Summary:
    """Recognise what is not recognised yet, then write the results.

    Ctrl-C and SIGTERM end it with what is at work noted; the summary says so.

    Args:
        plan: what to do.
        loaded: called once the release is loaded and the work begins.

    Raises:
        UsageError: the plan cannot be followed; the message says what to change.
        ReleaseChanged, ServerGone: the server is at fault; the log keeps what is done.
        DeckwatchError: the release or the disk is at fault.
    """
    sources = _sources(plan)
    recognise = Recognise(plan.connection, plan.origins)
    with (
        stopping() as stop,
        plans.locked(plan.out),
        closing(open_engine(plan.engine, plan.connection, recognise, plan.workers)) as engine,
    ):
        info = plans.run_info(plan, engine.served(), relative=sources.relative)
        before = plans.check(plan, info)
        _check_formats(plan, info)
        if loaded is not None:
            loaded()
        recognise.stage = fixed.prepare(plan, sources, stop, continuing=before is not None)
        if before != info:
            plans.note(plan, info)
        with Log(plan.out / FILE) as log, closing(Index()) as index:
            return _Run(plan, info, engine, log, index, stop).go(sources, recognise)


class _Run:
    """The parts of one run."""

    def __init__(
        self,
        plan: Plan,
        info: RunInfo,
        engine: Engine,
        log: Log,
        index: Index,
        stop: threading.Event,
    ) -> None:
        self._plan = plan
        self._info = info
        self._engine = engine
        self._log = log
        self._index = index
        self._stop = stop
        self._say: Speaker = speaker()

    def go(self, sources: Sources, recognise: Recognise) -> Summary:
        """Work, then write the results."""
        read_log(self._log, self._index)
        if self._log.damaged:
            self._say.warning(
                "log damaged",
                f"{self._log.damaged} lines of {self._log.path} are damaged; their pictures are "
                "recognised again.",
            )
        known = len(self._index)
        if known:
            self._say.info("run continues", f"{known:,} pictures are known already.", known=known)
        self._index.start()
        workers = self._engine.workers
        feed = Feed(
            sources, self._index, self._plan.video, ahead=2 * workers or 64,
            frames=2 * workers or 16, stop=self._stop,
        )  # fmt: skip
        progress = Progress(self._say, _sources(self._plan))
        try:
            self._work(feed, progress)
        finally:
            feed.close()
            progress.close()
        if recognise.stage is not None:
            for text in recognise.stage.warnings():
                self._say.warning("background", text)
        if self._stop.is_set() and not sources.live:
            return self._interrupted(feed, progress)
        return self._results(feed, progress, sources)

    def _work(self, feed: Feed, progress: Progress) -> None:
        feed.start()
        with (
            progress.shown("recognising"),
            closing(self._engine.results(feed, self._stop)) as results,
        ):
            for task, record in results:
                self._note(task, record)
                if record is not None:
                    progress.advance(record, feed.taken_over)

    def _note(self, task: Task, record: Record | None) -> None:
        """Write what was found into the log. Raises ReleaseChanged, DeckwatchError."""
        if record is None:
            self._log.append({"finished": {"video": task.name, "stamp": task.stamp}})
            self._index.finish(task.identity, task.stamp)
            return
        if record.result is not None and record.result.release != self._info.release:
            raise _changed(self._info.release, record.result.release, self._plan.out)
        line = self._log.append({**record.as_dict(), "stamp": task.stamp})
        self._index.note(
            task.identity, record.name, task.stamp, line, failed=record.failure is not None,
            video=task.video, moment=record.moment,
        )  # fmt: skip

    def _results(self, feed: Feed, progress: Progress, sources: Sources) -> Summary:
        count = len(self._index)
        if not count:
            raise UsageError(_nothing(sources))
        try:
            with progress.shown("writing results"):
                tally = finish(
                    # To interrupt a stream is to end it: then a second time means stop.
                    self._plan, self._info, self._log, self._index,
                    threading.Event() if sources.live else self._stop,
                    lambda written: progress.wrote(written, count),
                )  # fmt: skip
        except Stopped:
            return self._interrupted(feed, progress)
        outputs = tuple(written(self._plan))
        return Summary(
            tally, progress.done, feed.taken_over, sources.others, outputs, self._stop.is_set()
        )

    def _interrupted(self, feed: Feed, progress: Progress) -> Summary:
        self._say.info(
            "run stopped",
            f"Stopped: {progress.done + feed.taken_over:,} pictures are done. The same command "
            "goes on where it was.",
            done=progress.done + feed.taken_over,
        )
        return Summary(Tally(), progress.done, feed.taken_over, interrupted=True)


def read_log(log: Log, index: Index) -> None:
    """Enter every line of a log. Raises DeckwatchError where it cannot be read."""
    for start, length, entry in log.entries():
        finished = entry.get("finished")
        try:
            if finished is not None:
                index.finish(identity(finished["video"]), finished["stamp"])
                continue
            name, failed, stamp = entry["image"]["file"], "failure" in entry, entry["stamp"]
            told = entry.get("moment")
        except (KeyError, TypeError):
            log.damaged += 1
            continue
        video = moment = None
        if told is not None:
            moment = Moment(told["video"], told["time_s"], told["frame"])
            video = identity(moment.video)
            who = frame_identity(video, moment)
        else:
            who = identity(name)
            video = who if failed and is_video(name) else None
        index.note(who, name, stamp, (start, length), failed=failed, video=video, moment=moment)


def _sources(plan: Plan) -> Sources:
    return Sources(plan.sources, plan.lists, plan.out)


def _check_formats(plan: Plan, info: RunInfo) -> None:
    """Refuse before the work what could not be written after it."""
    from deckwatch_client.formats.table import find_format

    for name in plan.all_formats:
        find_format(name).check(info, plan.format_options)


def _changed(before: ReleaseInfo, now: ReleaseInfo, out: Path) -> ReleaseChanged:
    return ReleaseChanged(
        f"The server answers with release {now.name} {now.version}; the run in {out} is of "
        f"{before.name} {before.version}. Nothing of the new one was noted. Make the old one live "
        "again and repeat the command to go on, or add --again to do all pictures with the new one."
    )


def _nothing(sources: Sources) -> str:
    count = sources.others.total()
    aside = f" {count:,} other files were left aside." if count else ""
    return (
        f"No picture and no video found.{aside} Check the folders; a file of another suffix is "
        "tried where it is named itself."
    )
