"""The commands under `deckwatch`: listed from a table and the installed parts, loaded by name.

Every part hangs its commands up as entry points of the group `deckwatch.commands`; a user's own
package may add more. Listing them imports none of them, so `deckwatch --help` needs no torch.
"""

from __future__ import annotations

import importlib.util
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from deckwatch_vision.errors import MissingExtra, UsageError

GROUP = "deckwatch.commands"


class Known(NamedTuple):
    """A command of ours.

    Its line in `deckwatch --help`, the extra that it needs, and a module that only this extra
    brings, for a command that can be loaded without because it imports late.
    """

    summary: str
    extra: str
    module: str = ""


# The summaries stand here because reading them from the commands would import the commands.
KNOWN = {
    "batch": Known("Recognise folders, lists and videos; resumable, in many formats.", ""),
    "convert": Known("Turn results from one format into others.", ""),
    "report": Known("Make a page for review from the results of a batch.", ""),
    "background": Known("Learn what a fixed camera always sees.", ""),
    "doctor": Known("Check what is installed, reachable and served.", ""),
    "up": Known("Serve Triton and the gateway on this machine.", "local,gateway"),
    "gateway": Known("Run the HTTP gateway, see its settings, make keys.", "gateway", "fastapi"),
    "camio": Known("Camio hooks: register them, list and replay events.", "gateway", "fastapi"),
    "train": Known("Train a detector or a classifier from a config file.", "train", "torch"),
    "evaluate": Known("Measure a release on a labelled data set.", "train", "torch"),
    "export": Known("Turn trained weights into a release.", "train", "torch"),
    "data": Known("Import, check, split, balance and report data sets.", "train", "yaml"),
    "augment": Known(
        "Make more training pictures (`augment_data`).",
        "train",
        "albumentations",
    ),
    "crop": Known("Cut pictures to their fish (`create_fish_images`).", "train", "yaml"),
    "select": Known("Choose the best of several trained candidates.", "train", "torch"),
    "tune": Known("Search a configuration's declared ranges.", "train", "torch"),
    "retrain": Known("From pictures to a released model in one command.", "train", "torch"),
    "promote": Known("Make a release the live one, if it is no worse.", ""),
    "rollback": Known("Go back to the release that was live before.", ""),
    "releases": Known("List the releases of a model repository.", ""),
}


# The list in `deckwatch --help`, by what somebody wants to do.
SECTIONS = {
    "Recognise": ("classify", "batch", "convert", "report", "background"),
    "Serve": ("up", "gateway", "camio"),
    "Data and training": (
        "data", "augment", "crop", "train", "tune", "evaluate", "export", "select", "retrain",
    ),
    "Releases": ("releases", "promote", "rollback"),
    "Help": ("doctor", "completion"),
}  # fmt: skip
OTHERS = "Other packages"


class LazyGroup(TyperGroup):
    """A command group that imports a part's command when it is called, not when it is listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Our own commands in the order of SECTIONS, then other packages' by name."""
        known = [name for names in SECTIONS.values() for name in names]
        there = {*self.commands, *_installed()}
        return [*filter(there.__contains__, known), *sorted(there.difference(known))]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands by section, each with its whole line of help."""
        section_of = {name: title for title, names in SECTIONS.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {}
        # Names of equal width, so that all sections have the same columns.
        width = max(map(len, self.list_commands(ctx)))
        for name in self.list_commands(ctx):
            summary = self.get_command(ctx, name).get_short_help_str(limit=1000)
            rows.setdefault(section_of.get(name, OTHERS), []).append((name.ljust(width), summary))
        for title, lines in rows.items():
            with formatter.section(title):
                formatter.write_dl(lines)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself if it is at hand, else a stand-in that shows its line of help."""
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        found = _installed().get(cmd_name)
        return found and TyperCommand(cmd_name, short_help=_summary(found))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the command to run and load it.

        Raises:
            MissingExtra: what it needs is not installed.
        """
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            cure = f"Did you mean {near[0]!r}?" if near else "`deckwatch --help` lists them all."
            ctx.fail(f"No such command {args[0]!r}. {cure}")
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name not in self.commands:
            command = self.commands[name] = load_command(_installed()[name])
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an import that it made too late for `load_command` is named as well."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise missing_extra(str(ctx.invoked_subcommand), error) from error


def load_command(found: EntryPoint) -> Any:
    """The command behind an entry point that names a Typer app or a function.

    Raises:
        MissingExtra: what it needs is not installed.
        UsageError: it names something else.
    """
    known = KNOWN.get(found.name)
    if known and known.module and importlib.util.find_spec(known.module) is None:
        raise missing_extra(found.name, ModuleNotFoundError(name=known.module))
    try:
        given = found.load()
    except ModuleNotFoundError as error:
        raise missing_extra(found.name, error) from error
    if isinstance(given, typer.Typer):
        app = given
    elif callable(given):
        # Plain help, as `deckwatch` itself: rich would take `[default: ...]` for markup.
        app = typer.Typer(
            add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
        )
        app.command(found.name)(given)
    else:
        raise UsageError(
            f"the command {found.name!r} is {found.value}, neither a Typer app nor a function. "
            "Correct the entry point of the package that brings it."
        )
    from deckwatch_serving.help_pages import plain

    command = plain(typer.main.get_command(app))
    command.name = found.name
    return command


def missing_extra(name: str, error: ModuleNotFoundError) -> MissingExtra:
    """What to install for the command `name`. A module of our own that is missing is no extra."""
    module = (error.name or "a module").partition(".")[0]
    if module.startswith("deckwatch_") or name not in KNOWN:
        raise error
    return MissingExtra(
        f"`deckwatch {name}` needs {module}, which is not installed. "
        f"Install it with: pip install 'deckwatch[{KNOWN[name].extra}]'"
    )


@cache
def _installed() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=GROUP)}


def _summary(found: EntryPoint) -> str:
    if found.name in KNOWN:
        return KNOWN[found.name].summary
    return f"From the package {found.dist.name}." if found.dist else f"From {found.module}."
