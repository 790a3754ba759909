"""submission.csv: likelihoods as the competition's scorer takes them.

The Nature Conservancy Fisheries Monitoring: columns image, ALB, BET, DOL, LAG, NoF, OTHER, SHARK,
YFT. Classes that are none of these are fish of another kind there, and added to OTHER; classes that
the release does not know get the least likelihood. A likelihood of 0 would cost everything where it
is wrong, so none is below FLOOR, and each row sums to 1. A picture that failed gets the same for
every class: the scorer wants a row for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deckwatch_client.formats.answers import OTHER, UNKNOWN
from deckwatch_client.formats.cells import Row, Table, read_rows
from deckwatch_client.formats.contract import FormatOptions, Job, Source
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import DeckwatchError
from deckwatch_vision.result import ImageInfo, Result
from deckwatch_vision.species import NCFM

FILE = "submission.csv"
FLOOR = 1e-6
"""The least likelihood: ten of the steps that results are told in."""

# The sample submission names pictures of the first stage by their file alone, those of the second
# with their folder.
_STAGE = re.compile(r".*/?(?:test_stg1/(?=[^/]+$)|(?=test_stg2/[^/]+$))")


class SubmissionWriter:
    """One row a picture."""

    def __init__(self, job: Job) -> None:
        # Programs read it, and names have to be exact: no apostrophes against formulas.
        self._table = Table(job.out / FILE, ("image", *NCFM.codes), guard=False)

    def write(self, record: Record) -> None:
        """Take one record. Raises DeckwatchError where a result has no likelihoods."""
        likelihoods = dict.fromkeys(NCFM.codes, 0.0)
        result = record.result
        if result is not None and not result.likelihoods:
            raise DeckwatchError(
                f"{record.name} has a label but no likelihoods, which a submission consists of. "
                "Convert from a format that keeps them, such as jsonl or csv."
            )
        for code, value in (result.likelihoods if result else {}).items():
            likelihoods[code if code in likelihoods else OTHER] += value
        raised = {code: max(value, FLOOR) for code, value in likelihoods.items()}
        total = sum(raised.values())
        row = {code: value / total for code, value in raised.items()}
        self._table.write({"image": image_name(record.name)} | row)

    def close(self) -> None:
        """Finish the file."""
        self._table.close()

    def abort(self) -> None:
        """Drop it."""
        self._table.abort()


def open_writer(job: Job) -> SubmissionWriter:
    """Write DIR/submission.csv."""
    return SubmissionWriter(job)


def image_name(name: str) -> str:
    """How the competition calls a picture; others keep their name.

    >>> image_name("ncfm/test_stg1/img_00005.jpg"), image_name("x/test_stg2/image_00001.jpg")
    ('img_00005.jpg', 'test_stg2/image_00001.jpg')
    """
    return _STAGE.sub("", name.replace("\\", "/") if "test_stg" in name else name, count=1)


def read(path: Path, options: FormatOptions) -> Source:
    """Likelihoods and labels by picture; there are no fish, and sizes are not known."""
    return RunInfo(UNKNOWN, NCFM.species, ""), _records(path)


def _records(path: Path) -> Iterator[Record]:
    for row in read_rows(path, ("image", *NCFM.codes), guard=False):
        likelihoods = {code: _likelihood(row, code) for code in NCFM.codes}
        name, label = row.text("image"), max(likelihoods, key=likelihoods.__getitem__)
        yield Record(name, Result(label, likelihoods, (), ImageInfo(name, 0, 0, None), UNKNOWN))


def _likelihood(row: Row, code: str) -> float:
    value = row.number(code)
    if not 0 <= value <= 1:
        raise row.error(code, f"is {value}, expected 0 to 1")
    return value
