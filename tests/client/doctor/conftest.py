"""The checks one by one, on machines that are not as they should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from deckwatch_client.doctor.finding import Finding, Subject

Seen: TypeAlias = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def found() -> Callable[..., list[Finding]]:
    """Runs one check and gives its findings."""

    def run(check: Callable[[Subject], Iterator[Finding]], **subject: object) -> list[Finding]:
        return list(check(Subject(**subject)))  # type: ignore[arg-type]

    return run
