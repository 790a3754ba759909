"""`deckwatch train detector | classifier | models`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

train = typer.Typer(
    help="Train a detector or a classifier from a configuration file.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _train(
    task: str, config: Path, overrides: list[str], out: Path | None, fresh: bool, track: bool
) -> None:
    from deckwatch_training import config as configs
    from deckwatch_training import runs
    from deckwatch_vision.errors import UsageError

    loaded = configs.load(config, overrides)
    if loaded.task != task:
        raise UsageError(
            f"{config} trains a {loaded.task}. Use `deckwatch train {loaded.task}`, or give "
            f"another file with --config."
        )
    folder = out or Path("runs") / loaded.name
    runs.train(loaded, folder, fresh=fresh, track=track)
    typer.echo(folder)


Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file, see training/configs.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="key.sub=value, any number", metavar="KEY=VALUE")
]
Out = Annotated[Path | None, typer.Option(help="Folder of the run [default: runs/NAME]")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew instead of continuing last.pt.")]
NoTrack = Annotated[
    bool,
    typer.Option(
        "--no-track", help="Do not log to MLflow (by default mlflow.db beside the run's folder)."
    ),
]


@train.command("detector")
def train_detector(
    config: Config,
    overrides: Overrides = None,
    out: Out = None,
    fresh: Fresh = False,
    no_track: NoTrack = False,
) -> None:
    """Train a fish detector. The same command continues a run that was interrupted.

    The folder of the run is printed; it holds last.pt, best.pt, log.jsonl, curves.png and
    config.yaml.

    \b
    Examples:
      deckwatch train detector -c training/configs/demo-detector.yaml
      deckwatch train detector -c training/configs/demo-detector.yaml run.epochs=20 --out runs/short
      torchrun --nproc-per-node 2 --no-python deckwatch train detector -c detector.yaml
    """
    _train("detector", config, overrides or [], out, fresh, not no_track)


@train.command("classifier")
def train_classifier(
    config: Config,
    overrides: Overrides = None,
    out: Out = None,
    fresh: Fresh = False,
    no_track: NoTrack = False,
) -> None:
    """Train a species classifier on crops. The same command continues an interrupted run.

    The folder of the run is printed; it holds last.pt, best.pt, log.jsonl, curves.png and
    config.yaml.

    \b
    Examples:
      deckwatch train classifier -c training/configs/demo-classifier.yaml
      deckwatch train classifier -c training/configs/demo-classifier.yaml model.weights=live
      deckwatch train classifier -c classifier.yaml model.architecture=timm:mobilenetv4_conv_small
    """
    _train("classifier", config, overrides or [], out, fresh, not no_track)


@train.command("models")
def train_models(
    find: Annotated[
        str | None, typer.Argument(help="Only names with this in them, with their parameters.")
    ] = None,
) -> None:
    """List the architectures that model.architecture can name.

    One line each: detector or classifier, name, where it comes from, and with FIND its number of
    parameters in millions. Without FIND the classifiers of timm are only counted.

    \b
    Examples:
      deckwatch train models
      deckwatch train models mobilenet
    """
    from deckwatch_training import model_list

    for line in model_list.lines(find):
        typer.echo(line)
