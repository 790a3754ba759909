"""Step `fuse` of the ensemble."""

from deckwatch_serving.steps import Fuse as TritonPythonModel

__all__ = ["TritonPythonModel"]
