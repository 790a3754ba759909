"""Step `detect` of the ensemble."""

from deckwatch_serving.steps import Detect as TritonPythonModel

__all__ = ["TritonPythonModel"]
