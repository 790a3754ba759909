"""The help of `convert` and what is known without a release's description."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deckwatch_client.formats.table import FORMATS
from deckwatch_vision.species import DEMO, NCFM, Species, known

DOCUMENT = Path(__file__).parents[3] / "docs" / "formats.md"


def test_listing_formats_imports_no_codec() -> None:
    """`deckwatch batch --help` looks at the table: it must stay quick."""
    code = (
        "import sys; from deckwatch_client.formats.table import FORMATS; "
        "print(sorted({'cv2', 'pyarrow', 'numpy', 'sqlite3', 'tritonclient'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_format_has_its_place_in_the_document() -> None:
    headings = [
        line.removeprefix("## ")
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("## ")
    ]
    described = {name for heading in headings for name in heading.split(" and ")}
    assert FORMATS.keys() - {"jsonl"} <= described


def test_codes_of_the_known_classes_have_their_names() -> None:
    assert [known(code) for code in NCFM.codes] == list(NCFM.species)
    assert known("RAY") in DEMO.species
    assert known("EEL") == Species("EEL", "EEL", None, None, None, sensitive=False)
