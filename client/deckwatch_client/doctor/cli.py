"""`deckwatch doctor`. What recognises is imported by the checks."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from deckwatch_client.doctor.finding import Check, Finding, Subject
from deckwatch_client.logs import coloured
from deckwatch_client.options import Repository

COLOURS = {"ok": "green", "note": "cyan", "warning": "yellow", "problem": "red"}
# The longest word, and room behind it.
INDENT = max(map(len, COLOURS)) + 4
WIDEST = 100


def doctor(
    server: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Server to ask as well: grpc://host:port (Triton) or http://host:port (the "
            "gateway) [default: DECKWATCH_SERVER; none]",
        ),
    ] = None,
    repository: Repository = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0.1, max=3600, help="Longest wait for each of its answers."
        ),
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, a finding each.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print warnings and problems alone.")
    ] = False,
) -> None:
    """Check what is installed, reachable and served, and say what to do about it.

    Looks at Python and the libraries, the extras, this machine's cores, memory, disk, file names
    and ports, the variables DECKWATCH_..., the release and its digests, and times a test picture in
    this process; with a server named, also whether it is reached, takes the key, which release it
    serves, how fast, and its clock. Nothing is changed, and no picture of yours is read or sent.

    ok: as it should be. note: good to know. warning: something may go wrong or is slower than need
    be. problem: something does not work. Keys and passwords are never printed.

    \b
    Examples:
      deckwatch doctor
      deckwatch doctor --server http://fishserver:8080
      deckwatch doctor --json | jq 'select(.level != "ok")'

    \b
    Exit status:
      0 no problem (there may be warnings), 1 there is a problem, 2 wrong usage

    \b
    Environment:
      DECKWATCH_SERVER, DECKWATCH_API_KEY   the server and its key
      DECKWATCH_MODEL_REPOSITORY            the model repository
      NO_COLOR                              no colours
    """
    from deckwatch_client.doctor.table import examine

    subject = Subject(repository=repository, server=server, timeout_s=timeout)
    levels: Counter[str] = Counter()
    section = ""
    for check, finding in examine(subject):
        levels[finding.level] += 1
        if quiet and finding.level in ("ok", "note"):
            continue
        if as_json:
            lines: Iterator[str] = iter([_json(check, finding)])
        else:
            lines = _text(check, finding, headed=check.section != section)
        section = check.section
        for line in lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()  # some checks take seconds
    if not as_json:
        typer.echo(_summary(levels))
    raise typer.Exit(1 if levels["problem"] else 0)


def _json(check: Check, finding: Finding) -> str:
    told = {"section": check.section, "check": check.name, "level": finding.level}
    return json.dumps({**told, "text": finding.text, "cure": finding.cure, "facts": finding.facts})


def _text(check: Check, finding: Finding, *, headed: bool) -> Iterator[str]:
    if headed:
        yield check.section
    width = min(shutil.get_terminal_size().columns, WIDEST)
    level = coloured(finding.level, COLOURS[finding.level], sys.stdout)
    start = f"  {level}{' ' * (INDENT - 2 - len(finding.level))}"
    wrap = textwrap.TextWrapper(
        max(width - INDENT, 20), break_long_words=False, break_on_hyphens=False
    )
    for line in wrap.wrap(_printable(finding.text)) or [""]:
        yield start + line
        start = " " * INDENT
    wrap.initial_indent, wrap.subsequent_indent = "-> ", "   "
    for line in wrap.wrap(_printable(finding.cure)):
        yield start + line


def _printable(text: str) -> str:
    """Without what would steer the terminal, and what its encoding lacks."""
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _summary(levels: Counter[str]) -> str:
    """One line: how many of each, worst first."""
    counted = [
        f"{levels[level]} {level}{'s' if levels[level] > 1 else ''}"
        for level in ("problem", "warning", "note")
        if levels[level]
    ]
    told = ", ".join(counted)
    if levels["problem"]:
        return f"\n{told}."
    return "\nNothing stands in the way" + (f": {told}." if told else ".")
