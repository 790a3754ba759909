"""Changing the live release, of the files and of running servers, so that no answer is lost.

1. The new release is checked: its digests, and an answer in this process.
2. The steps' configs list both releases; every server loads the new one beside the old one, and
   each of its steps must be ready and give a real answer. The ensemble still asks the old steps.
3. The ensemble's config is replaced, one rename, and every server loads it. Requests under way end
   on the steps that they began on; the next ones get the new release. Never a mixture: the config
   pins the version of every step.
4. The steps' configs list the new release alone, and the servers let the old steps go.

What fails up to 3 is undone: the old release keeps serving. A process killed in between leaves a
repository of which each config is whole and every release that one of them names is complete;
`settling` makes up for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deckwatch_serving import configs, history, probe
from deckwatch_serving.history import Swap
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.repository import open_release
from deckwatch_serving.rollout import Rollout
from deckwatch_serving.running import RunningTriton
from deckwatch_vision.errors import DeckwatchError, SwapFailed

if TYPE_CHECKING:
    from deckwatch_vision.release import Release

Tell = Callable[[str], None]


def silent(_: str) -> None:
    """Tells nobody."""


def swap(
    repository: Path,
    change: Swap,
    servers: Sequence[RunningTriton] = (),
    *,
    keep_loaded: bool = False,
    tell: Tell = silent,
) -> None:
    """Make `change.after` live in the repository and on the servers. Call with the lock held.

    Args:
        repository: a model repository whose live release is `change.before`.
        change: as it will be noted in the history.
        servers: running servers that read this repository.
        keep_loaded: leave the steps of the old release loaded, so that a rollback is immediate.
        tell: is told what happens, a line at a time.

    Raises:
        ReleaseCorrupt, ReleaseNotFound: a file of the new release is missing or damaged.
        ServerError: a server does not answer; nothing was changed.
        SwapFailed: a server could not take it, the old release is live again.
    """
    live = open_release(repository, change.before, verify=False)
    new = open_release(repository, change.after)
    check_in_process(repository, new)
    rollouts = [Rollout(each, repository, new) for each in servers]
    history.announce(repository, change)
    _move(repository, live, new, rollouts, tell)
    history.note(repository, change)
    beside = [live] if keep_loaded else []
    configs.write_texts(repository, configs.render_steps(repository, new, beside))
    history.done(repository)
    _tidy(rollouts, tell)


def bring_up(repository: Path, servers: Sequence[RunningTriton], tell: Tell = silent) -> None:
    """Make servers serve what is live in the repository, whatever they serve now.

    Call with the lock held.

    Raises:
        ServerError: a server does not answer; nothing was changed.
        SwapFailed: one of them cannot take it.
    """
    live = open_release(repository)
    rollouts = [Rollout(each, repository, live) for each in servers]
    _move(repository, live, live, rollouts, tell)
    configs.write_texts(repository, configs.render_steps(repository, live))
    _tidy(rollouts, tell)


def check_in_process(repository: Path, release: Release) -> None:
    """Recognise a generated picture with a release in this process.

    Raises:
        DeckwatchError: it cannot be loaded, or does not answer as it should.
    """
    recogniser = LocalRecogniser(repository, verify=False, version=release.version, threads=1)
    likelihoods = list(recogniser.recognise(probe.generated_picture()).likelihoods.values())
    if not math.isclose(sum(likelihoods), 1.0, abs_tol=1e-3):
        raise SwapFailed(
            f"Release {release.name} {release.version} answers {likelihoods}, which do not sum to "
            "1: its nets are damaged. Train or export it again."
        )


def _move(
    repository: Path, live: Release, new: Release, rollouts: Sequence[Rollout], tell: Tell
) -> None:
    """Steps 2 and 3; all or nothing."""
    # What a server serves now need not be what is live in the files.
    beside = _others(live, [new, *(each.served for each in rollouts)])
    switched = False
    try:
        configs.write_texts(repository, configs.render_models(new))
        configs.write_texts(repository, configs.render_steps(repository, live, beside))
        for each in rollouts:
            tell(f"{each.url}: loading {_named(new)} beside {_named(each.served)}")
            each.prepare()
        switched = True
        configs.write_texts(repository, configs.render_ensemble(repository, new))
        for each in rollouts:
            each.switch(new)
            tell(f"{each.url}: serves {_named(new)}")
    except BaseException as error:
        left = _put_back(repository, live, new, rollouts, switched)
        history.done(repository)
        if isinstance(error, DeckwatchError):
            raise SwapFailed(f"{_named(new)} was not made live: {error.message} {left}") from error
        raise


def _put_back(
    repository: Path, live: Release, new: Release, rollouts: Sequence[Rollout], switched: bool
) -> str:
    """Make `live` the live release again, everywhere; a sentence on the outcome."""
    problems: dict[str, str] = {}

    def everywhere(do: Callable[[Rollout], None]) -> None:
        for each in rollouts:
            try:
                do(each)
            except DeckwatchError as error:
                problems.setdefault(each.url, error.message)

    if switched:  # the ensembles first: they need the new steps until they are back
        configs.write_texts(repository, configs.render_ensemble(repository, live))
        everywhere(lambda each: each.switch(live))
    stay = _others(live, [each.served for each in rollouts])
    configs.write_texts(repository, configs.render_steps(repository, live, stay))
    everywhere(lambda each: each.load_steps())
    everywhere(lambda each: each.check(live if switched else each.served))
    if problems:
        left = "; ".join(f"{url} needs a restart ({why})" for url, why in problems.items())
        return f"{_named(live)} is live in the repository, but {left}"
    return f"{_named(live)} is still live."


def _tidy(rollouts: Sequence[Rollout], tell: Tell) -> None:
    """Step 4 on the servers. Nothing that goes wrong here takes the new release away."""
    for each in rollouts:
        for problem in each.tidy():
            tell(f"{each.url}: {problem}")


def _others(one: Release, releases: Sequence[Release]) -> list[Release]:
    """The releases of another version than `one`, each once."""
    return list({each.version: each for each in releases if each.version != one.version}.values())


def _named(release: Release) -> str:
    return f"{release.name} {release.version}"
