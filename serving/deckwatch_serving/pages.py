"""One self-contained HTML page: headings, tables, plots and pictures, nothing fetched from afar.

page = Page("Scorecard", "demo 1 on 127 photographs")
page.heading("Per species")
page.table(("species", "recall"), [("SHARK", "0.70")])
page.plot(figure, "Recall by species")
page.write(path)
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment
from markupsafe import Markup
from numpy.typing import NDArray

from deckwatch_vision.images import encode_jpeg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    Path(__file__).with_name("page.html").read_text(encoding="utf-8")
)

# A page asks for nothing and runs nothing, whatever a file name in it says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An encoded JPEG, its size in pixels, and the words for whoever cannot see it."""

    jpeg: bytes
    width: int
    height: int
    alt: str

    @property
    def uri(self) -> str:
        """The picture itself as an address."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


@dataclass(frozen=True, slots=True)
class Card:
    """Pictures side by side that show one thing, its title, and lines about it."""

    images: Sequence[Thumbnail]
    title: str
    lines: Sequence[str] = ()


class Numeral(str):
    """A number in the words of a table, set to the right as numbers are."""


class Page:
    """What is added comes out in that order."""

    def __init__(self, title: str, lead: str = "", *, contents: bool = False):
        self.title, self.lead, self.contents = title, lead, contents
        self._parts: list[tuple[str, Any]] = []

    def heading(self, text: str, level: int = 2) -> None:
        """A section, or with level 3 a part of one; `contents` links to the sections."""
        linked = self.contents and level == 2
        anchor = f"section-{len(self._parts) + 1}" if linked else ""
        self._parts.append(("heading", {"text": text, "level": level, "id": anchor}))

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(("text", text))

    def note(self, text: str) -> None:
        """A paragraph that must not be missed."""
        self._parts.append(("note", text))

    def facts(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Names, each with what there is to say."""
        self._parts.append(("facts", pairs))

    @contextmanager
    def folded(self, summary: str, *, printed: bool = False) -> Iterator[None]:
        """What is added meanwhile shows when a reader opens it; on paper only if `printed`."""
        self._parts.append(("fold", {"text": summary, "printed": printed}))
        yield
        self._parts.append(("unfold", None))

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = ""
    ) -> None:
        """A table; numbers are set to the right, floats with three decimals."""
        cells = [[_cell(value) for value in row] for row in rows]
        self._parts.append(("table", {"head": head, "rows": cells, "caption": caption}))

    def plot(self, figure: Figure, caption: str) -> None:
        """A matplotlib figure (made with `matplotlib.figure.Figure`, not pyplot), as a picture."""
        held = io.BytesIO()
        figure.savefig(held, format="png", dpi=110, bbox_inches="tight", metadata={"Software": ""})
        uri = "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()
        self._parts.append(("plot", [{"uri": uri, "caption": caption}]))

    def pictures(self, shown: Sequence[tuple[NDArray[np.uint8], str]]) -> None:
        """RGB uint8 [H, W, 3] pictures side by side, each with its caption."""
        images = []
        for pixels, caption in shown:
            data = base64.b64encode(encode_jpeg(np.ascontiguousarray(pixels))).decode()
            images.append({"uri": "data:image/jpeg;base64," + data, "caption": caption})
        self._parts.append(("pictures", images))

    def drawing(self, svg: Markup, caption: str) -> None:
        """An SVG element as wide as the page. It is taken as it is: escape what it is made of."""
        self._parts.append(("drawing", {"svg": svg, "caption": caption}))

    def cards(self, cards: Sequence[Card]) -> None:
        """Pictures with what is to be said of each, as many beside each other as fit."""
        self._parts.append(("cards", cards))

    def html(self) -> str:
        """The page."""
        return _PAGE.render(
            title=self.title, lead=self.lead, contents=self.contents, parts=self._parts,
            policy=Markup(_POLICY),
        )  # fmt: skip

    def write(self, path: Path) -> None:
        """Write the page, moved into place whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        # A name that no encoding holds must not cost the page.
        part.write_text(self.html(), encoding="utf-8", errors="backslashreplace")
        part.replace(path)


def _cell(value: object) -> dict[str, object]:
    number = isinstance(value, int | float | Numeral) and not isinstance(value, bool)
    return {"text": f"{value:.3f}" if isinstance(value, float) else str(value), "number": number}
