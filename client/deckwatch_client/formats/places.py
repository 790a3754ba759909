"""Where what belongs to a picture lies in an output folder: its own path there, made safe.

Names of a run may be absolute, lead upwards, come from Windows, or hold what file systems refuse.
"""

from __future__ import annotations

import hashlib
import re

from deckwatch_serving.picture_files import SUFFIXES

_SEPARATOR = re.compile(r"[/\\]+")
_REFUSED = re.compile(r'[<>:"|?*]')
# Bytes of a name; file systems take 255, with what is added to it.
_LONGEST = 120


def place(name: str) -> str:
    """A relative path with forward slashes for a picture of this name; different for each.

    >>> place("trip/deck.jpg"), place("../deck.jpg")
    ('trip/deck.jpg', 'up/deck~5d1cc42a.jpg')
    """
    parts = [_part(part) for part in _SEPARATOR.split(name) if part not in ("", ".")]
    safe = "/".join(parts) or "unnamed"
    return safe if safe == name else marked(safe, name)


def stem(path: str) -> str:
    """A path without the suffix of a picture format."""
    base, dot, suffix = path.rpartition(".")
    return base if f"{dot}{suffix}".lower() in SUFFIXES and base else path


def jpeg(name: str) -> str:
    """`place`, ending in .jpg or .jpeg, for a JPEG made of the picture."""
    path = place(name)
    if not path.lower().endswith((".jpg", ".jpeg")):
        return f"{path}.jpg"
    # a.png becomes a.png.jpg: a picture that is called so goes out of its way.
    return marked(path, name) if stem(stem(path)) != stem(path) or "#t=" in path else path


def marked(path: str, name: str) -> str:
    """A path with eight digits of the name's digest before its suffix."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    base = stem(path)
    return f"{base}~{digest}{path[len(base) :]}"


def _part(part: str) -> str:
    """One folder or file name."""
    if part == "..":
        return "up"
    shown = "".join(sign if sign.isprintable() else "_" for sign in _REFUSED.sub("_", part))
    base = stem(shown)
    short = base.encode()[:_LONGEST].decode("utf-8", "ignore")
    return f"{short}{shown[len(base) :]}".rstrip(". ") or "_"
