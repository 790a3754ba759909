"""Step `crop` of the ensemble."""

from deckwatch_serving.steps import Crop as TritonPythonModel

__all__ = ["TritonPythonModel"]
