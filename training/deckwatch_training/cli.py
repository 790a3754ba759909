"""`deckwatch train | evaluate | export`, the doors to training. Heavy imports stay inside."""

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


def evaluate(
    config: Config,
    data: Annotated[
        Path | None, typer.Option(help="COCO JSON to measure on [default: the config's valid]")
    ] = None,
    repository: Annotated[
        Path | None, typer.Option(help="Model repository [default: the one in use]")
    ] = None,
    version: Annotated[int | None, typer.Option(help="Release version [default: live]")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the scorecard here, as JSON")] = None,
) -> None:
    """Measure a release on a data set that it has never seen and print the scorecard.

    The configuration of a training run says which category of the data set is which species.

    \b
    Example:
      deckwatch evaluate -c training/configs/demo-detector.yaml --out scorecard.json
    """
    import json

    from deckwatch_serving.repository import find_repository
    from deckwatch_training import config as configs
    from deckwatch_training import export as exports
    from deckwatch_training import releases
    from deckwatch_training.dataset import read_coco
    from deckwatch_training.model_card import scorecard_table

    loaded = configs.load(config)
    pictures = read_coco(data or loaded.data.valid)
    card = exports.as_json(
        releases.evaluate(find_repository(repository), pictures, loaded.data.species, version)
    )
    if out:
        out.write_text(json.dumps(card, indent=2) + "\n")
    typer.echo("\n".join(scorecard_table(card)))


def export(
    config: Config,
    repository: Annotated[
        Path, typer.Option(help="Model repository to write the release into")
    ] = Path("model_repository"),
    version: Annotated[int | None, typer.Option(help="Version [default: the config's]")] = None,
) -> None:
    """Export, prove, calibrate and describe a release from two finished runs.

    \b
    Example:
      deckwatch export -c training/configs/demo-release.yaml
    """
    from deckwatch_training import releases
    from deckwatch_training.model_card import scorecard_table

    release = releases.make(config, repository, version)
    typer.echo(f"Release {release.name} {release.version} stands in {repository}.\n")
    typer.echo("\n".join(scorecard_table(release.scorecard["valid"])))
