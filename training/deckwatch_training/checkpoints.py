"""Files of a run that a reader only ever sees whole, however the run ends."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deckwatch_training import weights
from deckwatch_vision.errors import UsageError

LAST, BEST, LOG = "last.pt", "best.pt", "log.jsonl"
# What of a row of the log differs from run to run of the same training.
TIMES = ("seconds", "images_per_s")


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, moved into place when it is on the disk."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def read(folder: Path, digest: str) -> dict[str, Any] | None:
    """The last checkpoint of a run; None where there is none yet.

    Raises:
        UsageError: it is of another run, or damaged.
    """
    path = folder / LAST
    if not path.exists():
        return None
    state = weights.read_checkpoint(path)
    if state.get("digest") != digest:
        raise UsageError(
            f"{path} was made by another configuration or from other pictures. Give another --out "
            "folder, or --fresh to start anew in this one."
        )
    return state


def clear(folder: Path) -> None:
    """Forget a run."""
    for name in (LAST, BEST, LOG):
        (folder / name).unlink(missing_ok=True)


def log(path: Path, row: dict[str, float]) -> None:
    """Add an epoch's row to the log.

    An epoch that a killed run had logged but not saved is logged once.
    """
    rows = [each for each in read_log(path) if each["epoch"] < row["epoch"]]
    part = path.with_name(path.name + ".part")
    part.write_text("".join(json.dumps(each) + "\n" for each in [*rows, row]), encoding="utf-8")
    os.replace(part, path)


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a log, one an epoch; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def untimed(rows: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Rows without what differs from run to run of the same training."""
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def generators() -> dict[str, torch.Tensor]:
    """The state of torch's random numbers in this process."""
    found = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


def set_generators(states: dict[str, torch.Tensor]) -> None:
    """Go on with the random numbers of a checkpoint."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def averaged(net: nn.Module, folder: Path) -> None:
    """Fill a net with the weights that a run ended with.

    Raises:
        UsageError: the folder holds no run, or one of another architecture.
    """
    path = folder / LAST
    if not path.exists():
        raise UsageError(f"{folder} holds no finished run ({LAST}). Run `deckwatch train` first.")
    try:
        net.load_state_dict(weights.read_checkpoint(path)["average"])
    except (KeyError, RuntimeError) as error:
        raise UsageError(
            f"{path} does not fit {type(net).__name__}: {str(error).splitlines()[0]} Give the "
            "configuration that the run was made with."
        ) from None
