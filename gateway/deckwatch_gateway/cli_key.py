"""`deckwatch gateway key`: a new key for a caller, and the line that lets it in."""

from __future__ import annotations

from typing import Annotated

import typer

from deckwatch_serving.help_pages import choices

KEY_BYTES = 32


def key(
    name: Annotated[
        str, typer.Argument(help="Who gets the key: letters, digits and _ . - (it is logged).")
    ],
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="What it is for; may be repeated [default: classify]",
            **choices("classify", "metrics", "camio"),
        ),
    ] = None,
) -> None:
    """Make a key. It is shown once; the gateway's file gets its digest only.

    \b
    The line for the file goes to standard output, so that it can be appended:
      deckwatch gateway key bridge >> keys
      DECKWATCH_API_KEYS_FILE=keys deckwatch gateway serve

    The key itself goes to standard error. A running gateway reads the file again by itself.
    """
    import secrets

    from deckwatch_gateway.access import USUAL_SCOPES
    from deckwatch_gateway.keys import KeyRing, hash_entry

    made = secrets.token_urlsafe(KEY_BYTES)
    line = hash_entry(name, made, scopes or USUAL_SCOPES)
    KeyRing(line)  # raises UsageError for a name or a scope that cannot be
    typer.echo(line)
    typer.echo(f"The key of {name}, shown only now: {made}", err=True)
