"""The OpenAPI document: what each route takes and answers, with examples.

Written down here instead of derived from models, because the answers are made by hand (a model
would validate on the hot path what is right by construction); the tests hold the two together.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from deckwatch_gateway import examples, release_schema
from deckwatch_gateway.problems import MEDIA_TYPE, TYPE_PREFIX
from deckwatch_vision.formats import FORMATS

TITLE = "Deckwatch gateway"
DESCRIPTION = (
    "Finds fish in photographs from fishing-vessel cameras and names their species. "
    "Send a JPEG, PNG, WebP, BMP or TIFF; every error is an RFC 9457 problem whose `code` "
    "is stable and whose `detail` says what to do. A gateway that asks for keys takes one as a "
    "bearer token or as X-API-Key. Any request may be answered with 400 when it is no HTTP/1.1, "
    "and with 421 when its Host is a name that the gateway does not go by."
)

_LIKELIHOODS = {
    "type": "object",
    "description": "Calibrated likelihood of every class, in label-set order; they sum to 1.",
    "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
}
_RELEASE = {
    "type": "object",
    "required": ["name", "version"],
    "properties": {"name": {"type": "string"}, "version": {"type": "integer"}},
}
SCHEMAS: dict[str, Any] = {
    "Release": _RELEASE,
    "Fish": {
        "type": "object",
        "required": ["box", "score", "label", "likelihoods"],
        "properties": {
            "box": {
                "type": "array",
                "description": "x1 y1 x2 y2 in pixels of the upright picture.",
                "items": {"type": "number"},
                "minItems": 4,
                "maxItems": 4,
            },
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "label": {"type": "string"},
            "likelihoods": _LIKELIHOODS,
        },
    },
    "Result": {
        "type": "object",
        "required": ["label", "likelihoods", "fish", "image", "release"],
        "properties": {
            "label": {"type": "string", "description": "The picture's most likely class."},
            "likelihoods": _LIKELIHOODS,
            "fish": {"type": "array", "items": {"$ref": "#/components/schemas/Fish"}},
            "image": {
                "type": "object",
                "required": ["width", "height", "sha256"],
                "properties": {
                    "file": {"type": "string", "description": "The name in a multipart form."},
                    "width": {"type": "integer", "minimum": 1},
                    "height": {"type": "integer", "minimum": 1},
                    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                },
            },
            "release": {"$ref": "#/components/schemas/Release"},
        },
        "example": examples.RESULT,
    },
    "Problem": {
        "type": "object",
        "description": "RFC 9457.",
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "properties": {
            "type": {"type": "string", "description": f"{TYPE_PREFIX}<code>"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What was wrong and what to do."},
            "instance": {"type": "string", "description": "The request's id (X-Request-ID)."},
            "code": {"type": "string", "description": "The stable name of the problem."},
            "errors": {
                "type": "array",
                "description": "The parameters that were not understood.",
                "items": {
                    "type": "object",
                    "properties": {
                        "in": {"type": "string"},
                        "name": {"type": "string"},
                        "reason": {"type": "string"},
                    },
                },
            },
        },
        "example": {
            "type": TYPE_PREFIX + "broken-image",
            "title": "Broken image",
            "status": 422,
            "detail": "The JPEG is truncated. Copy or export it again.",
            "instance": "3f0d1e2c4b5a69788796a5b4c3d2e1f0",
            "code": "broken-image",
        },
    },
    **release_schema.SCHEMAS,
}

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_RAW = dict.fromkeys(
    (*(each.media_type for each in FORMATS.values()), "application/octet-stream"), _BINARY
)
_FORM = {
    "schema": {
        "type": "object",
        "required": ["image"],
        "properties": {"image": {"type": "string", "format": "binary"}},
    }
}
_REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": "An id of the caller's, 1-128 of A-Z a-z 0-9 _ . -; comes back in the answer.",
    "schema": {"type": "string"},
}

_REFUSALS = {
    408: "The body came too slowly.",
    413: "The body or the picture has too many bytes.",
    415: "Not a picture of an allowed format.",
    422: "A broken or empty picture, too many pixels, a malformed form or parameter.",
    500: "A fault inside the gateway or the recognition server.",
    503: "Too many pictures at once, or the recognition server is away; see Retry-After.",
    504: "The recognition server took too long.",
}


def problem_answer(description: str, status: int) -> dict[str, Any]:
    """An error, for the `responses` of a route."""
    answer: dict[str, Any] = {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (429, 503):
        retry = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        answer["headers"] = {"Retry-After": retry}
    return answer


def json_answer(description: str, schema: dict[str, Any], **examples: object) -> dict[str, Any]:
    """An answer in JSON, for the `responses` of a route."""
    named = {name: {"value": value} for name, value in examples.items()}
    return {
        "description": description,
        "content": {"application/json": {"schema": schema, "examples": named}},
    }


_REFUSED = {status: problem_answer(text, status) for status, text in _REFUSALS.items()}
FREE_OBJECT = {"type": "object", "additionalProperties": True}

CLASSIFYFISH: dict[str, Any] = {
    "summary": "The label of one photograph",
    "description": "The body is the encoded photograph, whatever its Content-Type says.",
    "openapi_extra": {
        **examples.samples(
            plain="curl --data-binary @$PHOTO $BASE/classifyfish",
            verbose="curl --data-binary @$PHOTO '$BASE/classifyfish?verbose=true'",
        ),
        "requestBody": {"required": True, "content": _RAW},
        "parameters": [_REQUEST_ID],
    },
    "responses": {
        200: json_answer(
            "The most likely label, or with verbose every class and its likelihood.",
            {
                "type": "array",
                "items": {
                    "oneOf": [
                        {"type": "string"},
                        {
                            "type": "array",
                            "items": {"oneOf": [{"type": "string"}, {"type": "number"}]},
                        },
                    ]
                },
            },
            plain=["SHARK"],
            verbose=examples.PAIRS,
        ),
        **_REFUSED,
    },
}
_RESULT_ANSWER = json_answer(
    "The result.", {"$ref": "#/components/schemas/Result"}, json=examples.RESULT
)
CLASSIFY: dict[str, Any] = {
    "summary": "The fish in one photograph",
    "description": "The body is the encoded photograph, or a multipart form with one file.",
    "openapi_extra": {
        **examples.samples(
            json="curl -F image=@$PHOTO $BASE/v1/classify",
            drawn="curl --data-binary @$PHOTO '$BASE/v1/classify?overlay=true' --output drawn.jpg",
        ),
        "requestBody": {"required": True, "content": {**_RAW, "multipart/form-data": _FORM}},
        "parameters": [_REQUEST_ID],
    },
    "responses": {
        200: {
            "description": "The result; with overlay the photograph with its fish drawn in.",
            "content": {**_RESULT_ANSWER["content"], "image/jpeg": _BINARY},
        },
        **_REFUSED,
    },
}
HEALTHZ: dict[str, Any] = {
    "summary": "Whether the gateway's process answers",
    "openapi_extra": examples.samples(alive="curl $BASE/healthz"),
    "responses": {200: json_answer("It does.", FREE_OBJECT, alive={"status": "alive"})},
}
READYZ: dict[str, Any] = {
    "summary": "Whether a picture can be recognised now",
    "description": "True after a real picture was recognised, while Triton has its ensemble.",
    "openapi_extra": examples.samples(ready="curl $BASE/readyz"),
    "responses": {
        200: json_answer(
            "It can.",
            FREE_OBJECT,
            ready={"status": "ready", "release": {"name": "demo", "version": 1}},
        ),
        503: problem_answer("It cannot; see Retry-After.", 503),
    },
}
METRICS: dict[str, Any] = {
    "summary": "Prometheus metrics",
    "openapi_extra": examples.samples(text="curl $BASE/metrics"),
    "responses": {
        200: {
            "description": "The text format, or OpenMetrics where Accept asks for it.",
            "content": {
                kind: {"schema": {"type": "string"}}
                for kind in ("text/plain", "application/openmetrics-text")
            },
        }
    },
}

SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schema.setdefault("components", {})["schemas"] = SCHEMAS
        schema["components"]["securitySchemes"] = SECURITY_SCHEMES
        app.openapi_schema = schema
    return app.openapi_schema
