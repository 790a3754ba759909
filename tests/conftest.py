"""What tests of several parts share: the release that ships, and a Triton that serves it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deckwatch_serving.repository import find_repository
from deckwatch_serving.triton import EmbeddedTriton
from tests.tiny_release import write_tiny_release

# A developer's own settings must not reach the tests; those that need one set it.
for _name in [name for name in os.environ if name.startswith("DECKWATCH_")]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The model repository of this checkout."""
    return find_repository()


@pytest.fixture(scope="session")
def triton_server(repository: Path) -> Iterator[EmbeddedTriton]:
    """A Triton that serves `repository`, one for all tests; do not load or unload models in it."""
    with EmbeddedTriton(repository) as server:
        yield server


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with the tiny release, which sees red squares as fish."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_release(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_server(tiny_repository: Path) -> Iterator[EmbeddedTriton]:
    """A Triton that serves the tiny release: what `tiny_picture` shows it does find."""
    with EmbeddedTriton(tiny_repository) as server:
        yield server
