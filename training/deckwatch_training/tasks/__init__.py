"""Tasks for labelling tools, with what the model said as a first draft, one module a tool.

Both get the same tasks (`tasks.task`); the importers of the same names take the corrected labels
back.
"""
