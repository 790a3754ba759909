"""The picture inside a multipart/form-data body, as browsers and `curl -F` send it.

Parsed from memory: the body is bounded and there already, and nothing is spooled to a disk that
a container may not have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deckwatch_gateway.problems import ProblemError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 16
MAX_FILE_NAME = 1000
CURE = "Send one file in a form field, for instance curl -F image=@deck.jpg."


@dataclass(frozen=True, slots=True)
class Upload:
    """One encoded picture, and the name its sender gave it."""

    picture: bytes
    file: str | None = None


@dataclass(slots=True)
class _Part:
    disposition: dict[bytes, bytes] = field(default_factory=dict)
    data: list[bytes] = field(default_factory=list)


def is_multipart(content_type: str | None) -> bool:
    """Whether a Content-Type announces a form with files."""
    return content_type is not None and content_type.lower().startswith("multipart/form-data")


def parse_upload(body: bytes, content_type: str) -> Upload:
    """The one file in a form; other fields are passed over.

    Raises ProblemError 422 when the form is malformed or does not hold exactly one file.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise _refused("Its Content-Type names no boundary.")
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise _refused("It could not be parsed.") from error
    if not collector.ended:
        raise _refused("It ends before its closing boundary.")
    files = [part for part in collector.parts if b"filename" in part.disposition]
    if len(files) != 1:
        raise _refused(f"It holds {len(files)} files; exactly one is expected.")
    picture = b"".join(files[0].data)
    return Upload(picture, _file_name(files[0].disposition[b"filename"]))


class _Collector:
    """Gathers the parts that the parser reports."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.ended = False
        self._name = b""
        self._value = b""

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._part_begin,
            "on_part_data": self._part_data,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        if len(self.parts) == MAX_PARTS:
            raise _refused(f"It has more than {MAX_PARTS} parts.")
        self.parts.append(_Part())

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].data.append(data[start:end])

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self.parts[-1].disposition = parse_options_header(self._value)[1]
        self._name = self._value = b""

    def _end(self) -> None:
        self.ended = True


def _file_name(raw: bytes) -> str | None:
    """The sender's file name, harmless to log and to show; None where there is none."""
    name = "".join(letter for letter in raw.decode("utf-8", "replace") if letter.isprintable())
    return name[:MAX_FILE_NAME] or None


def _refused(what: str) -> ProblemError:
    return ProblemError(422, "invalid-form", f"The multipart form was refused. {what} {CURE}")
