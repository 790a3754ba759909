"""A pool of threads, each with whole pictures; the nets on one core each.

python -m benchmarks.arms.pool FOLDER OUTPUT REPOSITORY

One thread more than cores, and one thread a net, were the fastest of what was tried.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deckwatch_serving.cores import available_cores
from deckwatch_serving.local import LocalRecogniser


def main(folder: str, output: str, repository: str) -> None:
    """Recognise every picture of a folder."""
    recogniser = LocalRecogniser(repository, threads=1)

    def one(path: Path) -> str:
        return json.dumps(recogniser.recognise(path.read_bytes(), file=str(path)).as_dict())

    with (
        Path(output).open("w", encoding="utf-8") as lines,
        ThreadPoolExecutor(available_cores() + 1) as pool,
    ):
        for line in pool.map(one, sorted(Path(folder).iterdir())):
            lines.write(line + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
