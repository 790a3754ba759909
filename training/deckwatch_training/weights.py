"""What a net starts from: weights by name, from a file, from a run, or from a release.

A tensor of another shape (the last layer, where the number of classes differs) keeps its random
start, and a message says so. Where the species of the source are known, the rows of those that both
know are taken over by name.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deckwatch_serving.repository import ENSEMBLE, find_repository, open_release
from deckwatch_training import onnx_weights
from deckwatch_training.config import ModelConfig
from deckwatch_training.nets import Net
from deckwatch_training.starting import unit_variance
from deckwatch_vision.errors import UsageError

State = Mapping[str, Tensor]
# Less of a net than this (by the number of its values) is another net.
ENOUGH = 0.5


@dataclass(frozen=True)
class Source:
    """Where weights come from: a file, or a name for the library; codes: its species, if known."""

    file: Path | None
    name: str = "none"
    codes: tuple[str, ...] = ()


def source(model: ModelConfig, task: str) -> Source:
    """What `model.weights` means for a detector or a classifier.

    Raises:
        UsageError: a folder holds neither a run nor a release, or a file is missing.
        ReleaseError: "live", and there is no release.
    """
    given = model.weights
    if given == "live":
        return _release(find_repository(), task)
    if isinstance(given, str):
        return Source(None, given)
    if given.is_dir():
        if (given / "last.pt").exists():
            return _described(given / "last.pt")
        if (given / ENSEMBLE).is_dir():
            return _release(given, task)
        raise UsageError(
            f"model.weights: {given} holds neither a run (last.pt) nor a release ({ENSEMBLE}/). "
            "Give a run's folder, a model repository, or a file of weights."
        )
    if not given.is_file():
        raise UsageError(
            f"model.weights: no file {given}. Correct the path, or give `none` to start from "
            "random numbers."
        )
    return _described(given)


def _release(repository: Path, task: str) -> Source:
    release = open_release(repository)
    spec = release.detector if task == "detector" else release.classifier
    codes = release.labels.codes if task == "classifier" else ()
    return Source(repository / spec.file, codes=tuple(codes))


def _described(file: Path) -> Source:
    """A file, with its species where a release or a run beside it knows them."""
    if file.suffix == ".onnx" and file.parent.parent.name == "classifier":
        repository = file.parents[2]
        if (repository / ENSEMBLE / file.parent.name / "release.json").is_file():
            release = open_release(repository, int(file.parent.name))
            return Source(file, codes=tuple(release.labels.codes))
    if file.suffix == ".pt":
        state = read_checkpoint(file)
        config = state.get("config") if "average" in state else None
        if config and config["task"] == "classifier":
            species = config["data"]["species"].values()
            return Source(file, codes=tuple(sorted(set(species), key=str.casefold)))
    return Source(file)


def start(net: nn.Module, chosen: Source, size: int, codes: Sequence[str] = ()) -> None:
    """Fill a net from its source; size: of its canvas or crop; codes: of a classifier's logits.

    Raises:
        UsageError: the source does not fit the net, or cannot be downloaded.
    """
    if chosen.file is None:
        if chosen.name == "none":
            unit_variance(net, size)
            return
        if not isinstance(net, Net):
            raise UsageError(f"{type(net).__name__} has no weights {chosen.name!r}; give a file.")
        net.load_named(chosen.name)
        return
    state: dict[str, Any]
    fresh = {key: value.clone() for key, value in net.state_dict().items()} if codes else {}
    if chosen.file.suffix == ".onnx":
        state, folded = onnx_weights.read(chosen.file, net, size)
        missing = [key for key in _wanted(net) if key not in state]
        if missing:
            raise UsageError(
                f"{chosen.file} does not hold {missing[0]} (nor {len(missing) - 1} other tensors) "
                "of the net: it was exported from another architecture, or the exporter rewrote "
                "them. Start from the run that it was made from: give its folder as model.weights."
            )
        fill(net, state, str(chosen.file))
        if folded:
            _freeze(net, chosen.file)
    else:
        state = read_checkpoint(chosen.file)
        if "average" in state:
            fill(net, state["average"], str(chosen.file))
        elif isinstance(net, Net):
            net.load_weights(chosen.file)
        else:
            fill(net, read_state(chosen.file), str(chosen.file))
    if chosen.codes and codes and tuple(codes) != chosen.codes:
        _keep_species(net, fresh, state, chosen, codes)


def _freeze(net: nn.Module, file: Path) -> None:
    """Keep the batch norms of a folded file as they are."""
    if not isinstance(net, Net):
        raise UsageError(
            f"{file} has its batch norms folded, and {type(net).__name__} cannot keep them still: "
            "derive it from deckwatch_training.classifiers.Classifier or detectors.Detector, or "
            "start from the run's folder."
        )
    net.frozen = True


def fill(net: nn.Module, state: State, where: str) -> None:
    """Take over every tensor that fits; say which keep their random start.

    Raises:
        UsageError: most of the net is not there: the weights of another architecture.
    """
    own = net.state_dict()
    fits = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    wanted = _wanted(net)
    share = sum(wanted.get(key, 0) for key in fits) / max(1, sum(wanted.values()))
    if share < ENOUGH:
        raise UsageError(
            f"{where} fits {100 * share:.0f} % of the net only: these are the weights of another "
            f"architecture. It begins with {', '.join(list(state)[:2])}; the net with "
            f"{', '.join(list(own)[:2])}. Change model.architecture or model.weights."
        )
    net.load_state_dict(fits, strict=False)
    left = [key for key in wanted if key not in fits]
    if left:
        shown = ", ".join(left[:4]) + (f" and {len(left) - 4} more" if len(left) > 4 else "")
        _say(f"{where}: other shapes or missing, started from random numbers: {shown}")


def _wanted(net: nn.Module) -> dict[str, int]:
    """The tensors that make a net what it is, with their sizes; of shared ones the first name.

    Counters and the like say nothing.
    """
    seen: set[int] = set()
    found = {}
    for key, value in net.state_dict().items():
        if value.dtype.is_floating_point and value.data_ptr() not in seen:
            seen.add(value.data_ptr())
            found[key] = value.numel()
    return found


def _keep_species(
    net: nn.Module, fresh: State, state: State, chosen: Source, codes: Sequence[str]
) -> None:
    """Rows of the last layer by species: of those both know, from the source; else random."""
    if "average" in state:
        state = state["average"]  # type: ignore[assignment]
    both = [code for code in codes if code in chosen.codes]
    for key, own in net.state_dict().items():
        given = state.get(key)
        if given is None or not own.ndim or own.shape[1:] != given.shape[1:]:
            continue
        last = len(own) == len(codes) and len(given) == len(chosen.codes)
        # Other layers may happen to have as many rows; the last one comes last.
        if not last or key.rpartition(".")[0] != _last_layer(net):
            continue
        rows = fresh[key].clone()
        for code in both:
            rows[codes.index(code)] = given[chosen.codes.index(code)]
        own.copy_(rows)
    new = [code for code in codes if code not in both]
    _say(
        f"{chosen.file}: knows {', '.join(chosen.codes)}. Taken over: {', '.join(both) or 'none'}; "
        f"started from random numbers: {', '.join(new) or 'none'}"
    )


def _last_layer(net: nn.Module) -> str:
    named = [n for n, m in net.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    return named[-1] if named else ""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What torch saved in a file, tensors alone.

    Raises:
        UsageError: it is no such file.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UsageError(f"No weights {path}. Correct model.weights.") from None
    except Exception as error:
        raise UsageError(
            f"{path} is no file of weights that torch reads: {str(error).splitlines()[0]} "
            "Give a state dict saved by torch.save, a run's last.pt, or an exported .onnx."
        ) from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds a {type(found).__name__}; expected a state dict.")
    return found


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict; where it lies inside "model" or "state_dict", as many save it, from there."""
    found = read_checkpoint(path)
    for key in ("model", "state_dict"):
        if isinstance(found.get(key), dict):
            found = found[key]
    return {key: value for key, value in found.items() if isinstance(value, Tensor)}


@contextlib.contextmanager
def downloading(name: str, architecture: str) -> Iterator[None]:
    """Turn whatever a library raises where it cannot download into an error that says what to do.

    Raises:
        UsageError: in place of it.
    """
    try:
        yield
    except Exception as error:
        raise UsageError(
            f"The weights {name!r} of {architecture} could not be had: {error}. Without a "
            "connection, copy the file here and give its path as model.weights, start from a "
            "release (model.weights: live), or from random numbers (none)."
        ) from error


def _say(text: str) -> None:
    sys.stderr.write(f"weights: {text}\n")
