"""The steps of the Triton ensemble, for its python backend.

A step's `model.py` in the model repository is two lines that import one of these classes as
`TritonPythonModel`. The work itself is done by `deckwatch_vision.recognise`, the same functions
that recognise in process.

CPU profile: Detect -> Net (classifier) -> Fuse. Large tensors between python steps cost most, so
one fat step takes the encoded picture and gives away only crops.
GPU profile: Decode -> detector -> Crop -> classifier -> Fuse, the nets in Triton's own backend.
"""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from deckwatch_serving import tensors
from deckwatch_serving.cores import available_cores
from deckwatch_serving.net import Net as OpenNet
from deckwatch_serving.net import choose_runtime, open_net
from deckwatch_serving.repository import open_release
from deckwatch_vision.boxes import Letterbox
from deckwatch_vision.errors import DeckwatchError, ImageError, to_wire
from deckwatch_vision.recognise import find_fish, fuse, make_crops, prepare
from deckwatch_vision.release import Release

Tensors = dict[str, NDArray[Any]]


class Step:
    """What every step shares: it knows its release, and turns errors into Triton's.

    A step parameter `threads` in config.pbtxt overrules the number of threads of a net, which is
    the cores divided by the instances.
    """

    checks_files = False

    def initialize(self, args: dict[str, str]) -> None:
        """Called once by Triton, for each instance."""
        config = json.loads(args["model_config"])
        self.name: str = args["model_name"]
        self.version = int(args["model_version"])
        self.repository = Path(args["model_repository"]).parent
        self.inputs = [each["name"] for each in config["input"]]
        self.threads = _threads(config)
        # OpenCV would otherwise start as many threads as there are cores in every instance.
        cv2.setNumThreads(self.threads)
        self.release = open_release(self.repository, self.version, verify=self.checks_files)
        self.open()

    def open(self) -> None:
        """Load what the step needs, after its release is known."""

    def run(self, inputs: Tensors) -> Tensors:
        """The step's outputs by name, for its inputs by name."""
        raise NotImplementedError

    def execute(self, requests: list[Any]) -> list[Any]:
        """Called by Triton with the requests that wait; one response for each."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """The response to one request; an error concerns this request only."""
        try:
            outputs = self.run({name: tensors.read(request, name) for name in self.inputs})
        except Exception as error:
            return pb_utils.InferenceResponse(error=self.refusal(error))
        return pb_utils.InferenceResponse([tensors.write(*each) for each in outputs.items()])

    def refusal(self, error: Exception) -> Any:
        """The error as Triton carries it to the client.

        INVALID_ARG where the picture is at fault; INTERNAL, with a traceback in the server's log,
        where we are.
        """
        if isinstance(error, ImageError):
            return pb_utils.TritonError(to_wire(error), pb_utils.TritonError.INVALID_ARG)
        if not isinstance(error, DeckwatchError):
            pb_utils.Logger.log_error(traceback.format_exc())
            error = DeckwatchError(
                f"Step {self.name} failed: {type(error).__name__}: {error}. "
                "The server's log has the details."
            )
        return pb_utils.TritonError(to_wire(error), pb_utils.TritonError.INTERNAL)

    def open_net(self, file: str) -> OpenNet:
        """Open the net `file` (its path in the repository) with this step's threads."""
        runtime, precision = choose_runtime(self.release)
        return open_net(
            self.repository / file, threads=self.threads, runtime=runtime, precision=precision
        )


class Detect(Step):
    """IMAGE (the encoded file) -> SIZE, CROPS, ROWS_BOXES, ROWS_SCORES, detector included."""

    checks_files = True

    def open(self) -> None:
        """Load the detector."""
        self.detector = self.open_net(self.release.detector.file)

    def run(self, inputs: Tensors) -> Tensors:
        """Decode, letterbox, detect, crop."""
        picture = prepare(inputs["IMAGE"].data, self.release)
        heads = self.detector(picture.canvas[None])[0]
        boxes, scores = find_fish(heads, picture, self.release)
        return _rows(picture.image, boxes, scores, self.release)


class Decode(Step):
    """IMAGE (the encoded file) -> FRAME [H,W,3], IMAGES [1,S,S,3]."""

    def run(self, inputs: Tensors) -> Tensors:
        """Decode and letterbox."""
        picture = prepare(inputs["IMAGE"].data, self.release)
        return {"FRAME": picture.image, "IMAGES": picture.canvas[None]}


class Crop(Step):
    """FRAME [H,W,3], HEADS [1,A,5] -> SIZE, CROPS, ROWS_BOXES, ROWS_SCORES."""

    def run(self, inputs: Tensors) -> Tensors:
        """Read the detector's heads and crop."""
        image = inputs["FRAME"]
        height, width = image.shape[:2]
        fit = Letterbox.fitting(height, width, self.release.detector.input_size)
        boxes, scores = find_fish(inputs["HEADS"][0], (fit, height, width), self.release)
        return _rows(image, boxes, scores, self.release)


class Net(Step):
    """Any net of the release on the CPU: one uint8 input, one float32 output, requests batched.

    Which net it is follows from the step's name: `detector` or `classifier` of the release.
    """

    checks_files = True

    def initialize(self, args: dict[str, str]) -> None:
        """Called once by Triton, for each instance."""
        (output,) = json.loads(args["model_config"])["output"]
        self.output: str = output["name"]
        super().initialize(args)

    def open(self) -> None:
        """Load the net."""
        spec = self.release.detector if self.name == "detector" else self.release.classifier
        self.net = self.open_net(spec.file)

    def run(self, inputs: Tensors) -> Tensors:
        """One request alone."""
        return {self.output: self.net(inputs[self.inputs[0]])}

    def execute(self, requests: list[Any]) -> list[Any]:
        """All requests that Triton's dynamic batcher put together, in one call of the net."""
        if len(requests) == 1:
            return super().execute(requests)
        rows = [tensors.read(each, self.inputs[0]) for each in requests]
        try:
            output = self.net(np.concatenate(rows))
        except Exception:
            return super().execute(requests)  # one by one, so that only the guilty one fails
        ends = np.cumsum([len(each) for each in rows])[:-1]
        return [
            pb_utils.InferenceResponse([tensors.write(self.output, part)])
            for part in np.split(output, ends)
        ]


class Fuse(Step):
    """LOGITS, ROWS_BOXES, ROWS_SCORES -> the ensemble's answer."""

    def run(self, inputs: Tensors) -> Tensors:
        """Fuse the rows of one picture."""
        fused = fuse(inputs["LOGITS"], inputs["ROWS_BOXES"], inputs["ROWS_SCORES"], self.release)
        return {
            "LIKELIHOODS": fused.likelihoods,
            "BOXES": fused.boxes,
            "SCORES": fused.scores,
            "FISH_LIKELIHOODS": fused.fish_likelihoods,
            "RELEASE": np.array([self.version], np.int32),
        }


def _rows(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    release: Release,
) -> Tensors:
    crops, rows_boxes, rows_scores = make_crops(image, boxes, scores, release)
    return {
        "SIZE": np.array(image.shape[:2], np.int32),
        "CROPS": crops,
        "ROWS_BOXES": rows_boxes,
        "ROWS_SCORES": rows_scores,
    }


def _threads(config: dict[str, Any]) -> int:
    """Threads for one net: the step's parameter `threads`, else a share of the cores.

    The instances share them out, so that all instances at work use each core once.
    """
    given = config.get("parameters", {}).get("threads", {}).get("string_value")
    if given:
        return int(given)
    instances = sum(int(each.get("count", 1)) for each in config.get("instance_group", []))
    return max(1, available_cores() // max(1, instances))
