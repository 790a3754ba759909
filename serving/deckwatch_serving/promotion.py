"""Deciding what is live: promote a release through the gate, or go back to the one before.

change = promote(Path("model_repository"), 2, servers=["http://127.0.0.1:8000"])
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deckwatch_serving import gate, history
from deckwatch_serving.history import Swap
from deckwatch_serving.repository import live_version, open_release, versions
from deckwatch_serving.running import RunningTriton
from deckwatch_serving.settling import settle
from deckwatch_serving.swap import Tell, bring_up, silent, swap
from deckwatch_vision.errors import ReleaseRefused, UsageError

if TYPE_CHECKING:
    from deckwatch_vision.release import Release


def promote(
    repository: Path,
    version: int,
    *,
    servers: Sequence[str] = (),
    force: str | None = None,
    tolerance: float = gate.TOLERANCE,
    live_card: Mapping[str, Any] | None = None,
    new_card: Mapping[str, Any] | None = None,
    who: str | None = None,
    keep_loaded: bool = False,
    tell: Tell = silent,
) -> Swap | None:
    """Make a release of the repository the live one, if the gate lets it.

    Args:
        repository: a model repository.
        version: of the release to make live.
        servers: addresses of Triton's HTTP endpoints that read this repository, to swap at once.
            Without any only the files change, and servers follow at their next start.
        force: the reason to overrule the gate; noted in the history.
        tolerance: see `gate.worse`.
        live_card: a scorecard of the live release measured anew, in place of its own.
        new_card: likewise of the release to promote.
        who: who decided it, for the history; None takes the user of this process.
        keep_loaded: see `swap`.
        tell: is told what happens, a line at a time.

    Returns:
        What was noted; None where the release was live already (the servers are brought to it).

    Raises:
        ReleaseRefused: the gate's reasons; nothing was changed.
        ReleaseNotFound, ReleaseCorrupt: no such release, or a damaged one.
        SwapFailed: a server could not take it; the old release is still live.
        UsageError: somebody else is promoting, or the repository cannot be written.
    """
    if force is not None and not force.strip():
        raise UsageError("Overruling the gate needs a reason: --force 'why it must go live'.")
    running = [RunningTriton(url) for url in dict.fromkeys(servers)]
    with _alone(repository, tell):
        live, new = open_release(repository, verify=False), open_release(repository, version)
        if new.version == live.version:
            bring_up(repository, running, tell)
            return None
        against = judged(new, live, tolerance, live_card, new_card)
        if against and force is None:
            raise refusal(new, live, against)
        change = Swap(
            history.now(), "promote", live.version, new.version, new.name,
            who or history.somebody(), (force or "").strip(), tuple(against),
            tuple(each.url for each in running),
        )  # fmt: skip
        swap(repository, change, running, keep_loaded=keep_loaded, tell=tell)
    return change


def judged(
    new: Release,
    live: Release,
    tolerance: float = gate.TOLERANCE,
    live_card: Mapping[str, Any] | None = None,
    new_card: Mapping[str, Any] | None = None,
) -> list[str]:
    """The gate's reasons against `new`; see `gate.refusals`.

    Raises:
        UsageError: a scorecard given is of another release.
    """
    for release, card in ((live, live_card), (new, new_card)):
        _require_card_of(release, card)
    return gate.refusals(new, live, tolerance=tolerance, live_card=live_card, new_card=new_card)


def refusal(new: Release, live: Release, against: Sequence[str]) -> ReleaseRefused:
    """The error that says why `new` does not go live."""
    return ReleaseRefused(
        f"{new.name} {new.version} is not made live in place of {live.name} {live.version}: "
        f"{'; '.join(against)}. To do it all the same: --force 'the reason'."
    )


def rollback(
    repository: Path,
    *,
    servers: Sequence[str] = (),
    reason: str = "",
    who: str | None = None,
    keep_loaded: bool = False,
    tell: Tell = silent,
) -> Swap:
    """Go back to the release that was live before; the gate is not asked.

    Arguments and errors as for `promote`; `reason` is noted in the history.

    Returns:
        What was noted.

    Raises:
        UsageError: no other release was live before, or it is no longer there.
    """
    running = [RunningTriton(url) for url in dict.fromkeys(servers)]
    with _alone(repository, tell):
        live = open_release(repository, verify=False)
        before = history.live_before(history.read(repository), live.version)
        there = versions(repository)
        target = next((version for version in before if version in there), None)
        if target is None:
            raise UsageError(
                f"No release was live before {live.name} {live.version} in {repository}. Promote "
                f"the one that you want (versions there: {', '.join(map(str, there))})."
            )
        old = open_release(repository, target)
        change = Swap(
            history.now(), "rollback", live.version, target, old.name,
            who or history.somebody(), reason.strip(), (), tuple(each.url for each in running),
        )  # fmt: skip
        swap(repository, change, running, keep_loaded=keep_loaded, tell=tell)
    return change


def _require_card_of(release: Release, card: Mapping[str, Any] | None) -> None:
    """A scorecard tells the labels of what it measured: it must not be somebody else's."""
    labels = (card or {}).get("labels")
    if labels and list(labels) != list(release.labels.codes):
        raise UsageError(
            f"The scorecard given for {release.name} {release.version} is of a release that knows "
            f"{', '.join(labels)}; this one knows {', '.join(release.labels.codes)}. Measure it: "
            f"deckwatch evaluate --version {release.version} --out FILE"
        )


@contextmanager
def _alone(repository: Path, tell: Tell) -> Iterator[None]:
    """Hold the lock, with what was cut off before made good."""
    try:
        with history.locked(repository):
            cut_off = settle(repository)
            if cut_off is not None:
                live = live_version(repository)
                tell(
                    f"The {cut_off.action} from {cut_off.before} to {cut_off.after} of "
                    f"{cut_off.time} was cut off; live is {live}."
                )
            yield
    except OSError as error:
        raise UsageError(
            f"Cannot write in {repository}: {error.strerror or error}. Nothing went live that is "
            "not checked; mend it and run the same command again."
        ) from None
