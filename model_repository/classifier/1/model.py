"""Step `classifier` of the ensemble."""

from deckwatch_serving.steps import Net as TritonPythonModel

__all__ = ["TritonPythonModel"]
