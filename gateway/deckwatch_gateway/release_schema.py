"""What `GET /v1/release` answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from deckwatch_vision.images import MAX_BYTES, MAX_PIXELS
from deckwatch_vision.species import DEMO, Species

_TEXT_OR_NULL = {"type": ["string", "null"]}
SCHEMAS: dict[str, Any] = {
    "Species": {
        "type": "object",
        "required": list(Species.__dataclass_fields__),
        "properties": {
            "code": {"type": "string", "description": "As in `label` and `likelihoods`."},
            "common_name": {"type": "string"},
            "scientific_name": _TEXT_OR_NULL,
            "fao_code": {**_TEXT_OR_NULL, "description": "3-alpha code of FAO's ASFIS list."},
            "camio_label": _TEXT_OR_NULL,
            "sensitive": {"type": "boolean", "description": "Protected, or bycatch to report."},
        },
    },
    "ServedRelease": {
        "type": "object",
        "required": [
            "name", "version", "labels", "model_card", "max_body_bytes", "max_pixels", "formats",
        ],
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "integer"},
            "labels": {
                "type": "array",
                "description": "The classes, in label-set order.",
                "items": {"$ref": "#/components/schemas/Species"},
            },
            "model_card": {
                "type": "string",
                "description": "What it is for and how good it is, in Markdown; can be empty.",
            },
            "max_body_bytes": {"type": "integer", "description": "Largest picture, in bytes."},
            "max_pixels": {"type": "integer", "description": "Largest width times height."},
            "formats": {
                "type": "array",
                "description": "Formats that are read, and how their files begin.",
                "items": {
                    "type": "object",
                    "required": ["name", "media_type", "signatures"],
                    "properties": {
                        "name": {"type": "string"},
                        "media_type": {"type": "string"},
                        "signatures": {
                            "type": "array",
                            "description": "Hexadecimal; `..` is any byte.",
                            "items": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip
EXAMPLE: dict[str, Any] = {
    "name": "demo",
    "version": 1,
    "labels": DEMO.as_list(),
    "model_card": "# Model card: demo, version 1\n\n## What it is for\n\nTrying Deckwatch out.\n",
    "max_body_bytes": MAX_BYTES,
    "max_pixels": MAX_PIXELS,
    "formats": [{"name": "JPEG", "media_type": "image/jpeg", "signatures": ["ffd8ff"]}],
}
