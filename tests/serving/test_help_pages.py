"""Help pages: groups, plain metavars, whole lines; parsing stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from typer.main import get_command

from deckwatch_serving.help_pages import plain


def app() -> typer.Typer:
    made = typer.Typer(add_completion=False, rich_markup_mode=None)

    @made.command()
    def sail(
        boats: Annotated[list[str], typer.Argument(metavar="BOAT", help="Which.")],
        chart: Annotated[Path | None, typer.Option(help="Where to.")] = None,
        knots: Annotated[float, typer.Option(min=0, help="How fast.", rich_help_panel="Wind")] = 5,
        tack: Annotated[
            Literal["port", "starboard"], typer.Option(help="Which way.", rich_help_panel="Wind")
        ] = "port",
        flag: Annotated[bool, typer.Option(help="Show it.")] = False,
        crew: Annotated[int, typer.Option(hidden=True)] = 1,
    ) -> None:
        """Sail boats along a coast that is long enough to need more than the usual few words here.

        And home again.
        """
        typer.echo(f"{boats} {chart} {knots} {tack} {flag} {crew}")

    @made.command()
    def sink() -> None:
        """Do not."""

    return made


def page(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    plain(get_command(app()))([*arguments, "--help"], prog_name="fleet", standalone_mode=False)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_groups_and_metavars(capsys: pytest.CaptureFixture[str]) -> None:
    lines = page(capsys, "sail")
    assert lines[lines.index("Arguments:") :] == [
        "Arguments:",
        "BOAT Which. [required]",
        "",
        "Wind:",
        "--knots NUMBER How fast. [default: 5; x>=0]",
        "--tack port|starboard Which way. [default: port]",
        "",
        "Options:",
        "--chart PATH Where to.",
        "--flag / --no-flag Show it.",
        "--help Show this message and exit.",
    ]


def test_the_list_of_commands_has_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(page(capsys))
    assert "sail Sail boats along a coast that is long enough to need more than the usual" in text
    assert "few words here. sink Do not." in text


def test_what_is_parsed_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    command = plain(get_command(app()))
    command(["sail", "--knots", "7", "a", "b", "--tack", "starboard"], standalone_mode=False)
    assert capsys.readouterr().out == "['a', 'b'] None 7.0 starboard False 1\n"
