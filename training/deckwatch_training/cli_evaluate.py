"""`deckwatch evaluate`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file, see training/configs.")]


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
    pictures = read_coco(data or loaded.data.valid, split="valid")
    card = exports.as_json(
        releases.evaluate(find_repository(repository), pictures, loaded.data.species, version)
    )
    if out:
        out.write_text(json.dumps(card, indent=2) + "\n")
    typer.echo("\n".join(scorecard_table(card)))
