"""The command `deckwatch`, under which everything but the three short commands hangs."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from deckwatch_client import classify as classify_
from deckwatch_client.commands import LazyGroup
from deckwatch_client.logs import FORMAT_VARIABLE, speak, speaker
from deckwatch_client.version import installed_version
from deckwatch_vision.errors import DeckwatchError, UsageError

# What befalls commands that write for hours, and is no fault of theirs.
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}

EPILOG = """\b
Exit status of every command:
  0 done, 1 failed, 2 wrong usage, 3 finished but some pictures failed, 130 interrupted

`deckwatch COMMAND --help` tells what a command takes. Something does not work: `deckwatch doctor`.
"""

# Plain help: drawing it with rich takes longer than everything else together.
app = typer.Typer(
    name="deckwatch",
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog=EPILOG,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deckwatch {installed_version()}")
        raise typer.Exit


@app.callback()
def deckwatch(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Find fish in pictures from fishing-vessel cameras and name their species."""


class _Classify(TyperCommand):
    """`classify`, which reads its arguments itself, with the completion that argparse lacks."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.args = args
        return args

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Options, a folder behind --repository, otherwise a picture."""
        from typer._click.shell_completion import CompletionItem

        if ctx.args[-1:] == ["--repository"]:
            return [CompletionItem(incomplete, type="dir")]
        if not incomplete.startswith("-") or "--" in ctx.args:
            return [CompletionItem(incomplete, type="file")]
        return [
            CompletionItem(option, help=action.help)
            for action in classify_.build_parser("classify")._actions
            for option in action.option_strings
            if option.startswith(incomplete)
        ]


@app.command(cls=_Classify, short_help=classify_.DESCRIPTION.partition(".")[0] + ".")
def classify(context: typer.Context) -> None:
    """Name the fish in pictures, as the command `classify` does."""
    raise typer.Exit(classify_.main(context.args, prog="deckwatch classify"))


@app.command(short_help="Complete command lines with the Tab key.")
def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"] | None,
        typer.Argument(help="The shell [default: the environment's SHELL]", show_default=False),
    ] = None,
    install: Annotated[
        bool,
        typer.Option(
            "--install", help="Write the script into your home and have the shell read it."
        ),
    ] = False,
) -> None:
    """Print a script that completes command lines with the Tab key.

    It serves deckwatch, classify, augment_data and create_fish_images, and needs no renewal after
    an upgrade. With --install it is written to ~/.local/share/deckwatch and read by ~/.bashrc or
    ~/.zshrc, which get one line more; for fish it goes to ~/.config/fish/conf.d.

    \b
    Examples:
      deckwatch completion --install            for good, in the shell you use
      source <(deckwatch completion bash)       in this terminal alone
      deckwatch completion fish | source

    \b
    Exit status:
      0 done, 1 failed, 2 wrong usage
    """
    from deckwatch_client import completion as completions

    shell = shell or completions.own_shell()
    if not install:
        typer.echo(completions.script(shell), nl=False)
        return
    try:
        changed = completions.install(shell)
    except OSError as error:
        raise DeckwatchError(
            f"{error.filename} cannot be written ({error.strerror}). Print the script with "
            f"`deckwatch completion {shell}` and have your shell read it."
        ) from None
    for path in changed:
        speaker().info("completion installed", f"{path} was written.", path=path)
    told = "Open a new terminal to use it." if changed else "It was there already."
    speaker().info("completion ready", told, shell=shell)


def main() -> None:
    """Run the command line; an error of ours is one line and an exit status."""
    if "_DECKWATCH_COMPLETE" in os.environ:
        from deckwatch_client.completion import answer

        sys.exit(answer())
    # Of errors before a command has read its own --log-format.
    speak(form="json" if os.environ.get(FORMAT_VARIABLE) == "json" else "text")
    try:
        app(prog_name="deckwatch")
    except DeckwatchError as error:
        speaker().failed("deckwatch", error)
        sys.exit(classify_.USAGE if isinstance(error, UsageError) else classify_.FAILED)
    except OSError as error:
        if error.errno not in DISK:
            raise
        what = f"{error.filename} cannot be used" if error.filename else "A file cannot be written"
        told = f"{what} ({error.strerror}). Look at its permissions and the room on its disk."
        speaker().failed("deckwatch", DeckwatchError(told))
        sys.exit(classify_.FAILED)


if __name__ == "__main__":
    main()
