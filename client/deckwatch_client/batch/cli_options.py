"""The options of `deckwatch batch`, one type each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from deckwatch_client.options import complete_formats, repository_option

RESULTS, WHERE, ORIGIN = "Results", "Where it is recognised", "What is known of the pictures"
VIDEO, FIXED = "Videos", "Fixed cameras"

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FOLDER|FILE|LIST.txt|VIDEO|rtsp://...|-",
        help="Folders are searched with all below them; a .txt file, or - for standard input, "
        "is a list with a path a line.",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder of this run.",
        show_default=False,
        rich_help_panel=RESULTS,
    ),
]
Lists = Annotated[
    list[str] | None,
    typer.Option("--list", metavar="FILE", help="A list of paths, one a line; may be repeated."),
]
Formats = Annotated[
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
]
Crops = Annotated[
    bool,
    typer.Option("--crops", help="Also write a picture of every fish.", rich_help_panel=RESULTS),
]
Overlays = Annotated[
    bool,
    typer.Option(
        "--overlays",
        help="Also write every picture with boxes and labels.",
        rich_help_panel=RESULTS,
    ),
]
Latitude = Annotated[
    float | None,
    typer.Option(
        metavar="DEGREES",
        help="Where the cameras were, for camtrap-dp.",
        rich_help_panel=RESULTS,
    ),
]
Longitude = Annotated[
    float | None,
    typer.Option(
        metavar="DEGREES",
        help="Where the cameras were, for camtrap-dp.",
        rich_help_panel=RESULTS,
    ),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="Start anew where DIR holds a run; that one is kept in DIR/before-1.",
        rich_help_panel=RESULTS,
    ),
]
Server = Annotated[
    list[str] | None,
    typer.Option(
        "--server",
        metavar="ADDRESS",
        help="Ask grpc://host:port (Triton) or http://host:port (the gateway); several with "
        "commas or by repeating it share the work [default: DECKWATCH_SERVER, or none]",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="Recognise in this process, whatever DECKWATCH_SERVER.",
        rich_help_panel=WHERE,
    ),
]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="ray: spread over the cluster of RAY_ADDRESS, or Ray on this machine.",
        rich_help_panel=WHERE,
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        "--in-flight",
        min=0,
        help="Pictures at work at once [default: 1 a core and 1 more; with servers 8 for each; "
        "with ray all that the cluster has]",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
Repository = Annotated[Path | None, repository_option(WHERE)]
Timeout = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=86400,
        metavar="SECONDS",
        help="Longest wait for one answer.",
        rich_help_panel=WHERE,
    ),
]
Patience = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="How long to wait for a server that is away.",
        rich_help_panel=WHERE,
    ),
]
Camera = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Camera of all pictures.", rich_help_panel=ORIGIN),
]
Vessel = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Vessel of all pictures.", rich_help_panel=ORIGIN),
]
CameraFrom = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help="Where the camera stands at the end of the path, such as '{vessel}/{camera}/*'.",
        rich_help_panel=ORIGIN,
    ),
]
TimePattern = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Where the time stands in the path, such as '%Y%m%d_%H%M%S', for pictures "
        "without EXIF; may be repeated [default: the usual ones]",
        show_default=False,
        rich_help_panel=ORIGIN,
    ),
]
Rate = Annotated[
    float, typer.Option(help="Frames to take a second of the video.", rich_help_panel=VIDEO)
]
SceneChange = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Of these only frames that differ in this share of the picture, 0 to 1.",
        rich_help_panel=VIDEO,
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Stop after so many of a video or stream.",
        rich_help_panel=VIDEO,
    ),
]
NoTrack = Annotated[
    bool,
    typer.Option("--no-track", help="Follow no fish from frame to frame.", rich_help_panel=VIDEO),
]
NoAverage = Annotated[
    bool,
    typer.Option("--no-average", help="Give each frame's own likelihoods.", rich_help_panel=VIDEO),
]
Annotate = Annotated[
    bool,
    typer.Option(
        "--annotate", help="Also write a copy with boxes and labels.", rich_help_panel=VIDEO
    ),
]
UseBackground = Annotated[
    bool,
    typer.Option(
        "--background",
        help="Drop what belongs to a camera's background, learnt from the run.",
        rich_help_panel=FIXED,
    ),
]
BackgroundFrom = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Learn it from these pictures, or take what `deckwatch background` learnt.",
        rich_help_panel=FIXED,
    ),
]
BackgroundMethod = Annotated[
    Literal["median", "mog2"], typer.Option(help="How it is learnt.", rich_help_panel=FIXED)
]
Mask = Annotated[
    bool,
    typer.Option(
        "--mask", help="Paint over what never changes before detection.", rich_help_panel=FIXED
    ),
]
