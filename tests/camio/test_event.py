"""Reading events: what Camio sends, what it may send, and what is refused with a reason."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from deckwatch_gateway.camio.event import (
    CamioEventError,
    Event,
    EventImage,
    event_id,
    parse_event,
)

PICTURE = bytes(range(256))
ENCODED = base64.b64encode(PICTURE).decode()
WHEN = "2017-05-05T01:31:13.738647"


def image(**fields: Any) -> dict[str, Any]:
    return {"type": "image/jpeg", "size": [640, 480], "timestamp": WHEN, "image_b64": ENCODED} | (
        fields
    )


def event(*images: Any, **fields: Any) -> dict[str, Any]:
    return {
        "user_id": "109010722686218614620",
        "camera": "deck-aft",
        "callback_url": "https://camio.com/labels/1",
        "images": list(images),
    } | fields


def read(content: Any) -> Event:
    found = parse_event(json.dumps(content).encode())
    assert found is not None
    return found


def reason(body: bytes) -> str:
    with pytest.raises(CamioEventError) as caught:
        parse_event(body)
    text = caught.value.reason
    assert text.endswith(".")
    assert len(text) < 400
    return text


def test_an_event_as_camio_sends_it() -> None:
    assert read(event(image())) == Event(
        "https://camio.com/labels/1",
        "109010722686218614620",
        "deck-aft",
        (EventImage(WHEN, "image/jpeg", (640, 480), PICTURE),),
    )


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n\t "])
def test_an_empty_body_is_no_event(body: bytes) -> None:
    assert parse_event(body) is None


@pytest.mark.parametrize(
    "text",
    [
        "2017-05-05T01:31:13",
        "2017-05-05T01:31:13.738",
        "2017-05-05T01:31:13.738647",
        "2017-05-05T01:31:13.000000",
        "2017-05-05 01:31:13.7",
        "2017-05-05T01:31:13Z",
        "2017-05-05T01:31:13.738+00:00",
    ],
)
def test_timestamps_are_kept_as_they_are(text: str) -> None:
    older = {"meta_class": "datetime.datetime", "date": text}
    found = read(event(image(timestamp=text), image(timestamp=older)))
    assert [one.timestamp for one in found.images] == [text, text]


@pytest.mark.parametrize(
    "given",
    [None, "", "yesterday", 1493947873, {"date": 1}, {}, [], WHEN + "\n", "x" * 10_000,
     "2017-05-05T01:31:13.٣", True],
)  # fmt: skip
def test_an_image_without_a_timestamp_cannot_be_answered(given: Any) -> None:
    body = json.dumps(event(image(), image(timestamp=given))).encode()
    assert reason(body).startswith("images[1] has no timestamp")


@pytest.mark.parametrize("images", [[], None])
def test_an_event_may_have_no_images(images: Any) -> None:
    assert read(event(images=images)).images == ()


def test_images_may_be_missing() -> None:
    assert read({"callback_url": "https://camio.com/1"}) == Event("https://camio.com/1", "", "", ())


def test_unknown_fields_are_ignored() -> None:
    plain = read(event(image()))
    assert read(event(image(zone=1, extra={"a": [None]}), version=2, meta={})) == plain


@pytest.mark.parametrize(
    "given",
    ["%%%", "QUJD=QUJD", "A", "é", "data:image/jpeg;base64,QUJD", None, 17, ["QUJD"], {}],
)
def test_unreadable_base64_costs_that_image_only(given: Any) -> None:
    found = read(event(image(), image(image_b64=given), image()))
    assert [one.picture for one in found.images] == [PICTURE, b"", PICTURE]


def test_base64_in_lines_unpadded_or_url_safe_is_read() -> None:
    lines = "\r\n".join(ENCODED[start : start + 76] for start in range(0, len(ENCODED), 76))
    other = base64.urlsafe_b64encode(PICTURE).decode().rstrip("=")
    found = read(event(image(image_b64=lines), image(image_b64=other)))
    assert [one.picture for one in found.images] == [PICTURE, PICTURE]


@pytest.mark.parametrize(
    "given",
    [None, "640x480", [640], [640, 480, 3], [640.5, 480], [True, False], [0, 0], [-1, 5],
     [10**100, 1], {"width": 1}],
)  # fmt: skip
def test_an_odd_size_is_no_size(given: Any) -> None:
    assert read(event(image(size=given))).images[0].size is None


@pytest.mark.parametrize("given", [None, 12, {}, ["deck-aft"], True, "x" * 1000, "\ud800", "\0"])
def test_names_are_noted_whatever_they_are(given: Any) -> None:
    found = read(event(image(type=given), camera=given, user_id=given))
    for text in (found.camera, found.user_id, found.images[0].type):
        assert len(text.encode()) <= 256
    assert read(event(user_id=109010722686218614620)).user_id == "109010722686218614620"


@pytest.mark.parametrize(
    ("body", "start"),
    [
        (b"{", "The body is not JSON: "),
        (b"ok", "The body is not JSON: "),
        (b"callback_url=https%3A%2F%2Fcamio.com", "The body is not JSON: "),
        (b"[]", "The body is a list; expected a JSON object."),
        (b"null", "The body is null; "),
        (b"true", "The body is true or false; "),
        (b"1.5", "The body is a number; "),
        (b'"https://camio.com"', "The body is a text; "),
        (b"{}", "There is no callback_url"),
        (b'{"callback_url": null}', "There is no callback_url"),
        (b'{"callback_url": ""}', "There is no callback_url"),
        (b'{"callback_url": 5}', "callback_url is a number; expected a text."),
        (b'{"callback_url": ["https://camio.com"]}', "callback_url is a list; "),
        (b'{"callback_url": "h", "images": {}}', "images is an object; expected a list."),
        (b'{"callback_url": "h", "images": [5]}', "images[0] is a number; expected an object."),
        (b'{"callback_url": "h", "images": [null]}', "images[0] is null; "),
        (b'{"callback_url": "h\xff"}', "The body is not JSON: byte 19 is not UTF-8."),
        ('{"callback_url": "h"}'.encode("utf-16"), "The body is not JSON: byte 0 is not UTF-8."),
        (b'{"callback_url": "h", "x": NaN}', "The body is not JSON: it holds a number"),
        (b'{"callback_url": "h", "x": -Infinity}', "The body is not JSON: it holds a number"),
        (b'{"callback_url": "h", "x": 1' + b"0" * 9999 + b"}", "The body is not JSON: it holds"),
        (b'{"callback_url": "h", "x": ' + b"[" * 50_000, "The body is not JSON: it is nested"),
        (b'{"x":' * 50_000, "The body is not JSON: it is nested"),
        (b'{"x": [' + b"[]," * 1_000_000 + b"[]]}", "The body has far more values than an event."),
        (b'{"callback_url": "' + b"h" * 3000 + b'"}', "callback_url has 3000 characters"),
    ],
    ids=str,
)
def test_what_is_no_event_is_refused_with_its_reason(body: bytes, start: str) -> None:
    assert reason(body[:200_000] if b"[[[" in body else body).startswith(start)


def test_a_huge_float_is_only_infinite() -> None:
    assert parse_event(b'{"callback_url": "h", "x": 1e999}') is not None


def test_a_byte_order_mark_is_no_fault() -> None:
    assert parse_event(b'\xef\xbb\xbf{"callback_url": "h"}') == Event("h", "", "", ())


def test_more_images_than_allowed_are_refused() -> None:
    body = json.dumps(event(*[image()] * 4)).encode()
    assert parse_event(body, max_images=4) is not None
    with pytest.raises(CamioEventError, match="4 images; at most 3"):
        parse_event(body, max_images=3)


def test_mutilated_events_are_read_or_refused_and_nothing_else() -> None:
    """Two thousand seeded mutilations of a real body: never another exception."""
    body = json.dumps(event(image(), image(timestamp={"date": WHEN}))).encode()
    chance = random.Random(5)
    refused = 0
    for _ in range(2000):
        broken = bytearray(body)
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(broken))
            match chance.randrange(3):
                case 0:
                    broken[place] = chance.randrange(256)
                case 1:
                    del broken[place : place + chance.randrange(1, 40)]
                case _:
                    broken[place:place] = chance.choice([b"{", b"[", b'"', b"\\ud800", b"1e999"])
        try:
            parse_event(bytes(broken))
        except CamioEventError:
            refused += 1
    assert 200 < refused < 2000


def test_the_same_event_has_the_same_id_however_it_is_written() -> None:
    first = read(event(image(), image(timestamp="2017-05-05T01:31:14")))
    second = image(timestamp={"date": "2017-05-05T01:31:14"}, extra=1)
    again = read(dict(reversed(event(image(), second, attempt=2).items())))
    assert event_id(first, "office") == event_id(again, "office")
    assert len(event_id(first, "office")) == 64


def test_whatever_changes_the_answer_changes_the_id() -> None:
    others = [
        event(image()),
        event(image(), callback_url="https://camio.com/labels/2"),
        event(image(), camera="deck-fore"),
        event(image(), user_id="1"),
        event(image(), image()),
        event(image(timestamp="2017-05-05T01:31:13.738")),
        event(image(image_b64="QUJD")),
        event(),
    ]
    ids = [event_id(read(each), "office") for each in others] + [event_id(read(others[0]), "b")]
    assert len(set(ids)) == len(ids)
