"""The parts of a record that a format may keep or lose: the columns of docs/formats.md."""

from __future__ import annotations

PARTS = {
    "name": "file name",
    "failure": "failures",
    "label": "label of the picture",
    "likelihoods": "likelihoods of the picture",
    "boxes": "boxes",
    "scores": "scores",
    "labels": "label of each fish",
    "fish_likelihoods": "likelihoods of each fish",
    "size": "size of the picture",
    "sha256": "SHA-256",
    "release": "release",
    "camera": "camera",
    "vessel": "vessel",
    "captured_at": "time",
    "moment": "place in a video",
    "looks": "perceptual hash",
    "tracks": "tracks",
    "unchanged": "share of background",
    "static": "static fish",
}
"""Parts with their headings, in the order of the table."""

EVERYTHING = dict.fromkeys(PARTS, "")


def exactly(*parts: str) -> dict[str, str]:
    """These parts, unchanged."""
    return dict.fromkeys(parts, "")
