"""`deckwatch export`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file, see training/configs.")]


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
