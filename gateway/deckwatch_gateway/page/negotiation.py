"""What a caller would rather have, by its Accept headers (RFC 9110, sections 12.4 and 12.5)."""

from __future__ import annotations


def quality(header: str | None, name: str) -> float:
    """The weight, 0 to 1, that a header gives `name` itself; 0 where it does not name it.

    Wildcards do not count: whoever takes anything did not ask for this.
    """
    for choice in (header or "").split(","):
        value, *parameters = (part.strip().lower() for part in choice.split(";"))
        if value == name:
            return _weight(parameters)
    return 0.0


def prefers(accept: str | None, wanted: str, other: str) -> bool:
    """Whether `wanted` is asked for by name, and `other` not before it."""
    weight = quality(accept, wanted)
    return weight > 0 and weight >= quality(accept, other)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
