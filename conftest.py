"""Marks tests by what they need, so that `-m "not stack"` runs where there is no Triton."""

from __future__ import annotations

import pytest

# Whoever asks for one of these has the embedded Triton started.
SERVERS = {"triton_server", "tiny_server", "gateway_url", "guarded_url"}


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that needs the servers."""
    for item in items:
        if SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("stack")
