"""`deckwatch batch`. What recognises is imported inside."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deckwatch_client.batch import cli_options
from deckwatch_client.logs import speak
from deckwatch_client.options import LogFormat, Quiet
from deckwatch_vision.errors import UsageError

if TYPE_CHECKING:
    from deckwatch_client.batch.work import Connection


def batch(
    sources: cli_options.Sources = None,
    out: cli_options.Out = ...,  # type: ignore[assignment]  # typer's way to ask for an option
    lists: cli_options.Lists = None,
    formats: cli_options.Formats = None,
    crops: cli_options.Crops = False,
    overlays: cli_options.Overlays = False,
    latitude: cli_options.Latitude = None,
    longitude: cli_options.Longitude = None,
    again: cli_options.Again = False,
    server: cli_options.Server = None,
    local: cli_options.Local = False,
    engine: cli_options.Engine = "local",
    workers: cli_options.Workers = 0,
    repository: cli_options.Repository = None,
    timeout: cli_options.Timeout = 30.0,
    patience: cli_options.Patience = 600.0,
    camera: cli_options.Camera = None,
    vessel: cli_options.Vessel = None,
    camera_from: cli_options.CameraFrom = None,
    time_pattern: cli_options.TimePattern = None,
    rate: cli_options.Rate = 1.0,
    scene_change: cli_options.SceneChange = None,
    seconds: cli_options.Seconds = None,
    no_track: cli_options.NoTrack = False,
    no_average: cli_options.NoAverage = False,
    annotate: cli_options.Annotate = False,
    background: cli_options.UseBackground = False,
    background_from: cli_options.BackgroundFrom = None,
    background_method: cli_options.BackgroundMethod = "median",
    mask: cli_options.Mask = False,
    quiet: Quiet = False,
    log_format: LogFormat = "text",
) -> None:
    """Recognise the fish in folders of pictures and in videos; the same command goes on.

    DIR/log.jsonl keeps every picture as it is done. After Ctrl-C, a crash or a power cut the same
    command goes on where it was; run again later it does what is new, has changed, or failed.
    Pictures that cannot be read are in the results with the reason. Then the results are written:
    results.jsonl, pictures.csv and fish.csv, and what --format asks for.

    \b
    Examples:
      deckwatch batch season --out results
      deckwatch batch card1 card2 haul.mp4 --out trip --format csv,megadetector --crops
      deckwatch batch season --out results --camera-from '{vessel}/{camera}/*'
      deckwatch batch season --out results --server grpc://a:8001,b:8001
      find season -newer last -name '*.jpg' | deckwatch batch - --out new

    \b
    Exit status:
      0  done
      1  failed: the server or the disk; or every single picture
      2  wrong usage, or another run's folder
      3  done, some pictures failed
      130  interrupted; the same command goes on

    \b
    Environment:
      DECKWATCH_SERVER, DECKWATCH_API_KEY  as for `classify`
      DECKWATCH_MODEL_REPOSITORY           models for recognition in this process
      RAY_ADDRESS                          the cluster for --engine ray
      SQLITE_TMPDIR                        where the index over the log is kept while it runs
    """
    # What is imported and loaded stays to the end: as for `classify`, looking for garbage in it
    # would only slow the start down.
    gc.disable()
    speak(quiet=quiet, form=log_format)
    from deckwatch_client.background.options import BackgroundOptions
    from deckwatch_client.batch.origin import Origins
    from deckwatch_client.batch.plan import Plan
    from deckwatch_client.batch.run import run
    from deckwatch_client.batch.telling import told
    from deckwatch_client.formats.contract import FormatOptions
    from deckwatch_client.video.options import VideoOptions

    fixed = background or background_from is not None
    if mask and not fixed:
        raise UsageError("--mask needs a background. Add --background, or --background-from DIR.")
    plan = Plan(
        sources=tuple(sources or ()),
        out=out,
        lists=tuple(lists or ()),
        connection=_connection(server, local, engine, workers, repository, timeout, patience),
        engine=engine,
        workers=workers,
        origins=Origins(camera, vessel, camera_from, tuple(time_pattern or ())),
        video=VideoOptions(rate, scene_change, seconds, not no_track, not no_average, annotate),
        background=BackgroundOptions(method=background_method, mask=mask) if fixed else None,
        background_from=background_from,
        formats=_formats(formats, crops, overlays),
        format_options=FormatOptions(latitude=latitude, longitude=longitude),
        again=again,
    )
    try:
        summary = run(plan, loaded=_loaded)
    finally:
        gc.enable()
    if summary.outputs:
        typer.echo(told(summary))
    raise typer.Exit(summary.status)


def _loaded() -> None:
    gc.freeze()
    gc.enable()


def _formats(given: Sequence[str] | None, crops: bool, overlays: bool) -> tuple[str, ...]:
    names = [name.strip() for each in given or ("csv",) for name in each.split(",")]
    more = [name for name, wanted in (("crops", crops), ("overlays", overlays)) if wanted]
    return tuple(name for name in [*names, *more] if name)


def _connection(
    servers: Sequence[str] | None,
    local: bool,
    engine: str,
    workers: int,
    repository: Path | None,
    timeout_s: float,
    patience_s: float,
) -> Connection:
    """Where recognition happens. Raises UsageError for what is no address."""
    from deckwatch_client.backends import server_address
    from deckwatch_client.batch.work import Connection
    from deckwatch_serving.cores import available_cores

    if local and servers:
        raise UsageError("--local and --server exclude each other. Give one of them.")
    given: Sequence[str | None] = [""] if local else (servers or [None])
    found = [server_address(each) for each in given]
    return Connection(
        addresses=tuple(dict.fromkeys(each for each in found if each)),
        repository=None if repository is None else str(repository),
        timeout_s=timeout_s,
        patience_s=patience_s,
        # One picture at a time is shared out over the cores; of several, each has its own.
        threads=available_cores() if workers == 1 and engine == "local" else 1,
    )
