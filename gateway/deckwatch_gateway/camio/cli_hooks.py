"""`deckwatch camio register | hooks`: tell Camio where to send events, see where it does."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deckwatch_gateway.camio.query import MATCH_ALL
from deckwatch_gateway.cli_serve import SettingsFile
from deckwatch_vision.errors import UsageError

if TYPE_CHECKING:
    from deckwatch_gateway.settings import Settings

# What a token or a key in a file may at most be; a wrong file is noticed before it is sent.
_SECRET_BYTES = 4096

TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File with Camio's OAuth token, - for standard input "
        "[default: $DECKWATCH_CAMIO_OAUTH_TOKEN]",
    ),
]
Camio = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Camio's address, or that of a fake one [default: https://camio.com]"
    ),
]


def register(
    host: Annotated[
        str,
        typer.Option(metavar="URL", help="This gateway as Camio reaches it, https://our.host"),
    ],
    query: Annotated[
        str, typer.Option(help="Which events: Camio's query over camera, labels and date.")
    ] = MATCH_ALL,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of the key to call with, of DECKWATCH_CAMIO_KEYS or its file; needed where "
            "there are several.",
        ),
    ] = None,
    token_file: TokenFile = None,
    camio: Camio = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="First see that the gateway answers there and knows the key."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the request, its secrets hidden.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the hook as JSON.")] = False,
    file: SettingsFile = None,
) -> None:
    """Have Camio send events to this gateway.

    The token and the key come from settings or files and are never arguments, which other users
    and the shell's history can see. Registering the same hook twice makes two of them.

    \b
    Examples:
      deckwatch camio register --host https://our.host --query "camera == 'deck-aft'" --dry-run
      deckwatch camio register --host https://our.host --token-file token.txt --key office
    """
    from deckwatch_gateway.camio import hooks as camio_hooks
    from deckwatch_gateway.settings import read_settings

    settings = read_settings(file)
    url = camio_hooks.tasks_url(host, _key(settings, key))
    wanted = camio_hooks.hook(url, query)
    if check:
        camio_hooks.check_answers(url)
    if dry_run:
        base = camio_hooks.check_address(camio or camio_hooks.CAMIO, "--camio")
        typer.echo(f"POST {base}{camio_hooks.HOOKS}")
        typer.echo("Content-Type: application/json")
        typer.echo(f"Authorization: token {camio_hooks.HIDDEN}")
        typer.echo(camio_hooks.as_line(dict(wanted)))
        return
    token, base = _token(settings, token_file), camio or camio_hooks.CAMIO
    with camio_hooks.CamioApi(token, base=base) as api:
        found = api.register(url, query)
    if as_json:
        typer.echo(camio_hooks.as_line(found))
    else:
        typer.echo(
            f"Hook {found['id']}: events of {wanted['parsed_query']} go to "
            f"{camio_hooks.hide_key(url)}."
        )


def hooks(
    token_file: TokenFile = None,
    camio: Camio = None,
    file: SettingsFile = None,
) -> None:
    """List the hooks of the Camio account, one JSON object a line, their keys hidden.

    Camio documents registering alone. Where its API does not list hooks, this says so; neither
    changing nor deleting one is documented, so there is no command for it.

    \b
    Example:
      deckwatch camio hooks --token-file token.txt | jq -r .parsed_query
    """
    from deckwatch_gateway.camio import hooks as camio_hooks
    from deckwatch_gateway.settings import read_settings

    token, base = _token(read_settings(file), token_file), camio or camio_hooks.CAMIO
    with camio_hooks.CamioApi(token, base=base) as api:
        for one in api.hooks():
            typer.echo(camio_hooks.as_line(one))


def _token(settings: Settings, file: Path | None) -> str:
    if file is None:
        return settings.camio_oauth_token.get_secret_value()
    return _read_secret(file)


def _key(settings: Settings, name: str | None) -> str:
    """The key to register, of those that the settings give in plain."""
    from deckwatch_gateway.keys import KeyRing

    text = settings.camio_keys.get_secret_value()
    if settings.camio_keys_file:
        ring = KeyRing(text, settings.camio_keys_file)
        text += "\n" + settings.camio_keys_file.read_text(encoding="utf-8")
    else:
        ring = KeyRing(text)
    found: dict[str, list[str]] = {}
    for word in dict.fromkeys(re.split(r"[\s,]+", text)):
        known = ring.find(word)
        if known is not None:
            found.setdefault(known.name, []).append(word)
    cure = (
        "Give the key itself, not its digest, in DECKWATCH_CAMIO_KEYS for this command; "
        "the gateway may have the digest."
    )
    if name is not None and name not in found:
        raise UsageError(
            f"There is no key {name!r} in plain. {cure} "
            f"There are: {json.dumps(sorted(found)) if found else 'none'}."
        )
    keys = found[name] if name is not None else [key for each in found.values() for key in each]
    if not keys:
        raise UsageError(f"There is no key in plain. {cure}")
    if len(keys) > 1:
        raise UsageError(
            f"There are {len(keys)} keys, named {', '.join(sorted(found))}. Choose one with --key, "
            "and while one is exchanged leave only the new one in DECKWATCH_CAMIO_KEYS."
        )
    return keys[0]


def _read_secret(file: Path) -> str:
    """The one word in a file, or on standard input."""
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(_SECRET_BYTES + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(_SECRET_BYTES + 1)
        words = content.decode("ascii").split()
    except OSError as error:
        raise UsageError(f"--token-file {file}: it cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        words = []
    if len(words) != 1 or len(content) > _SECRET_BYTES:
        raise UsageError(f"--token-file {file}: expected the token alone, found something else.")
    return words[0]
