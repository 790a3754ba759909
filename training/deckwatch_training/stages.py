"""Stages that run only when something they depend on has changed, by content and not by time.

A chain of stages keeps one JSON file of what it did. A stage is skipped where the digest of its
inputs is the one it last finished with and its outputs are still what it left behind; so the same
command after an interruption, or a month later, does only what is left to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from deckwatch_vision.errors import UsageError

State = Literal["unchanged", "done", "to do"]
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Stage:
    """One step of the work.

    inputs: what its result depends on, by name: paths (files or folders, by content) and values
    that JSON can hold. outputs: what it writes; all must be there when it returns. run: does it,
    and must cope with what an interrupted run of itself left behind.
    """

    name: str
    inputs: Mapping[str, Any]
    outputs: tuple[Path, ...]
    run: Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a stage, with the reason why it ran and the seconds it took."""

    name: str
    state: State
    reason: str
    seconds: float = 0.0


@dataclass
class Digests:
    """SHA-256 of files and folders; a file is read again only if its size or time changed.

    `known` maps a path to [size, modification time in ns, digest] and may be kept between runs.
    """

    known: dict[str, list[Any]] = field(default_factory=dict)

    def of(self, path: Path) -> str:
        """The digest of a file, of a folder's names and contents, or "missing"."""
        if path.is_dir():
            total = hashlib.sha256()
            for each in sorted(path.rglob("*")):
                if each.is_file():
                    name = each.relative_to(path).as_posix()
                    total.update(f"{name}\0{self._file(each)}\n".encode())
            return total.hexdigest()
        return self._file(path) if path.exists() else "missing"

    def _file(self, path: Path) -> str:
        told = path.stat()
        key, stamp = str(path.absolute()), [told.st_size, told.st_mtime_ns]
        held = self.known.get(key)
        if held and held[:2] == stamp:
            return str(held[2])
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        self.known[key] = [*stamp, digest.hexdigest()]
        return digest.hexdigest()


class Ledger:
    """What every stage last finished with, in a JSON file that is replaced whole."""

    def __init__(self, path: Path):
        """Open the file, or start an empty one.

        Raises:
            UsageError: the file is no ledger.
        """
        self._path = path
        self._stages: dict[str, dict[str, Any]] = {}
        self._digests = Digests()
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            self._stages = dict(document["stages"])
            self._digests = Digests(dict(document["files"]))
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path} is damaged ({error!r}). Delete it to run every stage again."
            ) from None

    def reason(self, stage: Stage) -> str:
        """Why a stage must run; empty where nothing it depends on has changed."""
        held = self._stages.get(stage.name)
        if held is None:
            return "never finished"
        now = self._inputs(stage)
        changed = sorted(
            key
            for key in now.keys() | held["inputs"].keys()
            if now.get(key) != held["inputs"].get(key)
        )
        if changed:
            return f"changed: {', '.join(changed)}"
        for path in stage.outputs:
            found = self._digests.of(path)
            if found != held["outputs"].get(path.as_posix()):
                return f"{path} is missing" if found == "missing" else f"{path} was changed"
        return ""

    def finish(self, stage: Stage, inputs: dict[str, str]) -> None:
        """Remember that a stage finished with these digests of its inputs.

        Raises:
            UsageError: an output is not there.
        """
        outputs = {path.as_posix(): self._digests.of(path) for path in stage.outputs}
        missing = [name for name, digest in outputs.items() if digest == "missing"]
        if missing:
            raise UsageError(
                f"The stage {stage.name} ended without writing {', '.join(missing)}. See what it "
                "printed above."
            )
        self._stages[stage.name] = {"inputs": inputs, "outputs": outputs}
        self._save()

    def forget(self, stage: Stage) -> dict[str, str]:
        """Before a stage runs: what it last finished with no longer counts. Gives its inputs."""
        if self._stages.pop(stage.name, None):
            self._save()
        return self._inputs(stage)

    def _inputs(self, stage: Stage) -> dict[str, str]:
        return {
            key: self._digests.of(value)
            if isinstance(value, Path)
            else hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
            for key, value in stage.inputs.items()
        }

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(self._path.name + ".part")
        document = {"stages": self._stages, "files": self._digests.known}
        part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self._path)


def run(
    stages: Iterable[Stage],
    ledger: Path,
    tell: Callable[[Outcome], None] = lambda _: None,
    *,
    starting: Callable[[str, str], None] = lambda _name, _reason: None,
) -> list[Outcome]:
    """Run the stages in order, leaving out those of which nothing has changed.

    `starting` hears of a stage that begins and why, `tell` of every outcome at once. What a stage
    raises ends the run; the stages before it stay finished.

    Raises:
        UsageError: the ledger is damaged, or a stage did not write what it promised.
    """
    book = Ledger(ledger)
    outcomes = []
    for stage in stages:
        reason = book.reason(stage)
        outcome = Outcome(stage.name, "unchanged", "")
        if reason:
            starting(stage.name, reason)
            inputs = book.forget(stage)
            started = time.monotonic()
            stage.run()
            book.finish(stage, inputs)
            outcome = Outcome(stage.name, "done", reason, time.monotonic() - started)
        outcomes.append(outcome)
        tell(outcome)
    return outcomes


def plan(stages: Iterable[Stage], ledger: Path) -> list[Outcome]:
    """What `run` would do; outputs of a stage that is to run count as changed for the next."""
    book = Ledger(ledger)
    outcomes: list[Outcome] = []
    fresh: dict[Path, str] = {}
    for stage in stages:
        reason = book.reason(stage)
        if not reason:
            for value in stage.inputs.values():
                if isinstance(value, Path) and value in fresh:
                    reason = f"after {fresh[value]}"
        if reason:
            fresh |= dict.fromkeys(stage.outputs, stage.name)
        outcomes.append(Outcome(stage.name, "to do" if reason else "unchanged", reason))
    return outcomes
