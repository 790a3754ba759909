"""One running server in the course of a swap: beside, switch, let go; or back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deckwatch_serving import configs, probe
from deckwatch_serving.repository import ENSEMBLE, open_release
from deckwatch_serving.running import RunningTriton, Tensors, read_steps
from deckwatch_vision.errors import DeckwatchError, ServerError, SwapFailed

if TYPE_CHECKING:
    from deckwatch_vision.release import Release

_CPU, _GPU = f"{ENSEMBLE}/config.pbtxt", f"{ENSEMBLE}/configs/gpu.pbtxt"


class Rollout:
    """A server that shall serve another release of the repository that it reads.

    Args:
        triton: the server.
        repository: the model repository, as seen from here.
        new: the release to serve.

    Raises:
        ServerError: it does not answer, or does not serve the ensemble.
        ReleaseNotFound: it serves a release that is not in this repository.
        SwapFailed: the new release cannot be loaded beside the one that it serves.
    """

    def __init__(self, triton: RunningTriton, repository: Path, new: Release) -> None:
        self.url = triton.url
        self._triton, self._new = triton, new
        pinned = triton.config(ENSEMBLE).get("ensemble_scheduling", {}).get("step", [])
        self.served = open_release(repository, _one_version(triton.url, pinned), verify=False)
        on_gpu = "decode" in {step["model_name"] for step in pinned}
        texts = dict(configs.render_ensemble(repository, new))
        self._steps = read_steps(texts[_GPU if on_gpu else _CPU])
        if on_gpu and not configs.same_shapes(repository, new, self.served):
            self._require_open_shapes()

    def _require_open_shapes(self) -> None:
        for name in ("detector", "classifier"):
            if self._triton.config(name).get("backend") == "onnxruntime":
                old, new = self.served, self._new
                raise SwapFailed(
                    f"{self.url} runs the nets in Triton's onnxruntime backend, which cannot hold "
                    f"nets of other sizes or numbers of species side by side: {old.name} "
                    f"{old.version} and {new.name} {new.version} differ. Promote without "
                    "--triton, then restart the servers one after the other."
                )

    def prepare(self) -> None:
        """Load the new release beside the one served, and prove that it answers.

        Raises:
            DeckwatchError: a step is not ready or does not answer; what is served is untouched.
        """
        # Twice: a step that has just written its bytecode into the version's folder counts as
        # changed at the next load. Let it start anew now, and not under the ensemble's load.
        for _ in range(2):
            self.load_steps()
        for step in self._steps:
            for release in (self.served, self._new):
                if not self._triton.ready(step.model, release.version):
                    raise ServerError(
                        f"{self.url} did not load version {release.version} of {step.model}. Does "
                        "it read this repository? Its log says more."
                    )
        picture = probe.generated_picture()
        self._check(self._triton.chain(self._steps, self._new.version, picture), self._new)

    def load_steps(self) -> None:
        """Load and let go what the steps' configs say.

        Raises:
            ServerError: one cannot be loaded; what was loaded before still is.
        """
        for step in self._steps:
            self._triton.load(step.model)

    def switch(self, release: Release) -> None:
        """Load the ensemble as its config now is, and look at the release that answers.

        Raises:
            DeckwatchError: it is not the one that should.
        """
        # Triton takes a working ensemble away where a version that it pins is not loaded.
        for step in self._steps:
            if not self._triton.ready(step.model, release.version):
                raise ServerError(
                    f"{self.url} has lost version {release.version} of {step.model}. Its log says "
                    "why."
                )
        self._triton.load(ENSEMBLE)
        self.check(release)

    def check(self, release: Release) -> None:
        """Let the ensemble recognise a picture.

        Raises:
            DeckwatchError: it does not answer, or with another release.
        """
        self._check(self._triton.recognise(probe.generated_picture()), release)

    def _check(self, outputs: Tensors, release: Release) -> None:
        found = {"LIKELIHOODS": [float(each) for each in outputs["LIKELIHOODS"]]}
        probe.check_answer(found, len(release.labels))
        answered = int(outputs["RELEASE"][0])
        if answered != release.version:
            raise ServerError(
                f"{self.url} answers with release {answered} where {release.version} was loaded. "
                "Does it read this repository?"
            )

    def tidy(self) -> Iterator[str]:
        """Let go of what the configs no longer list; yields what went wrong, which hurts nobody."""
        try:
            self.load_steps()
        except DeckwatchError as error:
            yield f"the old release stays loaded: {error.message}"


def _one_version(url: str, steps: list[dict[str, str]]) -> int:
    versions = {int(step["model_version"]) for step in steps}
    if len(versions) != 1 or versions == {-1}:
        raise ServerError(
            f"{url} serves an ensemble whose steps have the versions {sorted(versions)}; expected "
            "one. Restart it with the repository."
        )
    return versions.pop()
