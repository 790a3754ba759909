"""Draw the picture of the README: what the release that ships finds on three photographs.

python -m tools.result_picture
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deckwatch_serving.local import LocalRecogniser
from deckwatch_vision.boxes import draw
from deckwatch_vision.images import decode, encode_jpeg
from tools.install import ROOT

PHOTOS = ("hammerhead.jpg", "surgeonfish.jpg", "rays.jpg")
RESULT = ROOT / "docs" / "images" / "result.jpg"


def panel(recogniser: LocalRecogniser, path: Path) -> NDArray[np.uint8]:
    """One photograph with its fish outlined and named."""
    data = path.read_bytes()
    fish = recogniser.recognise(data).fish
    boxes = np.array([each.box for each in fish], np.float32).reshape(-1, 4)
    return draw(decode(data), boxes, [f"{each.label} {each.score:.2f}" for each in fish])


def main() -> None:
    """Write docs/images/result.jpg."""
    recogniser = LocalRecogniser(ROOT / "model_repository")
    panels = [panel(recogniser, ROOT / "examples" / "photos" / name) for name in PHOTOS]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_bytes(encode_jpeg(np.hstack(panels), quality=85))


if __name__ == "__main__":
    main()
