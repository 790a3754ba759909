"""The ensemble `deckwatch` as gRPC sees it: its request, its answer, its release, its errors.

Shapes and types are those of the ensemble's config.pbtxt.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from tritonclient.grpc import InferInput, InferResult
from tritonclient.utils import InferenceServerException

from deckwatch_client.pictures import check_size
from deckwatch_client.served import Served as Served
from deckwatch_client.tls import untrusted
from deckwatch_vision.errors import (
    DeadlineExceeded,
    DeckwatchError,
    ReleaseCorrupt,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    from_wire,
)
from deckwatch_vision.result import ReleaseInfo, Result
from deckwatch_vision.species import LabelSet, Species

ENSEMBLE = "deckwatch"


def request_inputs(data: bytes | memoryview) -> list[Any]:
    """The request's one tensor, IMAGE: the encoded file as UINT8 [bytes].

    Refuses here what the ensemble would refuse anyway, before megabytes go over the wire.
    Raises EmptyImage, ImageTooLarge.
    """
    check_size(len(data))
    image = InferInput("IMAGE", [len(data)], "UINT8")
    image.set_data_from_numpy(np.frombuffer(data, np.uint8))
    return [image]


def answer_version(answer: InferResult) -> int:
    """The version of the release that gave this answer."""
    return int(answer.as_numpy("RELEASE")[0])


def read_result(
    answer: InferResult, served: Served, data: bytes | memoryview, file: str | None
) -> Result:
    """The `Result` in an answer's tensors. Raises ServerError when they do not fit `served`."""
    return Result.from_arrays(
        answer.as_numpy("LIKELIHOODS"),
        answer.as_numpy("BOXES"),
        answer.as_numpy("SCORES"),
        answer.as_numpy("FISH_LIKELIHOODS"),
        answer.as_numpy("SIZE"),
        served.labels,
        served.release,
        file,
        hashlib.sha256(data).hexdigest(),
    )


def read_served(config: Any) -> Served:
    """The release an ensemble's configuration names, with the version its steps are pinned to.

    Raises ServerError when the configuration carries no release.
    """
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    versions = {int(step.model_version) for step in config.ensemble_scheduling.step}
    if not {"release_name", "labels"} <= parameters.keys() or len(versions) != 1:
        raise ServerError(
            f"the server's model {ENSEMBLE!r} names no release (parameters "
            f"{sorted(parameters)}, step versions {sorted(versions)}). Load a release published "
            "by Deckwatch: its ensemble carries release_name, labels and one pinned version."
        )
    release = ReleaseInfo(name=parameters["release_name"], version=versions.pop())
    labels = tuple(parameters["labels"].split(","))
    return Served(release, labels, _species(parameters), parameters.get("model_card", ""))


def _species(parameters: dict[str, str]) -> tuple[Species, ...]:
    """The classes in full. Raises ServerError when they do not fit the labels."""
    text = parameters.get("species")
    if not text:
        return ()
    try:
        labels = LabelSet.from_list(json.loads(text), "species")
    except (ValueError, ReleaseCorrupt) as error:
        raise ServerError(
            f"the server's model {ENSEMBLE!r} describes its species badly ({error}). "
            "Publish the release again."
        ) from error
    return labels.species


def translate(error: InferenceServerException, url: str, timeout_s: float) -> DeckwatchError:
    """Our error for what gRPC or Triton reported; `url` and `timeout_s` go into its text."""
    text = str(error.message() or "")
    first_line = text.partition("\n")[0]
    status = str(error.status()).removeprefix("StatusCode.")
    carried = from_wire(text)
    if carried is not None:
        return carried
    if status == "DEADLINE_EXCEEDED" or "timeout expired" in text:
        return DeadlineExceeded(
            f"{url} gave no answer within {timeout_s:g} s. Try again, or allow more time."
        )
    if status == "RESOURCE_EXHAUSTED" or "maximum queue size" in text:
        return ServerOverloaded(
            f"{url} has too many pictures waiting ({first_line}). Try again later."
        )
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return untrusted(url, text)
    if status in ("UNAVAILABLE", "NOT_FOUND"):
        return ServerUnavailable(
            f"{url} does not serve {ENSEMBLE!r} ({first_line}). "
            "Start it with `deckwatch up`, or check the address."
        )
    return ServerError(f"{url} failed with {status} ({first_line}). Look into the server's log.")
