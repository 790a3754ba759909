"""The tree of errors, and its way through other systems' messages."""

from __future__ import annotations

import pickle
import re

import pytest

from deckwatch_vision import errors
from deckwatch_vision.errors import DeckwatchError, from_wire, to_wire

CLASSES = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, DeckwatchError)
]

WIRE = {
    "DeckwatchError": ("deckwatch-error", 500),
    "ImageError": ("image-error", 422),
    "EmptyImage": ("empty-image", 422),
    "UnsupportedFormat": ("unsupported-format", 415),
    "BrokenImage": ("broken-image", 422),
    "BrokenVideo": ("broken-video", 422),
    "TooManyPixels": ("too-many-pixels", 422),
    "ImageTooLarge": ("image-too-large", 413),
    "UnreadableImage": ("unreadable-image", 422),
    "ReleaseError": ("release-error", 500),
    "ReleaseNotFound": ("release-not-found", 500),
    "ReleaseCorrupt": ("release-corrupt", 500),
    "ReleaseRefused": ("release-refused", 500),
    "SwapFailed": ("swap-failed", 500),
    "ServerError": ("server-error", 503),
    "ServerUnavailable": ("server-unavailable", 503),
    "ServerOverloaded": ("server-overloaded", 503),
    "DeadlineExceeded": ("deadline-exceeded", 504),
    "QueueUnavailable": ("queue-unavailable", 503),
    "LauncherError": ("launcher-failed", 500),
    "AccessError": ("access-error", 403),
    "KeyRefused": ("key-refused", 401),
    "ScopeRefused": ("scope-refused", 403),
    "RateLimited": ("rate-limited", 429),
    "MissingExtra": ("missing-extra", 500),
    "UsageError": ("usage", 400),
}


def test_codes_and_statuses_are_pinned() -> None:
    assert {one.__name__: (one.code, one.status) for one in CLASSES} == WIRE


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    parents: list[str] = []
    drawn = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)(\w+)(?:\s{2,}|$)", line)
        if found and found[2] in WIRE:
            depth = len(found[1]) // 4
            parents[depth:] = [found[2]]
            drawn[found[2]] = parents[depth - 1] if depth else "Exception"

    assert drawn == {one.__name__: one.__bases__[0].__name__ for one in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_survives_the_wire(kind: type[DeckwatchError]) -> None:
    message = "the picture [broken-image] says 3 of 4 bytes. Copy it: again"
    carried = (
        "in ensemble 'deckwatch', Failed to process the request(s) for model instance "
        f"'detect_0', message: TritonError: {to_wire(kind(message))}"
        "\n\nAt:\n  model.py(12): execute\n"
    )

    for text in (to_wire(kind(message)), carried):
        rebuilt = from_wire(text)
        assert type(rebuilt) is kind
        assert str(rebuilt) == rebuilt.message == message


def test_a_message_of_several_lines_becomes_one() -> None:
    assert to_wire(errors.BrokenImage("one\n  two\tthree")) == "[broken-image] one two three"


@pytest.mark.parametrize("text", ["", "connection refused", "[other-code] hm", "[usage]", "[]"])
def test_what_is_not_ours_is_not_rebuilt(text: str) -> None:
    assert from_wire(text) is None


def test_a_foreign_code_before_ours_is_passed_over() -> None:
    assert isinstance(
        from_wire("[http] 503: [server-overloaded] queue full"), errors.ServerOverloaded
    )


def test_errors_cross_processes() -> None:
    copied = pickle.loads(pickle.dumps(errors.TooManyPixels("9 pixels, allowed are 4")))

    assert isinstance(copied, errors.TooManyPixels)
    assert copied.message == "9 pixels, allowed are 4"
