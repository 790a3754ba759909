"""Answers that were given before: of kept pictures, or a JSONL file of `classify --json`."""

from __future__ import annotations

import json
from pathlib import Path

from deckwatch_serving.keep import open_source
from deckwatch_training.catalogue import Catalogue, Entry
from deckwatch_training.known_pictures import digest_of_name
from deckwatch_vision.errors import ServerError, UsageError
from deckwatch_vision.release import sha256_file
from deckwatch_vision.result import Result


class RecordedAnswers:
    """Looks answers up by the picture's SHA-256, or where it has none by its path as given.

    Raises:
        UsageError: nothing is there, or a line is no result.
    """

    def __init__(self, location: str) -> None:
        self._by_digest: dict[str, Result] = {}
        self._by_file: dict[Path, Result] = {}
        path = Path(location)
        if path.is_file():
            self._read_lines(path)
        else:
            for kept in open_source(location).records():
                self._by_digest[kept.sha256] = kept.result

    def of(self, data: Catalogue, entry: Entry) -> Result | None:
        """The answer for a picture; None where none was recorded."""
        path = data.path(entry)
        by_file = self._by_file.get(path.resolve())
        if by_file is not None or not self._by_digest:
            return by_file
        digest = digest_of_name(path.name)
        if digest is None and path.is_file():
            digest = sha256_file(path)
        return self._by_digest.get(digest or "")

    def _read_lines(self, path: Path) -> None:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    given = json.loads(line)
                    if "error" in given:  # a picture that could not be answered
                        continue
                    result = Result.from_dict(given)
                except (ValueError, TypeError, ServerError) as error:
                    raise UsageError(
                        f"{path}, line {number}: no result ({error}). Give the output of "
                        "`classify --json`."
                    ) from None
                if result.image.sha256:
                    self._by_digest[result.image.sha256] = result
                if result.image.file:
                    self._by_file[Path(result.image.file).resolve()] = result
