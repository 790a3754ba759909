"""`deckwatch retrain`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NOT_BETTER = 4


def retrain(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="YAML file, see training/configs/demo.yaml.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")
    ] = False,
) -> None:
    """From pictures to a released model, in one command.

    Import, check, split, augment, train, crop, export, evaluate, select and promote: each stage
    runs only where something that it depends on has changed. The same command continues a run that
    was interrupted, so it can stand in a crontab or a Kubernetes Job as it is. It ends with a
    report, report.html in the work folder.

    \b
    Exit status:
      0    released, or the release of these inputs is out already
      4    trained and measured, but not better than the live release: nothing was released
      1, 2 failed; the message says why (2: the configuration)
      130  interrupted

    \b
    Examples:
      deckwatch retrain --config training/configs/simulated.yaml --dry-run
      deckwatch retrain --config training/configs/simulated.yaml
    """
    from deckwatch_training import retrain_config
    from deckwatch_training.retrain import Retraining
    from deckwatch_training.retrain_run import plan, run

    retraining = Retraining(retrain_config.load(config))
    if dry_run:
        typer.echo("\n".join(plan(retraining)))
        return
    outcome = run(retraining)
    typer.echo(outcome.text)
    if not outcome.released:
        raise typer.Exit(NOT_BETTER)
