"""`deckwatch batch`. What recognises is imported inside."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deckwatch_client.logs import speak
from deckwatch_client.options import LogFormat, Quiet, complete_formats, repository_option
from deckwatch_vision.errors import UsageError

if TYPE_CHECKING:
    from deckwatch_client.batch.plan import Plan
    from deckwatch_client.batch.run import Summary
    from deckwatch_client.batch.work import Connection

RESULTS, WHERE, ORIGIN = "Results", "Where it is recognised", "What is known of the pictures"
VIDEO, FIXED = "Videos", "Fixed cameras"


def batch(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FOLDER|FILE|LIST.txt|VIDEO|rtsp://...|-",
            help="Folders are searched with all below them; a .txt file, or - for standard input, "
            "is a list with a path a line.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder of this run.",
            show_default=False,
            rich_help_panel=RESULTS,
        ),
    ] = ...,  # type: ignore[assignment]  # typer's way to ask for an option
    lists: Annotated[
        list[str] | None,
        typer.Option(
            "--list", metavar="FILE", help="A list of paths, one a line; may be repeated."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            metavar="NAMES",
            autocompletion=complete_formats,
            help="Formats to write, with commas between them; may be repeated. results.jsonl is "
            "always written [default: jsonl,csv]",
            show_default=False,
            rich_help_panel=RESULTS,
        ),
    ] = None,
    crops: Annotated[
        bool,
        typer.Option(
            "--crops", help="Also write a picture of every fish.", rich_help_panel=RESULTS
        ),
    ] = False,
    overlays: Annotated[
        bool,
        typer.Option(
            "--overlays",
            help="Also write every picture with boxes and labels.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    latitude: Annotated[
        float | None,
        typer.Option(
            metavar="DEGREES",
            help="Where the cameras were, for camtrap-dp.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    longitude: Annotated[
        float | None,
        typer.Option(
            metavar="DEGREES",
            help="Where the cameras were, for camtrap-dp.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Start anew where DIR holds a run; that one is kept in DIR/before-1.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    server: Annotated[
        list[str] | None,
        typer.Option(
            "--server",
            metavar="ADDRESS",
            help="Ask grpc://host:port (Triton) or http://host:port (the gateway); several with "
            "commas or by repeating it share the work [default: DECKWATCH_SERVER, or none]",
            show_default=False,
            rich_help_panel=WHERE,
        ),
    ] = None,
    local: Annotated[
        bool,
        typer.Option(
            "--local",
            help="Recognise in this process, whatever DECKWATCH_SERVER.",
            rich_help_panel=WHERE,
        ),
    ] = False,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            help="ray: spread over the cluster of RAY_ADDRESS, or Ray on this machine.",
            rich_help_panel=WHERE,
        ),
    ] = "local",
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            "--in-flight",
            min=0,
            help="Pictures at work at once [default: 2 a core; with servers 8 for each; with ray "
            "all that the cluster has]",
            show_default=False,
            rich_help_panel=WHERE,
        ),
    ] = 0,
    repository: Annotated[Path | None, repository_option(WHERE)] = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=86400,
            metavar="SECONDS",
            help="Longest wait for one answer.",
            rich_help_panel=WHERE,
        ),
    ] = 30.0,
    patience: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long to wait for a server that is away.",
            rich_help_panel=WHERE,
        ),
    ] = 600.0,
    camera: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Camera of all pictures.", rich_help_panel=ORIGIN),
    ] = None,
    vessel: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Vessel of all pictures.", rich_help_panel=ORIGIN),
    ] = None,
    camera_from: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Where the camera stands at the end of the path, such as '{vessel}/{camera}/*'.",
            rich_help_panel=ORIGIN,
        ),
    ] = None,
    time_pattern: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Where the time stands in the path, such as '%Y%m%d_%H%M%S', for pictures "
            "without EXIF; may be repeated [default: the usual ones]",
            show_default=False,
            rich_help_panel=ORIGIN,
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Frames to take a second of the video.", rich_help_panel=VIDEO)
    ] = 1.0,
    scene_change: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of these only frames that differ in this share of the picture, 0 to 1.",
            rich_help_panel=VIDEO,
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Stop after so many of a video or stream.",
            rich_help_panel=VIDEO,
        ),
    ] = None,
    no_track: Annotated[
        bool,
        typer.Option(
            "--no-track", help="Follow no fish from frame to frame.", rich_help_panel=VIDEO
        ),
    ] = False,
    no_average: Annotated[
        bool,
        typer.Option(
            "--no-average", help="Give each frame's own likelihoods.", rich_help_panel=VIDEO
        ),
    ] = False,
    annotate: Annotated[
        bool,
        typer.Option(
            "--annotate", help="Also write a copy with boxes and labels.", rich_help_panel=VIDEO
        ),
    ] = False,
    background: Annotated[
        bool,
        typer.Option(
            "--background",
            help="Drop what belongs to a camera's background, learnt from the run.",
            rich_help_panel=FIXED,
        ),
    ] = False,
    background_from: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Learn it from these pictures, or take what `deckwatch background` learnt.",
            rich_help_panel=FIXED,
        ),
    ] = None,
    background_method: Annotated[
        Literal["median", "mog2"], typer.Option(help="How it is learnt.", rich_help_panel=FIXED)
    ] = "median",
    mask: Annotated[
        bool,
        typer.Option(
            "--mask", help="Paint over what never changes before detection.", rich_help_panel=FIXED
        ),
    ] = False,
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
    from deckwatch_client.formats.contract import FormatOptions
    from deckwatch_client.video.options import VideoOptions

    fixed = background or background_from is not None
    if mask and not fixed:
        raise UsageError("--mask needs a background. Add --background, or --background-from DIR.")
    plan = Plan(
        sources=tuple(sources or ()),
        out=out,
        lists=tuple(lists or ()),
        connection=_connection(server, local, engine, repository, timeout, patience),
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
        typer.echo(told(plan, summary))
    raise typer.Exit(summary.status)


def _loaded() -> None:
    gc.freeze()
    gc.enable()


def told(plan: Plan, summary: Summary) -> str:
    """The summary for people: counts, and where the results are."""
    tally = summary.tally
    before = f" ({summary.taken_over:,} of them known already)" if summary.taken_over else ""
    lines = [f"{_count(tally.pictures, 'picture')}{before}, {tally.failed:,} failed"]
    codes = sorted({*tally.by_label, *tally.fish}, key=lambda code: (-tally.by_label[code], code))
    width = max(map(len, codes), default=0)
    lines += [
        f"  {code:{width}}  {_count(tally.by_label[code], 'picture')}, {tally.fish[code]:,} fish"
        for code in codes
    ]
    lines += [
        f"  {_count(count, 'failure')}: {code}" for code, count in sorted(tally.failures.items())
    ]
    if tally.tracks:
        found = ", ".join(f"{code} {number:,}" for code, number in sorted(tally.tracks.items()))
        lines.append(f"Followed through videos, each fish once as far as it was in sight: {found}")
    if tally.gone:
        lines.append(
            f"{_count(tally.gone, 'picture')} could not be read again for crops or overlays"
        )
    if summary.others:
        kinds = ", ".join(
            f"{count:,} {suffix or 'without a suffix'}"
            for suffix, count in summary.others.most_common(5)
        )
        lines.append(f"{_count(summary.others.total(), 'other file')} left aside: {kinds}")
    lines.append(f"Results: {', '.join(summary.outputs)}")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _formats(given: Sequence[str] | None, crops: bool, overlays: bool) -> tuple[str, ...]:
    names = [name.strip() for each in given or ("csv",) for name in each.split(",")]
    more = [name for name, wanted in (("crops", crops), ("overlays", overlays)) if wanted]
    return tuple(name for name in [*names, *more] if name)


def _connection(
    servers: Sequence[str] | None,
    local: bool,
    engine: str,
    repository: Path | None,
    timeout_s: float,
    patience_s: float,
) -> Connection:
    """Where recognition happens. Raises UsageError for what is no address."""
    from deckwatch_client.backends import server_address
    from deckwatch_client.batch.work import Connection

    if local and servers:
        raise UsageError("--local and --server exclude each other. Give one of them.")
    given: Sequence[str | None] = [""] if local else (servers or [None])
    found = [server_address(each) for each in given]
    return Connection(
        addresses=tuple(dict.fromkeys(each for each in found if each)),
        repository=None if repository is None else str(repository),
        timeout_s=timeout_s,
        patience_s=patience_s,
        # A Ray worker is one core.
        threads=1 if engine == "ray" else None,
    )
