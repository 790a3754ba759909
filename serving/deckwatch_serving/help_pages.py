"""Help pages of the commands: options in groups, with metavars that say what is to be written.

Typer draws groups (`rich_help_panel`) with rich alone, which takes longer to import than all else,
and in plain text it names Python's types: "<list[Path]>". Here they are as in other programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from typer.core import TyperGroup

# What Typer says of a type, and what we do.
METAVARS = {
    "<int>": "N",
    "<int range>": "N",
    "<float>": "NUMBER",
    "<float range>": "NUMBER",
    "<str>": "TEXT",
    "<path>": "PATH",
    "<list[Path]>": "PATH",
    "<list[str]>": "TEXT",
}
OPTIONS = "Options"


def choices(*names: str) -> dict[str, Any]:
    """For `typer.Option`: names to choose from, shown and completed, and judged by the command."""
    return {"metavar": "|".join(names), "autocompletion": lambda: list(names)}


def plain(command: Any) -> Any:
    """The Typer command or group with such help pages, for its commands as well."""
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            plain(each)
            # Typer would cut the line in the list of commands after a few words.
            each.short_help = each.get_short_help_str(limit=1000)
    else:
        command.format_options = partial(_format_options, command)
    return command


def _format_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Arguments, then the options by group; those without a group last, --help being one."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for title, parameter in _sorted(command.get_params(ctx)):
        record = _record(parameter, ctx)
        if record is not None:
            sections.setdefault(title, []).append(record)
    for title, rows in sections.items():
        with formatter.section(title):
            formatter.write_dl(rows)


def _sorted(parameters: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    grouped: dict[str, list[Any]] = {"Arguments": []}
    rest = []
    for each in parameters:
        if each.param_type_name == "argument":
            grouped["Arguments"].append(each)
        elif each.rich_help_panel:
            grouped.setdefault(each.rich_help_panel, []).append(each)
        else:
            rest.append(each)
    for title, those in (grouped | {OPTIONS: rest}).items():
        for each in those:
            yield title, each


def _record(parameter: Any, ctx: Any) -> tuple[str, str] | None:
    """How to write the parameter, and what it means; None for a hidden one."""
    if parameter.param_type_name == "argument":
        record = parameter.get_help_record(ctx)
        kind = parameter.display_type_rich(ctx=ctx)
        return _written(record and (record[0].removesuffix(f" {kind}"), record[1]))
    if parameter.is_flag and parameter.default is False:
        parameter.show_default = False  # "[default: no-force]" tells nobody anything
    elif parameter.metavar is None:
        kind = parameter.display_type_rich(ctx=ctx)
        parameter.metavar = METAVARS.get(kind, kind.strip("<>"))  # the choices: a|b|c
    return _written(parameter.get_help_record(ctx))


def _written(record: tuple[str, str] | None) -> tuple[str, str] | None:
    # Typer's own [default: ...] and [required] stand as ours do.
    return record and (record[0], record[1].replace("  [", " ["))
