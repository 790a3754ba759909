"""A report read back: its words, tags, tables and pictures."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from deckwatch_client.report import page
from deckwatch_client.report.page import ReportOptions
from deckwatch_vision.images import decode


class Text(HTMLParser):
    """A page's words, the tags in it, and its sections."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def __str__(self) -> str:
        return " ".join(" ".join(self.words).split())


def made(run: Path, out: Path, **options: object) -> str:
    page.write(run, out, ReportOptions(**options), tell=lambda _: None)  # type: ignore[arg-type]
    return out.read_text()


def rows(content: str, caption: str) -> list[list[str]]:
    """The cells of the table with this caption."""
    table = content[content.index(f"<caption>{caption}") :]
    table = table[: table.index("</table>")]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("<tr>")[2:]]
    return [[html.unescape(cell) for cell in row] for row in cells]


def thumbnails(content: str) -> Iterator[np.ndarray]:
    for data in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', content):
        yield decode(base64.b64decode(data))
