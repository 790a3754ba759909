"""The parts of a record that a format may keep or lose; see docs/formats.md.

`reduced` takes from a record what a format loses, so that tests can hold its table to account.
"""

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
    "moment": "video, time and frame",
    "looks": "perceptual hash",
    "tracks": "tracks",
    "unchanged": "share of background",
    "static": "static fish",
}
"""Parts with their headings, in the order of the table."""

EVERYTHING = frozenset(PARTS)
WITHOUT_STATIC = EVERYTHING - {"static"}
