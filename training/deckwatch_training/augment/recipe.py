"""A recipe: which steps, how likely, in which order, and how many of them meet in one copy.

    steps:
      - {name: night_vision, probability: 0.3, weight: 10, parameters: {stretch: 0.5}}
      - {name: rotate30, probability: 0.3}
      - {name: rain, enabled: false}
      - {name: "my_steps:salt_on_the_lens", probability: 0.1}

For every copy each step that is enabled passes with its probability. Did fewer than `least` pass,
more are drawn, in proportion to their probability; did more than `most`, `most` of them are drawn,
in proportion to their weight. Those left are applied in the order of the list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from deckwatch_training.augment import steps
from deckwatch_training.augment.night import References
from deckwatch_training.config import Section, checked, read_yaml
from deckwatch_vision.errors import UsageError

DEFAULT = Path(__file__).with_name("default.yaml")


class StepConfig(Section):
    """One step of the list."""

    name: str
    probability: float = Field(default=0.5, ge=0, le=1)  # chance that a copy considers it
    weight: float = Field(default=1.0, gt=0)  # against others, where a copy considers too many
    enabled: bool = True
    parameters: dict[str, Any] = Field(default_factory=dict)


class Recipe(Section):
    """The whole list, and what holds for all of it."""

    steps: tuple[StepConfig, ...] = Field(min_length=1)
    least: int = Field(default=1, ge=0)  # steps a copy
    most: int | None = Field(default=3, ge=1)  # steps a copy; null: as many as pass
    min_visible: float = Field(default=0.3, gt=0, le=1)  # a fish shown less has vanished
    min_side: float = Field(default=3.0, gt=0)  # pixels; and so has a thinner one
    retries: int = Field(default=4, ge=0)  # a copy without any fish left is made again so often
    quality: int = Field(default=92, ge=1, le=100)  # of the JPEGs

    @property
    def enabled(self) -> tuple[StepConfig, ...]:
        """The steps that are switched on."""
        return tuple(step for step in self.steps if step.enabled)

    def digest(self) -> str:
        """What decides the copies; steps that are switched off do not."""
        content = self.model_dump(mode="json") | {
            "steps": [step.model_dump(mode="json") for step in self.enabled]
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def load(given: str | Path | None) -> Recipe:
    """A recipe from a YAML file, or from names of steps; None is the default one.

    Names are parted by commas or blanks. They stand in the order given, with the settings of the
    default recipe where it has the step, though there it may be switched off.

    Raises:
        UsageError: the file cannot be read, or a step, key or parameter is wrong; the message names
            it and says what there is.
    """
    if given is None:
        return read(DEFAULT)
    text = str(given)
    if isinstance(given, Path) or Path(text).is_file() or text.endswith((".yaml", ".yml")):
        return read(Path(given))
    known = {step.name: step for step in read(DEFAULT).steps}
    names = text.replace(",", " ").split()
    if not names:
        raise UsageError("--steps is empty. Give a YAML file, or names such as flip,rotate30,blur.")
    chosen = [known.get(name, StepConfig(name=name)) for name in names]
    recipe = read(DEFAULT).model_copy(
        update={"steps": tuple(step.model_copy(update={"enabled": True}) for step in chosen)}
    )
    Plan(recipe, where="--steps")
    return recipe


def read(path: Path) -> Recipe:
    """A recipe from its YAML file. Raises UsageError naming file, step and key."""
    recipe = checked(Recipe, read_yaml(path), path)
    if not recipe.enabled:
        raise UsageError(f"{path}: no step is switched on. Set enabled: true on one.")
    if recipe.most is not None and recipe.least > recipe.most:
        raise UsageError(f"{path}: least: {recipe.least} is over most: {recipe.most}.")
    Plan(recipe, where=str(path))
    return recipe


@dataclass(frozen=True)
class Ready:
    """A step ready to run; place: in the list."""

    place: int
    config: StepConfig
    run: steps.Run
    cuts: bool


class Plan:
    """A recipe ready to run."""

    def __init__(self, recipe: Recipe, references: References | None = None, where: str = "recipe"):
        """Load the functions and check the parameters of all steps, those switched off as well.

        Raises:
            UsageError: see `steps.bind`.
        """
        steps.load_all()
        self.recipe = recipe
        frames = references.frames if references else ()
        ready = []
        for i, config in enumerate(recipe.steps, start=1):
            if not config.enabled and ":" in config.name:
                continue  # a module that is not here does no harm while it is switched off
            run, cuts = steps.bind(
                config.name, config.parameters, f"{where}, step {i}", references=frames
            )
            if config.enabled:
                ready.append(Ready(i, config, run, cuts))
        self.ready: Sequence[Ready] = tuple(ready)

    def own_code(self) -> dict[str, str]:
        """Digests of the modules of the user's own steps."""
        return {
            step.config.name: step.run.digest
            for step in self.ready
            if isinstance(step.run, steps.Own)
        }

    def draw(self, rng: np.random.Generator, *, unboxed: bool = False) -> list[Ready]:
        """The steps of one copy. unboxed: none that may cut fish away whose place is not known."""
        usable = [step for step in self.ready if not (unboxed and step.cuts)]
        passed = [step for step in usable if rng.random() < step.config.probability]
        recipe = self.recipe
        if len(passed) < recipe.least:
            there = {step.place for step in passed}
            others = [s for s in usable if s.place not in there and s.config.probability > 0]
            chances = [step.config.probability for step in others]
            passed += _drawn(others, chances, recipe.least - len(passed), rng)
        if recipe.most is not None and len(passed) > recipe.most:
            weights = [step.config.weight for step in passed]
            passed = _drawn(passed, weights, recipe.most, rng)
        return sorted(passed, key=lambda step: step.place)


def _drawn(
    among: list[Ready], shares: list[float], number: int, rng: np.random.Generator
) -> list[Ready]:
    number = min(number, len(among))
    if not number:
        return []
    chosen = rng.choice(len(among), number, replace=False, p=np.array(shares) / sum(shares))
    return [among[int(i)] for i in chosen]
