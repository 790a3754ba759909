"""A deck simulator: seeded scenes of several vessels with the competition's eight classes.

For tests, benchmarks and the quickstart. What is made from it says "simulated" (see
`is_simulated`) and is never mixed into a release that ships.
"""

from deckwatch_training.simulate.folder import LICENCE, SOURCE, Simulation, is_simulated, write

__all__ = ["LICENCE", "SOURCE", "Simulation", "is_simulated", "write"]
