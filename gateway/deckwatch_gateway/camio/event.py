"""An event as Camio sends it: read with tolerance, refused with a reason, bounded in everything.

event = parse_event(body)
if event is not None:  # an empty body is no event, and no error
    print(event.camera, [image.timestamp for image in event.images])
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_IMAGES = 64
MAX_URL_LENGTH = 2048
MAX_NAME_LENGTH = 256

# Camio sends no zone and 0, 3 or 6 digits. The text is a key and never reckoned with, so others
# that are safe to send back are taken as well.
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
# An image has some ten of these signs and base64 none; what has more is there to fill memory:
# each could become an object of fifty bytes and more.
_STRUCTURE = (b"[", b"{", b",", b":")
_MAX_STRUCTURE = 200_000
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class CamioEventError(Exception):
    """A body that is no event of Camio's; `reason` is a sentence for the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class EventImage:
    """One image of an event.

    `timestamp` is the plain text under which it is answered, `type` the media type as given,
    `size` width and height as given or None where they are no such thing, `picture` the encoded
    file, empty where its base64 could not be read.
    """

    timestamp: str
    type: str
    size: tuple[int, int] | None
    picture: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """One event: images of one camera, and where their labels are wanted."""

    callback_url: str
    user_id: str
    camera: str
    images: tuple[EventImage, ...]


def parse_event(body: bytes, *, max_images: int = MAX_IMAGES) -> Event | None:
    """The event in a request's body, whatever its Content-Type; None when there is no body.

    Unknown fields are ignored. An image whose base64 cannot be read keeps its place with no
    picture, so that the others are still labelled.

    Raises:
        CamioEventError: no JSON object in UTF-8, no callback_url, an image without a timestamp,
            or more than is bearable; the reason names what was found and what was expected.
    """
    if not body.strip():
        return None
    given = _read_json(body)
    if not isinstance(given, dict):
        raise CamioEventError(f"The body is {_kind(given)}; expected a JSON object.")
    images = given.get("images")
    if images is None:
        images = []
    if not isinstance(images, list):
        raise CamioEventError(f"images is {_kind(images)}; expected a list.")
    if len(images) > max_images:
        raise CamioEventError(
            f"The event has {len(images)} images; at most {max_images} are accepted. "
            "Send it in parts."
        )
    return Event(
        _callback_url(given.get("callback_url")),
        _name(given.get("user_id")),
        _name(given.get("camera")),
        tuple(_image(image, f"images[{place}]") for place, image in enumerate(images)),
    )


def event_id(event: Event, key_name: str) -> str:
    """What names an event, as 64 hexadecimal digits.

    It is made of everything that the answer depends on and nothing else: the same event sent
    again has the same id, though its JSON be written differently.
    """
    images = [(one.timestamp, hashlib.sha256(one.picture).hexdigest()) for one in event.images]
    essence = [key_name, event.callback_url, event.user_id, event.camera, images]
    return hashlib.sha256(json.dumps(essence).encode()).hexdigest()


def _read_json(body: bytes) -> Any:
    if sum(body.count(sign) for sign in _STRUCTURE) > _MAX_STRUCTURE:
        raise CamioEventError("The body has far more values than an event. Send one event a POST.")
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8"
    except RecursionError:
        reason = "it is nested too deeply"
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at character {error.pos}"
    except ValueError:
        # Python refuses to read integers of thousands of digits.
        reason = "it holds a number that is not finite or has too many digits"
    raise CamioEventError(f"The body is not JSON: {reason}.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _callback_url(given: object) -> str:
    if given is None or given == "":
        raise CamioEventError("There is no callback_url; it says where the labels are to be sent.")
    if not isinstance(given, str):
        raise CamioEventError(f"callback_url is {_kind(given)}; expected a text.")
    if len(given) > MAX_URL_LENGTH:
        raise CamioEventError(
            f"callback_url has {len(given)} characters; at most {MAX_URL_LENGTH} are accepted."
        )
    return _encodable(given.strip())


def _name(given: object) -> str:
    """A text that is only noted: whatever it is, it is no reason to lose an event."""
    if isinstance(given, bool) or not isinstance(given, str | int):
        return ""
    return _encodable(str(given)[:MAX_NAME_LENGTH])


def _image(given: object, where: str) -> EventImage:
    if not isinstance(given, dict):
        raise CamioEventError(f"{where} is {_kind(given)}; expected an object.")
    return EventImage(
        _timestamp(given.get("timestamp"), where),
        _name(given.get("type")),
        _size(given.get("size")),
        _picture(given.get("image_b64")),
    )


def _timestamp(given: object, where: str) -> str:
    """The plain text, also of the older form {"meta_class": "datetime.datetime", "date": text}."""
    text = given.get("date") if isinstance(given, dict) else given
    if not isinstance(text, str) or not _TIMESTAMP.fullmatch(text):
        raise CamioEventError(
            f"{where} has no timestamp that its labels could be sent under; expected one like "
            "2017-05-05T01:31:13.738647."
        )
    return text


def _size(given: object) -> tuple[int, int] | None:
    if not isinstance(given, list) or len(given) != 2:
        return None
    if not all(type(side) is int and 0 < side < 1_000_000 for side in given):
        return None
    return given[0], given[1]


def _picture(given: object) -> bytes:
    if not isinstance(given, str):
        return b""
    try:
        encoded = b"".join(given.encode("ascii").split()).translate(_URL_SAFE).rstrip(b"=")
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return b""


def _encodable(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _kind(given: object) -> str:
    """What a JSON value is called."""
    if given is None:
        return "null"
    if isinstance(given, bool):
        return "true or false"
    if isinstance(given, str):
        return "a text"
    if isinstance(given, list):
        return "a list"
    return "an object" if isinstance(given, dict) else "a number"
