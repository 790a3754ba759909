from __future__ import annotations

import pytest

from deckwatch_gateway.multipart import Upload, is_multipart, parse_upload
from deckwatch_gateway.problems import ProblemError

TYPE = "multipart/form-data; boundary=x"


def form(*parts: tuple[str, bytes], end: bytes = b"--x--\r\n") -> bytes:
    """A form of parts (content disposition, data)."""
    pieces = [
        b"--x\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    ]
    return b"".join(pieces) + end


def test_one_file() -> None:
    picture = bytes(range(256)) * 40 + b"\r\n--y\r\n\r\n\r--x"
    body = form(('name="image"; filename="deck.jpg"', picture))
    assert parse_upload(body, TYPE) == Upload(picture, "deck.jpg")


def test_other_fields_are_passed_over() -> None:
    body = form(
        ('name="note"', b"starboard"),
        ('name="whatever"; filename="a b/\xc3\xa9.jpg"', b"picture"),
        ('name="trip"', b"12"),
    )
    assert parse_upload(body, TYPE).picture == b"picture"


def test_file_name_is_harmless_and_bounded() -> None:
    body = form(('name="image"; filename="a\x07\x1b' + "n" * 2000 + '"', b"picture"))
    file = parse_upload(body, TYPE).file
    assert file == "a" + "n" * 999


def test_file_name_in_utf8() -> None:
    body = form(('name="image"; filename="þorskur.jpg"', b"picture"))
    assert parse_upload(body, TYPE).file == "þorskur.jpg"


def test_an_empty_file_name_is_none() -> None:
    assert parse_upload(form(('name="image"; filename=""', b"p")), TYPE) == Upload(b"p", None)


@pytest.mark.parametrize(
    ("body", "content_type", "complaint"),
    [
        (form(("name=a; filename=b", b"p")), "multipart/form-data", "no boundary"),
        (form(("name=a; filename=b", b"p")), TYPE.replace("=x", "=" + "y" * 300), "not be parsed"),
        (b"", TYPE, "closing boundary"),
        (b"hello", TYPE, "not be parsed"),
        (form(("name=a; filename=b", b"p"), end=b""), TYPE, "closing boundary"),
        (form(("name=a", b"p")), TYPE, "0 files"),
        (form(("name=a; filename=b", b"p"), ("name=c; filename=d", b"q")), TYPE, "2 files"),
        (form(*[("name=a", b"p")] * 17), TYPE, "more than 16 parts"),
    ],
)
def test_refused_forms(body: bytes, content_type: str, complaint: str) -> None:
    with pytest.raises(ProblemError, match=complaint) as caught:
        parse_upload(body, content_type)
    assert caught.value.status == 422
    assert "curl -F" in caught.value.detail


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [(TYPE, True), ("Multipart/Form-Data; boundary=x", True), ("image/jpeg", False), ("", False)],
)
def test_is_multipart(content_type: str, expected: bool) -> None:
    assert is_multipart(content_type) is expected
