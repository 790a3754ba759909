"""The fake Camio of the examples, for the tests."""

from __future__ import annotations

from examples.camio.fake_camio import Callback, FakeCamio, Reply, image

__all__ = ["Callback", "FakeCamio", "Reply", "image"]
