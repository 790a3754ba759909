"""`deckwatch background`: learn what a fixed camera always sees, and show what was learnt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deckwatch_client.background.options import METHODS, SAMPLE, BackgroundOptions
from deckwatch_client.logs import speak
from deckwatch_client.options import LogFormat, Quiet
from deckwatch_serving.help_pages import choices
from deckwatch_vision.errors import ImageError, UsageError

if TYPE_CHECKING:
    from deckwatch_client.background.store import Background

background = typer.Typer(
    help="Learn what a fixed camera always sees.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@background.callback()
def _() -> None:
    """Learn what a fixed camera always sees, and show what was learnt."""


@background.command("learn")
def learn(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Pictures of one camera or of several.")
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where backgrounds are kept; other cameras' stay there."),
    ],
    camera: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose pictures these are.")
    ] = None,
    camera_from: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help='Where a picture\'s path names its camera, such as "{camera}/*".',
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(help="How; mog2 is a mixture of Gaussians.", **choices(*METHODS)),
    ] = METHODS[0],
    sample: Annotated[
        int,
        typer.Option(help="Pictures of a camera to learn from, at most, by day and by night each."),
    ] = SAMPLE,
    quiet: Quiet = False,
    log_format: LogFormat = "text",
) -> None:
    """Learn what fixed cameras always see from a folder of their pictures.

    Pictures are taken evenly from all that lie in the folder and below it; those by night are told
    from those by day by what they look like. What was learnt of a camera before is replaced. Let
    the pictures span a day or more: a fish that lies still in most of them is learnt as well.

    Where a camera was moved, each way it looked becomes a background of its own, if there are
    enough pictures of it.

    \b
    Examples:
      deckwatch background learn quiet-days/deck-2 --camera deck-2 --out backgrounds
      deckwatch background learn season --camera-from "{camera}/*" --out backgrounds
      deckwatch batch trip --camera deck-2 --background --background-from backgrounds --out results

    \b
    Exit status:
      0  done
      1  nothing was learnt
      2  wrong usage
    """
    from deckwatch_client.background.sample import EvenSample
    from deckwatch_client.background.stage import BackgroundStage
    from deckwatch_client.batch.origin import Origins
    from deckwatch_client.pictures import printable, read_picture
    from deckwatch_serving import picture_files
    from deckwatch_serving.progress import track

    say = speak(quiet=quiet, form=log_format)
    options = BackgroundOptions(method=method, sample=sample)
    origins = Origins(camera=camera, camera_from=camera_from)
    stage = BackgroundStage(out, options)
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder of pictures.")
    # Day and night are told apart only when a picture is read; each shall have enough.
    chosen: EvenSample[Path] = EvenSample(2 * sample)
    for name in picture_files.find(folder):
        chosen.offer(origins.place(str(folder / name))[0], folder / name)
    paths = list(chosen.chosen())
    if not paths:
        raise UsageError(f"{folder} holds no pictures.")

    taken = [""]

    def pictures() -> Iterator[tuple[str | None, bytes]]:
        for whose, path in track(paths, "looking", len(paths)) if say.draws else paths:
            taken[0] = str(path)
            try:
                yield whose, read_picture(path)
            except ImageError as error:
                unread(error)

    def unread(error: ImageError) -> None:
        say.warning("picture failed", f"{printable(taken[0])}: {error.message}", image=taken[0])

    learnt = stage.learn_from(pictures(), unread=unread)
    for each in learnt:
        told = say.info if each.backgrounds else say.warning
        told("background", str(each), camera=each.camera, night=each.night, used=each.used)
    if not any(each.backgrounds for each in learnt):
        raise typer.Exit(1)


@background.command("show")
def show(
    path: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of backgrounds, or one of its files.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, a background each.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write each background there as a PNG to look at."),
    ] = None,
) -> None:
    """Show which backgrounds a folder holds, and what they look like.

    \b
    Examples:
      deckwatch background show backgrounds
      deckwatch background show backgrounds --out look
      deckwatch background show results/background --json | jq .camera

    \b
    Exit status:
      0  done
      2  wrong usage, or a file is damaged
    """
    from deckwatch_client.background.store import Backgrounds, read

    files = Backgrounds(path).files()
    if not files:
        raise UsageError(
            f"{path} holds no backgrounds. Make some with `deckwatch background learn`."
        )
    for file in files:
        found = read(file)
        picture = out and _drawn(found, out / f"{file.stem}.png")
        if as_json:
            told = {"file": str(file), **found.about()} | ({"png": str(picture)} if out else {})
            typer.echo(json.dumps(told, ensure_ascii=False))
        else:
            typer.echo(_line(file, found) + (f", drawn to {picture}" if picture else ""))


def _line(file: Path, found: Background) -> str:
    view = f", view {found.view}" if found.view > 1 else ""
    return (
        f"{file.name}: {found.name}{view}, {found.method} of {found.pictures} pictures of "
        f"{found.size[0]} x {found.size[1]}"
    )


def _drawn(found: Background, file: Path) -> Path:
    import cv2

    from deckwatch_serving import picture_files
    from deckwatch_serving.output_folder import writing_into

    _, content = cv2.imencode(".png", cv2.cvtColor(found.picture, cv2.COLOR_RGB2BGR))
    with writing_into(file.parent):
        picture_files.write(file, content.tobytes())
    return file
