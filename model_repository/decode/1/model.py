"""Step `decode` of the ensemble."""

from deckwatch_serving.steps import Decode as TritonPythonModel

__all__ = ["TritonPythonModel"]
