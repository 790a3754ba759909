"""More training pictures out of those there are: `augment_data`.

samples    a picture and its fish on their way through the steps
steps      the register of steps; geometry, cover, light, night, library hold them
recipe     which steps, how likely, in which order
copies     the work on one picture, done by workers
job        the work on all of them: `augment`
"""

from deckwatch_training.augment.job import Settings, augment, preview
from deckwatch_training.augment.summary import Summary

__all__ = ["Settings", "Summary", "augment", "preview"]
