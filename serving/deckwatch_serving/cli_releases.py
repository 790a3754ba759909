"""`deckwatch promote | rollback | releases`. What recognises is imported inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from deckwatch_serving.gate import TOLERANCE
from deckwatch_vision.errors import UsageError

Repository = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Model repository [default: the one in use]"),
]
Servers = Annotated[
    list[str] | None,
    typer.Option(
        "--triton",
        metavar="URL",
        help="http://host:port of a running Triton that reads this repository and swaps at once; "
        "may be repeated. Without it servers follow at their next start.",
    ),
]
KeepLoaded = Annotated[
    bool,
    typer.Option(
        help="Leave the old release loaded in the servers: a rollback then takes no loading, and "
        "they take the memory of both."
    ),
]
Who = Annotated[
    str | None, typer.Option("--by", help="Who decides it, for the history [default: user@host]")
]


def promote(
    version: Annotated[
        int | None, typer.Argument(help="Version to make live; see `deckwatch releases`.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Take the release over from this repository first, under the next free version.",
        ),
    ] = None,
    repository: Repository = None,
    triton: Servers = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="By how much a metric may be worse than the live one's.")
    ] = TOLERANCE,
    live_scorecard: Annotated[
        Path | None,
        typer.Option(help="Scorecard of the live release, from `deckwatch evaluate --out`."),
    ] = None,
    scorecard: Annotated[
        Path | None, typer.Option(help="Likewise, of the release to promote.")
    ] = None,
    force: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Overrule the gate; the reason is recorded."),
    ] = None,
    keep_loaded: KeepLoaded = False,
    by: Who = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what the gate says; change nothing.")
    ] = False,
) -> None:
    """Make a release the live one, unless it is worse than the one that is.

    Compared are log loss and calibration error of pictures, macro recall of species, AP50 and
    recall of fish, all measured on the same pictures. With --triton a running server loads the new
    release beside the old one and changes over between two requests; if anything fails the old one
    keeps serving.

    \b
    Examples:
      deckwatch promote 2
      deckwatch promote 2 --triton http://127.0.0.1:8000
      deckwatch promote --from runs/spring/candidates/best
      deckwatch promote 3 --force "the old camera is gone"

    \b
    Exit status:
      0 it is live, 1 the gate or a server refused, 2 wrong usage

    See also: docs/releases.md, `deckwatch releases`, `deckwatch rollback`.
    """
    from deckwatch_serving.repository import find_repository, open_release

    if (version is None) == (source is None):
        raise UsageError(
            "Name either a version (deckwatch promote 2) or a repository to take the release from "
            "(deckwatch promote --from DIR)."
        )
    from deckwatch_serving.adopt import adopt
    from deckwatch_serving.promotion import judged, refusal
    from deckwatch_serving.promotion import promote as promoted

    folder = find_repository(repository)
    cards = {"live_card": _card(live_scorecard), "new_card": _card(scorecard)}
    if dry_run or (source is not None and force is None):
        # Judged where it lies: what is refused does not fill the repository.
        new = open_release(find_repository(source) if source else folder, version)
        live = open_release(folder, verify=False)
        against = judged(new, live, tolerance, **cards)
        if dry_run:
            _say(against, f"Nothing speaks against {new.name} {new.version} after {live.version}.")
            return
        if against:
            raise refusal(new, live, against)
    if source is not None:
        taken = adopt(find_repository(source), folder)
        version = taken.version
        _progress(f"{taken.name} from {source} stands in {folder} as version {version}")
    change = promoted(
        folder, version or 0, servers=triton or (), force=force, tolerance=tolerance, who=by,
        keep_loaded=keep_loaded, tell=_progress, **cards,
    )  # fmt: skip
    if change is None:
        typer.echo(f"Version {version} is live already.")
    else:
        typer.echo(f"{change.name} {change.after} is live; it was {change.before}.")


def rollback(
    repository: Repository = None,
    triton: Servers = None,
    reason: Annotated[str, typer.Option(help="Why; recorded in the history.")] = "",
    keep_loaded: KeepLoaded = False,
    by: Who = None,
) -> None:
    """Go back to the release that was live before; again goes one further back.

    \b
    Examples:
      deckwatch rollback
      deckwatch rollback --triton http://127.0.0.1:8000 --reason "misses sharks at night"

    \b
    Exit status:
      0 it is live again, 1 there is none before, or a server refused, 2 wrong usage
    """
    from deckwatch_serving.promotion import rollback as rolled_back
    from deckwatch_serving.repository import find_repository

    change = rolled_back(
        find_repository(repository), servers=triton or (), reason=reason, who=by,
        keep_loaded=keep_loaded, tell=_progress,
    )  # fmt: skip
    typer.echo(f"{change.name} {change.after} is live again; it was {change.before}.")


def releases(
    repository: Repository = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, a release each.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Print what was live, when, why, and by whom.")
    ] = False,
) -> None:
    """List the releases of a model repository, and which one is live.

    \b
    Examples:
      deckwatch releases
      deckwatch releases --json | jq 'select(.live).version'
      deckwatch releases --history
    """
    from deckwatch_serving import history as swaps
    from deckwatch_serving.listing import listed, table
    from deckwatch_serving.repository import find_repository
    from deckwatch_serving.settling import settle_if_free

    folder = find_repository(repository)
    settle_if_free(folder)
    if history:
        for swap in swaps.read(folder):
            typer.echo(json.dumps(swap.as_dict(), ensure_ascii=False) if as_json else str(swap))
        return
    rows = listed(folder)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row.as_dict(), ensure_ascii=False))
    else:
        typer.echo(table(rows))


def _say(against: list[str], nothing: str) -> None:
    """The gate's reasons, with exit status 1, or that there are none."""
    typer.echo("\n".join(against) or nothing)
    if against:
        raise typer.Exit(1)


def _card(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("no JSON object")
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(
            f"{path} is no scorecard ({error}). Make one with `deckwatch evaluate --out {path}`."
        ) from None
    return content


def _progress(text: str) -> None:
    typer.echo(text, err=True)
