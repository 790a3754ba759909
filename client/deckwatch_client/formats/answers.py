"""Results of other programs as ours: class names, sizes, and what follows from the fish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from deckwatch_client.pictures import printable, read_picture
from deckwatch_client.run_info import RunInfo
from deckwatch_client.video import is_video
from deckwatch_vision.errors import ImageError, UsageError
from deckwatch_vision.headers import read_header
from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result
from deckwatch_vision.species import DEMO, NCFM, NO_FISH, Species, known

OTHER = "OTHER"
UNKNOWN = ReleaseInfo("unknown", 0)
"""Who answered, where a file does not say."""

# What detectors of animals in general call them; a fish of which no more is said.
_ANY_FISH = frozenset({"animal", "fish"})
# What they find besides.
_NO_ANIMAL = frozenset({"person", "human", "vehicle", "empty", "blank", "no fish", "background"})


def code_of(name: str) -> str | None:
    """The species code that another program's class name means; None for what is no fish.

    Codes, common and scientific names of NCFM and DEMO are known, in any case; "animal" is a fish
    of another kind; a person or a vehicle is none. Any other name is a code of its own.
    """
    if name.strip().lower() in _ANY_FISH:
        return OTHER
    if name.strip().lower() in _NO_ANIMAL or name == NO_FISH:
        return None
    return _CODES.get(name.strip().lower(), name)


def run_info(release: ReleaseInfo, codes: Iterable[str]) -> RunInfo:
    """A run of which only the release and its classes are known; "no fish" is one of them."""
    ordered = list(dict.fromkeys(codes))
    if NO_FISH not in ordered:
        ordered.insert(0, NO_FISH)
    return RunInfo(release, tuple(map(known, ordered)), "")


def told(info: RunInfo) -> dict[str, Any]:
    """The run as files for others tell it: without options, which may name folders of this disk."""
    return replace(info, options={}).as_dict()


def fish_species(info: RunInfo) -> tuple[Species, ...]:
    """The classes that a fish can be of, in the run's order."""
    return tuple(one for one in info.species if one.code != NO_FISH)


def result_of(
    name: str,
    size: tuple[int, int],
    fish: Sequence[Fish],
    release: ReleaseInfo,
    label: str | None = None,
) -> Result:
    """A result without likelihoods of the picture: its label is the surest fish's, or "no fish".

    size: width and height in pixels.
    """
    if label is None:
        best = max(fish, key=lambda one: one.score, default=None)
        label = best.label if best else NO_FISH
    return Result(label, {}, tuple(fish), ImageInfo(name, *size, None), release)


def picture_size(name: str, folder: Path | None) -> tuple[int, int]:
    """Width and height of the upright picture, from its header, or of a video's first frame.

    Raises:
        UsageError: it cannot be read; the message asks for the folder.
    """
    try:
        if is_video(name):
            return _video_size(str((folder or Path()) / name))
        height, width = read_header(read_picture((folder or Path()) / name)).upright_size
    except ImageError as error:
        raise UsageError(
            f"The size of {printable(name)} is needed, and the picture cannot be read: "
            f"{error.message} Give the folder that the names start from with --pictures."
        ) from None
    return width, height


def _video_size(path: str) -> tuple[int, int]:
    from deckwatch_client.video.frames import Frame, sample
    from deckwatch_client.video.options import VideoOptions

    found: Any = sample(path, VideoOptions(), after=None)
    with closing(found) as frames:
        height, width = next(taken.pixels.shape[:2] for taken in frames if isinstance(taken, Frame))
    return width, height


def release_text(release: ReleaseInfo) -> str:
    """How a release is named in other programs' files: "deckwatch demo 1"."""
    return f"deckwatch {release.name} {release.version}"


def release_of(text: str | None) -> ReleaseInfo:
    """What `release_text` was given; another program's name with the version 0."""
    if not text:
        return UNKNOWN
    name, _, version = text.removeprefix("deckwatch ").rpartition(" ")
    if text.startswith("deckwatch ") and name and version.isdecimal():
        return ReleaseInfo(name, int(version))
    return ReleaseInfo(text, 0)


_CODES = {
    name.lower(): one.code
    for labels in (NCFM, DEMO)
    for one in labels
    for name in (one.code, one.common_name, one.scientific_name or one.code)
}
