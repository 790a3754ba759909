"""The loop that everybody writes first: one picture after the other, a line of JSON for each.

python -m benchmarks.arms.one_by_one FOLDER OUTPUT REPOSITORY
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from deckwatch_serving.local import LocalRecogniser


def main(folder: str, output: str, repository: str) -> None:
    """Recognise every picture of a folder, with the nets on all cores."""
    recogniser = LocalRecogniser(repository)
    with Path(output).open("w", encoding="utf-8") as lines:
        for path in sorted(Path(folder).iterdir()):
            result = recogniser.recognise(path.read_bytes(), file=str(path))
            lines.write(json.dumps(result.as_dict()) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
