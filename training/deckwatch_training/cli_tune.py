"""`deckwatch tune`. Heavy imports stay inside."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Engine(StrEnum):
    """Where trials run."""

    LOCAL = "local"
    RAY = "ray"


def tune(
    config: Annotated[
        Path,
        typer.Option("--config", "-c", help="Training configuration with a section `tune`."),
    ],
    trials: Annotated[
        int, typer.Option(min=1, help="Trials in all, those of earlier calls included.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key.sub=value for every trial, any number")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the sweep [default: runs/NAME-tune]")
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            help="Detector: ap50, ap or f1; classifier: macro_recall, accuracy or log_loss "
            "[default: the first]"
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Another seed, other trials.")] = 0,
    prune: Annotated[
        bool,
        typer.Option(help="Stop a trial that is worse than the median of the others by then."),
    ] = False,
    engine: Annotated[
        Engine, typer.Option(help="local: processes here; ray: a Ray cluster.")
    ] = Engine.LOCAL,
    workers: Annotated[int, typer.Option(min=1, help="Trials at the same time.")] = 1,
) -> None:
    """Search a configuration's declared ranges for the values that train best.

    The ranges stand in the configuration itself:

    \b
      tune:
        run.lr: {low: 1.0e-4, high: 1.0e-2, log: true}
        run.label_smoothing: {low: 0.0, high: 0.1}
        model.context: [1.2, 1.4, 1.6]

    Every trial is a real training in a folder of its own, judged on the pictures held back from
    training; the valid split stays unseen. The same command goes on after an interruption, more
    --trials continue an old sweep. Printed are the best values, ready to be put behind `deckwatch
    train`; OUT/best.yaml is the configuration with them, OUT/tune.html the history.

    \b
    Examples:
      deckwatch tune -c classifier.yaml --trials 30
      deckwatch tune -c detector.yaml --trials 20 --prune --workers 2 run.epochs=10
      deckwatch tune -c classifier.yaml --trials 64 --engine ray --workers 16 --out sweep
    """
    from deckwatch_training import evaluation, tuning, tuning_page
    from deckwatch_training.config import load

    name = load(config, overrides or []).name
    sweep = tuning.Sweep(
        config,
        tuple(overrides or ()),
        out or Path("runs") / f"{name}-tune",
        metric=metric,
        seed=seed,
        prune=prune,
        engine=engine.value,
        workers=workers,
    )
    study = tuning.run(sweep, trials)
    best = tuning.best(study, sweep)
    rows = tuning.history(study)
    document = {"metric": sweep.metric, "best": best, "trials": rows}
    evaluation.write_json(sweep.out / "tune.json", document)
    tuning_page.page(rows, sweep, best).write(sweep.out / "tune.html")
    typer.echo(" ".join(tuning.overrides(best)))
