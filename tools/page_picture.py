"""Take the picture of the web page: a real Chromium before a real gateway and Triton.

python -m tools.page_picture
"""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from deckwatch_gateway import logs
from deckwatch_gateway.server import GatewayServer
from deckwatch_gateway.settings import Settings
from deckwatch_serving.triton import EmbeddedTriton
from tools.install import ROOT

PHOTOS = ROOT / "examples" / "photos"
PICTURE = ROOT / "docs" / "images" / "webpage.png"
SHOWN = "surgeonfish.jpg"
SIZE: ViewportSize = {"width": 1280, "height": 800}


def take(url: str) -> None:
    """Write docs/images/webpage.png from the page at `url`."""
    with opened(url, SIZE) as page:
        photos = sorted(PHOTOS.glob("*.jpg"))
        page.locator("#files").set_input_files(photos)
        expect(page.locator("#counts")).to_have_text(
            f"{len(photos)} photographs: {len(photos)} recognised", timeout=60_000
        )
        page.get_by_role("option").filter(has_text=SHOWN).click()
        page.locator(".fish button").first.click()
        expect(page.get_by_role("list", name="Likelihoods, Fish 1")).to_be_visible()
        expect(page.locator("#viewer-title")).to_have_text(SHOWN)
        page.mouse.move(640, 790)
        # The focus ring belongs to whoever clicked.
        page.evaluate("document.activeElement.blur()")
        save(page.screenshot(animations="disabled"), PICTURE)


@contextmanager
def opened(url: str, size: ViewportSize) -> Iterator[Page]:
    """The page at `url` in a Chromium window of that size."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        ) as browser,
    ):
        page = browser.new_page(viewport=size)
        page.goto(url)
        yield page


def save(png: bytes, path: Path) -> None:
    """Write `png` in 256 colours, well chosen and dithered: a third of the bytes."""
    taken = Image.open(io.BytesIO(png)).convert("RGB")
    palette = taken.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2)
    small = taken.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(path, optimize=True)


def main() -> None:
    """Start the stack and take the picture."""
    logs.configure("warning")
    with EmbeddedTriton(ROOT / "model_repository") as triton:
        server = GatewayServer(Settings(port=0, triton=triton.grpc_url, log_level="warning"))
        thread = threading.Thread(target=server.serve_until_stopped)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.05)
            take(server.url)
        finally:
            server.stop()
            thread.join()


if __name__ == "__main__":
    main()
