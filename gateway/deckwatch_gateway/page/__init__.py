"""The web page at `/`: plain HTML, CSS and ES modules, served from memory, nothing built.

`add_page(app)` hangs it up; the files themselves lie in `static/`.
"""

from deckwatch_gateway.page.routes import add_page

__all__ = ["add_page"]
