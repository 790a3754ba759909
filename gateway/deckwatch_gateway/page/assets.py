"""The page's files, read once: a fixed list, so that no address can lead to another file.

All but the page itself lie below an address that names their common digest. Browsers keep them
for good, and the modules of two versions never meet on one page.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

INDEX = "index.html"
PLACE = b"{{assets}}"
"""Stands in index.html for the address of the folder of the other files."""
MODULES = b"<!-- modules -->\n"
"""Stands in index.html where the modules are named, so that none waits until another asks."""
NO_MODULES = ("app.js", "theme_early.js")  # these have script elements of their own

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent, plain and compressed; `tag` goes into its ETag."""

    content: bytes
    compressed: bytes
    media_type: str
    tag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Asset:
        """The file called `name`. Raises KeyError for a kind that the page does not have."""
        media_type = MEDIA_TYPES[name[name.rindex(".") :]]
        # Without a time stamp: every gateway of a version gives the same bytes.
        return cls(content, gzip.compress(content, mtime=0), media_type, _digest(content))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _read() -> tuple[str, Asset, Mapping[str, Asset]]:
    """The folder's digest, the page, and the other files by name."""
    folder = files("deckwatch_gateway.page") / "static"
    contents = {
        each.name: each.read_bytes()
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
        if each.name[each.name.rfind(".") :] in MEDIA_TYPES
    }
    page = contents.pop(INDEX)
    version = _digest(b"".join(name.encode() + data for name, data in contents.items()))[:12]
    modules = (name for name in contents if name.endswith(".js") and name not in NO_MODULES)
    links = "".join(
        f'<link rel="modulepreload" href="{{{{assets}}}}/{name}">\n' for name in modules
    )
    page = page.replace(MODULES, links.encode()).replace(PLACE, f"page/{version}".encode())
    others = {name: Asset.of(name, data) for name, data in contents.items()}
    return version, Asset.of(INDEX, page), MappingProxyType(others)


VERSION, PAGE, ASSETS = _read()
