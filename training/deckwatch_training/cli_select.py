"""`deckwatch select`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deckwatch_training.cli_evaluate import Unknown
from deckwatch_training.cli_tune import tune

__all__ = ["select", "tune"]


def select(
    candidates: Annotated[
        list[Path],
        typer.Argument(help="Model repositories, each with a release; the folder is the name."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for selection.json, its page and the times.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data set of unseen vessels; a release whose scorecard is of another one is "
            "measured on it. Left out: the scorecards within the releases, and --timings."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Split of the data set (and pictures without one).")
    ] = "valid",
    max_ms: Annotated[
        float | None, typer.Option(min=0, help="Longest time of a picture, in milliseconds.")
    ] = None,
    max_log_loss: Annotated[
        float | None, typer.Option(min=0, help="Highest log loss of pictures.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What best means: log_loss, accuracy, macro_recall, map50, ap50 or time "
            "[default: log_loss; time where only --max-log-loss is given]"
        ),
    ] = None,
    percentile: Annotated[
        int, typer.Option(help="The time that counts: 50 (typical) or 95 (slow ones).")
    ] = 50,
    timings: Annotated[
        Path | None, typer.Option(help="Use kept times (timings.json) instead of measuring.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures that are timed.")] = 20,
    repeats: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 10,
    unknown: Annotated[Unknown, typer.Option(help="As in `deckwatch evaluate`.")] = Unknown.REFUSE,
) -> None:
    """Choose the best of several candidates: how good on unseen vessels, how fast on this machine.

    Each candidate is a model repository made by `deckwatch export`. One picture is timed on its
    whole way with the exported nets, the candidates taking turns; the times are kept in
    OUT/timings.json and used again while releases, pictures and machine are the same. Given the
    times, the choice is always the same: the lowest log loss of pictures within the budget, of
    equals the faster one, then the name. With --max-log-loss alone it is the fastest one.

    Exit status 1: no candidate is within the budget; the nearest is named.

    \b
    Examples:
      deckwatch select candidates/* --data data --out choice
      deckwatch select candidates/* --data data --max-ms 50 --percentile 95 --out choice
      deckwatch select small large --timings choice/timings.json --max-log-loss 0.9 --out choice2
    """
    from deckwatch_training import selection, selection_page, timing

    document = selection.measure(
        _named(candidates),
        data,
        split=split,
        unknown=unknown.value,
        timings=timings,
        keep=out / timing.FILE,
        pictures=pictures,
        repeats=repeats,
    )
    budget = selection.Budget(max_ms, max_log_loss, metric, percentile)
    choice = None
    try:
        choice = selection_page.decide(document, budget, out)
    finally:
        # Also where nothing fits: what there is to choose from says what to ask for.
        typer.echo(selection_page.text(document, choice))
    typer.echo(f"\n{choice.words}")


def _named(candidates: list[Path]) -> dict[str, Path]:
    """Candidates by the names of their folders.

    Raises UsageError where two have one name.
    """
    from deckwatch_vision.errors import UsageError

    named: dict[str, Path] = {}
    for path in candidates:
        name = path.resolve().name
        if name in named:
            raise UsageError(
                f"{named[name]} and {path} are both called {name}. Give folders of different names."
            )
        named[name] = path
    return named
