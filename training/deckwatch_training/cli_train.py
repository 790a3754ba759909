"""`deckwatch train detector | classifier`. Heavy imports stay inside."""

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


def _train(task: str, config: Path, overrides: list[str], out: Path | None, fresh: bool) -> None:
    from deckwatch_training import config as configs
    from deckwatch_training import runs

    loaded = configs.load(config, overrides)
    if loaded.task != task:
        raise typer.BadParameter(f"{config} trains a {loaded.task}, not a {task}.")
    runs.train(loaded, out or Path("runs") / loaded.name, fresh=fresh)


Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file, see training/configs.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key.sub=value, any number")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run [default: runs/NAME]")]
Fresh = Annotated[bool, typer.Option(help="Start anew instead of continuing last.pt.")]


@train.command("detector")
def train_detector(
    config: Config, overrides: Overrides = None, out: Out = None, fresh: Fresh = False
) -> None:
    """Train a fish detector. The same command continues a run that was interrupted.

    \b
    Example:
      deckwatch train detector -c training/configs/demo-detector.yaml run.epochs=20
    """
    _train("detector", config, overrides or [], out, fresh)


@train.command("classifier")
def train_classifier(
    config: Config, overrides: Overrides = None, out: Out = None, fresh: Fresh = False
) -> None:
    """Train a species classifier on crops. The same command continues an interrupted run.

    \b
    Example:
      deckwatch train classifier -c training/configs/demo-classifier.yaml
    """
    _train("classifier", config, overrides or [], out, fresh)
