"""Take the picture of the trip report: the photographs of the examples as a day's catch.

python -m tools.report_picture
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import ViewportSize

from deckwatch_client.backends import open_backend
from deckwatch_client.records import Failure, Origin, Record
from deckwatch_client.report import page as report
from deckwatch_client.run_info import RESULTS, RUN, RunInfo
from deckwatch_client.version import installed_version
from deckwatch_vision.errors import EmptyImage
from tools.install import ROOT
from tools.page_picture import opened, save

PHOTOS = ROOT / "examples" / "photos"
PICTURE = ROOT / "docs" / "images" / "report.png"
# A phone held three times: the sections that are shown.
SIZE: ViewportSize = {"width": 440, "height": 860}
SECTIONS = ("Sensitive species", "Counts per species", "Timeline")
LINE = 209
CAMERAS = ("bow", "stern")
FIRST, EVERY = datetime(2026, 5, 5, 6, 10), timedelta(minutes=50)


def write_run(folder: Path) -> Path:
    """Recognise the photographs as if two cameras had taken them; returns the run's folder."""
    backend = open_backend("", repository=str(ROOT / "model_repository"), timeout_s=30)
    records = []
    for place, path in enumerate(sorted(PHOTOS.glob("*.jpg"))):
        camera, at = CAMERAS[place % 2], FIRST + place * EVERY
        name = f"trip/{camera}/{at:%Y%m%d-%H%M}.jpg"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
        result = backend.infer(path.read_bytes(), file=name)
        records.append(Record(name, result, origin=Origin(camera, None, at.isoformat())))
    served = backend.served()
    backend.close()
    empty = EmptyImage("the picture has 0 bytes. Check that it was written completely.")
    records.append(Record("trip/stern/20260505-1430.jpg", failure=Failure.of(empty)))
    info = RunInfo(served.release, served.species, installed_version(), {"folder": str(folder)})
    run = folder / "run"
    run.mkdir()
    info.write(run / RUN)
    lines = (json.dumps(each.as_dict()) + "\n" for each in records)
    (run / RESULTS).write_text("".join(lines), encoding="utf-8")
    return run


def shots(path: Path) -> list[NDArray[np.uint8]]:
    """What a phone shows of the page at each of the sections."""
    with opened(path.as_uri(), SIZE) as page:
        taken = []
        for name in SECTIONS:
            heading = page.get_by_role("heading", name=name, exact=True)
            heading.evaluate("each => each.scrollIntoView()")
            png = page.screenshot(animations="disabled")
            taken.append(np.array(Image.open(io.BytesIO(png)).convert("RGB")))
    return taken


def main() -> None:
    """Write docs/images/report.png."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "report.html")
        options = report.ReportOptions(thumbnails=4, repository=ROOT / "model_repository")
        report.write(write_run(Path(folder)), written, options)
        taken = shots(written)
    for shot in taken[:-1]:
        shot[:, -1] = LINE
    held = io.BytesIO()
    Image.fromarray(np.hstack(taken)).save(held, "png")
    save(held.getvalue(), PICTURE)


if __name__ == "__main__":
    main()
