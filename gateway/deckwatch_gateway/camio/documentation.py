"""What the OpenAPI document says of the routes that Camio calls."""

from __future__ import annotations

from typing import Any

from deckwatch_gateway import examples

EVENT_EXAMPLE = {
    "user_id": "109010722686218614620",
    "camera": "deck-aft",
    "callback_url": "https://www.camio.com/api/labels/1f0c",
    "images": [
        {
            "type": "image/jpeg",
            "size": [640, 480],
            "timestamp": "2017-05-05T01:31:13.738647",
            "image_b64": "/9j/4AAQSkZJRg==",
        }
    ],
}
LIST_EXAMPLE = {
    "events": [
        {
            "id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "camera": "deck-aft",
            "images": 1,
            "state": "labelled",
            "received_at": "2026-11-25T03:10:39.120+00:00",
            "attempts": 2,
            "due_at": "2026-11-25T03:10:43.905+00:00",
            "reason": "www.camio.com answered 503 Service Unavailable.",
        }
    ]
}

_TIMESTAMP = {
    "description": "Plain, or as an object with `date`; the labels come back under this text.",
    "oneOf": [
        {"type": "string"},
        {"type": "object", "required": ["date"], "properties": {"date": {"type": "string"}}},
    ],
}
_IMAGE = {
    "type": "object",
    "required": ["timestamp"],
    "properties": {
        "timestamp": _TIMESTAMP,
        "type": {"type": "string"},
        "size": {
            "type": "array",
            "description": "Width and height.",
            "items": {"type": "integer"},
        },
        "image_b64": {"type": "string", "description": "The encoded picture in base64."},
    },
}
_EVENT = {
    "type": "object",
    "required": ["callback_url"],
    "properties": {
        "callback_url": {"type": "string", "description": "Where the labels are to be sent."},
        "user_id": {"type": "string"},
        "camera": {"type": "string"},
        "images": {"type": "array", "items": _IMAGE},
    },
}
_LISTED = {
    "type": "object",
    "required": ["events"],
    "properties": {
        "events": {
            "type": "array",
            "items": {
                "type": "object",
                "required": list(LIST_EXAMPLE["events"][0]),
                "properties": {
                    "id": {"type": "string"},
                    "camera": {"type": "string"},
                    "images": {"type": "integer"},
                    "state": {"type": "string", "enum": ["received", "labelled"]},
                    "received_at": {"type": "string", "format": "date-time"},
                    "attempts": {"type": "integer"},
                    "due_at": {"type": "string", "format": "date-time"},
                    "reason": {"type": "string"},
                },
            },
        }
    },
}


def _text(description: str, example: str, *, retry: bool = False) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": description,
        "content": {"text/plain": {"schema": {"type": "string"}, "example": example}},
    }
    if retry:
        header = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        answer["headers"] = {"Retry-After": header}
    return answer


_KEY = {
    "name": "api_key",
    "in": "path",
    "required": True,
    "description": "One of the keys given out for Camio's hooks.",
    "schema": {"type": "string"},
}
_GUESSED = _text(
    "Too many different wrong keys came from this address.",
    "Too many wrong keys came from this address. Try again in 3 s, and send fewer at a time.",
    retry=True,
)
POST: dict[str, Any] = {
    "summary": "An event of Camio's",
    "description": "It is stored before it is answered; the labels go to its callback_url later, "
    "at least once, the same bytes each time. An empty body is no event, and no error. The "
    "Content-Type does not matter.",
    "openapi_extra": {
        **examples.samples(empty="curl --request POST $BASE/tasks/$CAMIO_KEY"),
        "parameters": [_KEY],
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": _EVENT, "example": EVENT_EXAMPLE}},
        },
    },
    "responses": {
        200: _text("It is stored, or was before.", "ok"),
        400: _text(
            "A wrong key, or no event of Camio's; or its labels may not be sent where it says.",
            "Invalid API Key",
        ),
        408: _text("The body came too slowly.", "Only 12 bytes of the body arrived within 30 s."),
        413: _text("The event has too many bytes.", "The event has more than 33,554,432 bytes."),
        429: _GUESSED,
        503: _text(
            "The queue is full or away; see Retry-After.",
            "The queue of events is full. Send the event again later.",
            retry=True,
        ),
    },
}
LIST: dict[str, Any] = {
    "summary": "The events of a key that wait",
    "description": "Those that are not yet recognised, or whose labels were not yet taken; the "
    "oldest first, a thousand at most.",
    "openapi_extra": {
        **examples.samples(waiting="curl $BASE/tasks/$CAMIO_KEY"),
        "parameters": [_KEY],
    },
    "responses": {
        200: {
            "description": "The events.",
            "content": {"application/json": {"schema": _LISTED, "example": LIST_EXAMPLE}},
        },
        400: _text("A wrong key.", "Invalid API Key"),
        429: _GUESSED,
        503: _text(
            "The queue is away; see Retry-After.",
            "The queue of events is away at the moment. Send the event again later.",
            retry=True,
        ),
    },
}
POST_WITHOUT_KEY: dict[str, Any] = {
    "summary": "An event without a key, which is refused",
    "openapi_extra": examples.samples(refused="curl --request POST $BASE/tasks/"),
    "status_code": 400,
    "responses": {400: _text("There is no key in the address.", "Invalid API Key")},
}
HEALTH: dict[str, Any] = {
    "summary": "Whether Camio's hooks are there",
    "openapi_extra": examples.samples(health="curl $BASE/tasks/"),
    "responses": {200: _text("They are.", "ok")},
}
