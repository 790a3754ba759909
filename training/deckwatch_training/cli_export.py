"""`deckwatch export`. Heavy imports stay inside."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file, see training/configs.")]


class Precision(StrEnum):
    """What the nets of a release may be quantised to."""

    INT8 = "int8"


class Net(StrEnum):
    """The nets of a release."""

    DETECTOR = "detector"
    CLASSIFIER = "classifier"


def export(
    config: Config,
    repository: Annotated[
        Path, typer.Option(metavar="DIR", help="Model repository to write the release into.")
    ] = Path("model_repository"),
    version: Annotated[
        int | None, typer.Option(min=1, help="Version [default: the config's, else the next free]")
    ] = None,
    quantise: Annotated[
        Precision | None,
        typer.Option(
            help="Let the release use nets in INT8 (onnxruntime, CPU), quantised on the held-back "
            "pictures; what that costs and gains is measured and written into the scorecard."
        ),
    ] = None,
    net: Annotated[Net | None, typer.Option(help="Quantise this net alone [default: both]")] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Write a version that is there already anew; not while a server serves it.",
        ),
    ] = False,
) -> None:
    """Export, prove, calibrate, measure and describe a release from two finished runs.

    The first release of a repository is live at once; others wait for `deckwatch promote`.

    \b
    Examples:
      deckwatch export -c training/configs/demo-release.yaml --repository candidates
      deckwatch export -c training/configs/demo-release.yaml --quantise int8 --net classifier
    """
    from deckwatch_serving.repository import live_version
    from deckwatch_training import releases
    from deckwatch_training.making import NETS
    from deckwatch_training.model_card import scorecard_table
    from deckwatch_vision.errors import UsageError

    if net and not quantise:
        raise UsageError("--net says what to quantise; add --quantise int8.")
    nets = () if quantise is None else NETS if net is None else (net.value,)
    release = releases.make(config, repository, version, quantise=nets, overwrite=overwrite)
    live = live_version(repository)
    state = (
        "It is live."
        if live == release.version
        else f"Version {live} is live; make this one live with: deckwatch promote "
        f"{release.version} --repository {repository}"
    )
    typer.echo(f"Release {release.name} {release.version} stands in {repository}. {state}\n")
    typer.echo("\n".join(scorecard_table(release.scorecard["valid"])))
    if quantise:
        typer.echo("\n" + "\n".join(_int8_lines(release.scorecard["int8"])))


def _int8_lines(figures: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """What INT8 gained and cost, a line each."""
    lines = [
        f"INT8, {name}: {times['int8_ms']:g} ms where float32 takes {times['float32_ms']:g} ms "
        f"(ratio {times['ratio']:g})"
        for name, times in figures.items()
        if name != "cost"
    ]
    for name, row in figures["cost"].items():
        lines.append(
            f"INT8, {name}: {row['int8']:.4f} where float32 has {row['float32']:.4f} "
            f"(worse by {row['worse_by']:+.4f})"
        )
    return lines
