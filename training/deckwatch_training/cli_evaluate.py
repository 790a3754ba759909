"""`deckwatch evaluate`. Heavy imports stay inside."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Unknown(StrEnum):
    """What to do about species that the release lacks."""

    REFUSE = "refuse"
    LEAVE_OUT = "leave-out"


def evaluate(
    data: Annotated[
        Path | None,
        typer.Argument(help="Data set (JSON or its folder) whose labels are species codes."),
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            "-c",
            help="Configuration of a training run: says which label of the data set is which "
            "species, and names the data set if none is given. With --folds: what is trained; "
            "may be given twice.",
        ),
    ] = None,
    repository: Annotated[
        Path | None, typer.Option(help="Model repository [default: the one in use]")
    ] = None,
    version: Annotated[int | None, typer.Option(help="Release version [default: live]")] = None,
    split: Annotated[
        str, typer.Option(help="Measure on this split (and on pictures without one).")
    ] = "valid",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for scorecard.json and scorecard.html; or a file NAME.json for the JSON "
            "alone. With --folds the folder of the folds' runs."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the page here.")] = None,
    unknown: Annotated[
        Unknown,
        typer.Option(
            help="Species of the data set that the release lacks: refuse, or leave them out where "
            "species are measured and say so."
        ),
    ] = Unknown.REFUSE,
    folds: Annotated[
        int,
        typer.Option(
            min=0, help="Cross-validate: train so many times, each without some whole vessels."
        ),
    ] = 0,
) -> None:
    """Measure a release on vessels that it has never seen, and print the scorecard.

    DATA is a data set of `deckwatch data import`; it must not hold pictures of vessels that the
    release was trained on, or the figures mean nothing. With --folds K nothing needs to be
    released: every configuration is trained K times, each time without a K-th of the vessels of
    its training and valid pictures, and measured on these; a detector and a classifier together
    are measured as a release. The same command continues where it was interrupted.

    Exit status 3: some pictures could not be read; they are listed and left out.

    \b
    Examples:
      deckwatch evaluate data --out scorecard
      deckwatch evaluate data --split test --repository candidates/small --html small.html
      deckwatch evaluate -c training/configs/demo-detector.yaml --out scorecard.json
      deckwatch evaluate --folds 5 -c detector.yaml -c classifier.yaml --out folds
    """
    from deckwatch_vision.errors import UsageError

    configs = config or []
    if folds:
        if data or repository or version or html:
            raise UsageError(
                "--folds trains what the configurations name on their data: leave out DATA, "
                "--repository, --version and --html. The page is OUT/scorecard.html."
            )
        _cross_validate(configs, folds, out)
        return
    if len(configs) > 1:
        raise UsageError("Give one --config, or --folds K to train them.")
    failures = _measure(data, configs, repository, version, split, out, html, unknown)
    if failures:
        raise typer.Exit(3)


def _measure(
    data: Path | None,
    configs: list[Path],
    repository: Path | None,
    version: int | None,
    split: str,
    out: Path | None,
    html: Path | None,
    unknown: Unknown,
) -> int:
    """Measure, write and print; how many pictures could not be read."""
    from functools import partial

    from deckwatch_serving import progress
    from deckwatch_serving.repository import find_repository
    from deckwatch_training import evaluation
    from deckwatch_training.config import load
    from deckwatch_training.evaluation_page import scorecard_page
    from deckwatch_training.model_card import scorecard_table
    from deckwatch_vision.errors import UsageError

    loaded = load(configs[0]).data if configs else None
    path = data or (loaded.valid if loaded else None)
    if path is None:
        raise UsageError("Measure on what? Give a data set: deckwatch evaluate DATA.")
    pictures = evaluation.pictures_of(path, split)
    release, card = evaluation.measure(
        find_repository(repository),
        pictures,
        loaded.species if loaded else None,
        version=version,
        split=split,
        unknown=unknown.value,
        track=partial(progress.track, title="Measuring"),
    )
    only_json = out is not None and out.suffix == ".json"
    if out:
        evaluation.write_json(out if only_json else out / "scorecard.json", card)
    pages = [
        *([html] if html else []),
        *([out / "scorecard.html"] if out and not only_json else []),
    ]
    if pages:
        page = scorecard_page(card, f"Scorecard of {release.name} {release.version}")
        for target in pages:
            page.write(target)
    typer.echo("\n".join(scorecard_table(card)))
    for failure in card.get("failures", ()):
        typer.echo(failure, err=True)
    return len(card.get("failures", ()))


def _cross_validate(configs: list[Path], folds: int, out: Path | None) -> None:
    from deckwatch_training import cross_validation
    from deckwatch_vision.errors import UsageError

    if not configs or out is None:
        raise UsageError(
            "--folds K needs --config FILE (what is trained) and --out DIR (where the runs go)."
        )
    typer.echo(cross_validation.run(configs, folds, out))
