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
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray

from deckwatch_vision.images import encode_jpeg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b2730; background: #fff; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #cfd8de; }
.lead { color: #51626e; margin-top: .2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #51626e; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #e3e9ed; text-align: left; }
td.number { text-align: right; }
figure { margin: 1rem 0; } figure img, figure svg { max-width: 100%; height: auto; }
figcaption { color: #51626e; } .pictures figcaption { max-width: 22rem; }
.pictures { display: flex; flex-wrap: wrap; gap: .8rem; } .pictures figure { margin: 0; }
@media print { body { max-width: none; margin: 0; } h2 { break-after: avoid; } }
</style></head><body>
<h1>{{ title }}</h1>{% if lead %}<p class="lead">{{ lead }}</p>{% endif %}
{% for kind, part in parts %}
{% if kind == "heading" %}<h2>{{ part }}</h2>
{% elif kind == "text" %}<p>{{ part }}</p>
{% elif kind == "table" %}<div class="scroll"><table>
{% if part.caption %}<caption>{{ part.caption }}</caption>{% endif %}
<thead><tr>{% for name in part.head %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in part.rows %}<tr>{% for cell in row %}
<td{% if cell.number %} class="number"{% endif %}>{{ cell.text }}</td>{% endfor %}</tr>{% endfor %}
</tbody></table></div>
{% elif kind in ("pictures", "plot") %}<div class="{{ kind }}">{% for image in part %}
<figure><img src="{{ image.uri }}" alt="{{ image.caption }}">
<figcaption>{{ image.caption }}</figcaption></figure>{% endfor %}</div>
{% endif %}{% endfor %}
</body></html>
""")


class Page:
    """What is added comes out in that order."""

    def __init__(self, title: str, lead: str = ""):
        self.title, self.lead = title, lead
        self._parts: list[tuple[str, Any]] = []

    def heading(self, text: str) -> None:
        """A section."""
        self._parts.append(("heading", text))

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(("text", text))

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

    def html(self) -> str:
        """The page."""
        return _PAGE.render(title=self.title, lead=self.lead, parts=self._parts)

    def write(self, path: Path) -> None:
        """Write the page, moved into place whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(self.html(), encoding="utf-8")
        part.replace(path)


def _cell(value: object) -> dict[str, object]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"text": f"{value:.3f}" if isinstance(value, float) else str(value), "number": number}
