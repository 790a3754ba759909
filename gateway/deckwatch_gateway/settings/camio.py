"""Camio's hooks: keys, queue, callbacks and label names."""

from __future__ import annotations

from pydantic_settings import BaseSettings


class CamioSettings(BaseSettings):
    """Settings of the exchange with Camio."""
