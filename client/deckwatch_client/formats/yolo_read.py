"""A folder of YOLO text files read back: ours, or another program's beside its pictures.

Without our pictures.csv the pictures are looked for under --pictures, else under `images` beside
`labels`, and their sizes are read from their headers. Class names come from data.yaml, names.txt,
classes.txt or obj.names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from deckwatch_client.formats.answers import UNKNOWN, code_of, picture_size, result_of, run_info
from deckwatch_client.formats.cells import read_rows
from deckwatch_client.formats.contract import FormatOptions, Source
from deckwatch_client.formats.places import stem
from deckwatch_client.formats.yolo import COLUMNS, DATA, INDEX, LABELS, NAMES
from deckwatch_client.records import Failure, Moment, Record
from deckwatch_serving.picture_files import find
from deckwatch_vision.errors import DeckwatchError, UsageError
from deckwatch_vision.result import Fish

Codes = dict[int, str | None]

_NAME_FILES = (NAMES, "classes.txt", "obj.names")
# `  0: YFT`, `- YFT`, `names: [YFT, "SHARK"]`: the forms in which data.yaml names classes.
_PAIR = re.compile(r"\s+(\d+)\s*:\s*(\S.*)")
_ITEM = re.compile(r"\s*-\s+(\S.*)")


def read(path: Path, options: FormatOptions) -> Source:
    """The pictures of a folder that holds `labels`, or of the folder of text files itself."""
    folder = path if path.is_dir() else path.parent
    codes = _codes(folder)
    info = run_info(UNKNOWN, (code for code in codes.values() if code))
    if (folder / INDEX).is_file():
        return info, _indexed(folder, codes)
    return info, _found(folder, codes, options.pictures)


def _indexed(folder: Path, codes: Codes) -> Iterator[Record]:
    for row in read_rows(folder / INDEX, COLUMNS):
        name, code, video = (
            row.text("picture"),
            row.text_or_none("failure"),
            row.text_or_none("video"),
        )
        moment = Moment(video, row.number("time_s"), row.whole("frame")) if video else None
        if code:
            failure = Failure(code, row.text_or_none("failure_message") or "")
            yield Record(name, failure=failure, moment=moment)
            continue
        size = (row.whole("width"), row.whole("height"))
        fish = _fish(folder / row.text("labels"), size, codes)
        yield Record(name, result_of(name, size, fish, UNKNOWN), moment=moment)


def _found(folder: Path, codes: Codes, pictures: Path | None) -> Iterator[Record]:
    labels = folder / LABELS if (folder / LABELS).is_dir() else folder
    images = pictures or labels.parent / "images"
    if not images.is_dir():
        raise UsageError(
            f"{images}: there is no such folder, and boxes in YOLO text files are shares of "
            "pictures whose sizes they do not tell. Give the pictures' folder with --pictures."
        )
    for name in find(images):
        file = labels / f"{stem(name)}.txt"
        if file.is_file():
            size = picture_size(name, images)
            yield Record(name, result_of(name, size, _fish(file, size, codes), UNKNOWN))


def _fish(file: Path, size: tuple[int, int], codes: Codes) -> list[Fish]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DeckwatchError(f"{file} cannot be read ({error}).") from None
    fish = []
    for place, line in enumerate(lines, 1):
        where = f"{file}, line {place}"
        cells = line.split()
        if not cells:
            continue
        try:
            number, *shares = int(cells[0]), *map(float, cells[1:])
        except ValueError:
            shares = []
        if len(shares) not in (4, 5) or not all(map(math.isfinite, shares)):
            raise DeckwatchError(
                f"{where}: {line!r:.60}; expected class x y width height, and perhaps a score."
            )
        if number not in codes:
            raise DeckwatchError(f"{where}: class {number} has no name.")
        code = codes[number]
        if code is not None:
            x, y, width, height = shares[:4]
            edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            x1, y1, x2, y2 = (
                round(edge * side, 2) for edge, side in zip(edges, (*size, *size), strict=True)
            )
            score = shares[4] if len(shares) == 5 else 1.0
            fish.append(Fish((x1, y1, x2, y2), score, code, {}))
    return fish


def _codes(folder: Path) -> Codes:
    """Codes by number. Raises UsageError where no file names the classes."""
    for place in (folder, folder.parent):
        for name in _NAME_FILES:
            if (place / name).is_file():
                lines = (place / name).read_text(encoding="utf-8").splitlines()
                return dict(enumerate(code_of(line.strip()) for line in lines if line.strip()))
        if (place / DATA).is_file():
            return _of_yaml(place / DATA)
    raise UsageError(
        f"{folder} has neither {DATA} nor {', '.join(_NAME_FILES)}: nothing says what the classes "
        "are called. Write their names into names.txt, one a line."
    )


def _of_yaml(path: Path) -> Codes:
    """The `names` of a data.yaml, read without a YAML library: a block or one line."""
    text = path.read_text(encoding="utf-8")
    head = re.search(r"^names:[ \t]*(.*)$", text, re.MULTILINE)
    if head is None:
        raise UsageError(f"{path} has no names.")
    if head[1].startswith("["):
        inside = text[head.start(1) + 1 : text.index("]", head.start(1))]
        return dict(enumerate(code_of(_plain(name)) for name in inside.split(",") if name.strip()))
    codes: Codes = {}
    for line in text[head.end() + 1 :].splitlines():
        if pair := _PAIR.fullmatch(line):
            codes[int(pair[1])] = code_of(_plain(pair[2]))
        elif item := _ITEM.fullmatch(line):
            codes[len(codes)] = code_of(_plain(item[1]))
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return codes


def _plain(name: str) -> str:
    """A YAML string without its quotes."""
    name = name.strip()
    if name.startswith('"'):
        try:
            return str(json.loads(name))
        except ValueError:
            return name.strip('"')
    return name.strip("'")
