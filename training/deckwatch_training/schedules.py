"""The learning rate over a training."""

from __future__ import annotations

import math

from deckwatch_training.config import RunConfig


def schedule(step: int, total: int, run: RunConfig) -> float:
    """Learning rate over `run.lr`: linear warm-up, then a cosine down to `lr_end`."""
    if step < run.warmup_steps:
        return (step + 1) / run.warmup_steps
    share = (step - run.warmup_steps) / max(1, total - run.warmup_steps)
    return run.lr_end + (1 - run.lr_end) * 0.5 * (1 + math.cos(math.pi * share))
