"""Recipes: read strictly, few steps a copy, in the order of the list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from deckwatch_training.augment import recipe as recipes
from deckwatch_training.augment.recipe import Plan, Recipe
from deckwatch_vision.errors import UsageError

CONFIG = Path(__file__).parents[3] / "training" / "configs" / "augment.yaml"


def _plan(**content: object) -> Plan:
    return Plan(Recipe.model_validate(content))


def _drawn(plan: Plan, times: int = 2000, *, unboxed: bool = False) -> list[list[str]]:
    rng = np.random.default_rng(1)
    return [[step.config.name for step in plan.draw(rng, unboxed=unboxed)] for _ in range(times)]


def test_the_default_recipe_applies_few_steps_and_night_vision_to_three_in_ten() -> None:
    recipe = recipes.load(None)
    drawn = _drawn(Plan(recipe))
    assert {len(names) for names in drawn} == {1, 2, 3}
    nights = np.mean(["night_vision" in names for names in drawn])
    assert nights == pytest.approx(0.3, abs=0.04)
    order = [step.name for step in recipe.steps]
    assert all(names == sorted(names, key=order.index) for names in drawn)


def test_the_recipe_in_configs_is_the_default() -> None:
    assert recipes.read(CONFIG) == recipes.read(recipes.DEFAULT)


def test_probability_weight_and_the_switch() -> None:
    plan = _plan(
        steps=[
            {"name": "flip", "probability": 1.0, "weight": 3.0},
            {"name": "blur", "probability": 1.0, "weight": 1.0},
            {"name": "hue", "probability": 1.0, "enabled": False},
            {"name": "fog", "probability": 0.0},
        ],
        most=1,
    )
    counts = Counter(name for names in _drawn(plan) for name in names)
    assert set(counts) == {"flip", "blur"}
    assert counts["flip"] / 2000 == pytest.approx(0.75, abs=0.04)


def test_least_and_no_limit() -> None:
    seldom = _plan(steps=[{"name": "flip", "probability": 0.01}, {"name": "blur"}], least=2)
    assert all(names == ["flip", "blur"] for names in _drawn(seldom, 50))
    every = [{"name": name, "probability": 1} for name in ("hue", "flip", "fog", "blur", "crop")]
    assert all(len(names) == 5 for names in _drawn(_plan(steps=every, most=None), 20))


def test_steps_that_cut_are_not_for_fish_without_a_box() -> None:
    plan = _plan(steps=[{"name": "crop", "probability": 1}, {"name": "flip", "probability": 1}])
    assert _drawn(plan, 5, unboxed=True) == [["flip"]] * 5
    assert _drawn(plan, 5) == [["crop", "flip"]] * 5


def test_names_in_their_own_order_with_the_default_settings() -> None:
    recipe = recipes.load("rotate30, night_vision shift")
    assert [step.name for step in recipe.steps] == ["rotate30", "night_vision", "shift"]
    assert [step.probability for step in recipe.steps] == [0.3, 0.3, 0.2]
    assert all(step.enabled for step in recipe.steps)


def test_the_same_step_may_stand_twice() -> None:
    plan = _plan(steps=[{"name": "flip", "probability": 1}] * 2)
    assert _drawn(plan, 3) == [["flip", "flip"]] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("steps: []", "steps: .*at least 1 item"),
        ("steps: [{name: flip, probability: 2}]", r"steps\.0\.probability: .*given: 2"),
        ("steps: [{name: flip, prob: 1}]", r"steps\.0\.prob: Extra inputs"),
        ("steps: [{name: flip}, {name: flop}]", "step 2: there is no step 'flop'"),
        ("steps: [{name: flip, enabled: false}]", "no step is switched on"),
        (
            "steps: [{name: flip, parameters: {size: 3}}]",
            "step 1: flip: size: .*horizontal, vertical",
        ),
        ("{least: 3, most: 2, steps: [{name: flip}]}", "least: 3 is over most: 2"),
        ("steps: [", "is no YAML"),
        ("- flip", "holds no mapping"),
    ],
)
def test_a_wrong_recipe_is_refused_by_file_and_key(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=message) as error:
        recipes.load(str(path))
    assert str(path) in error.value.message


def test_names_and_files_that_are_not_there() -> None:
    with pytest.raises(UsageError, match=r"Cannot read missing\.yaml"):
        recipes.load("missing.yaml")
    with pytest.raises(UsageError, match=r"--steps, step 2: there is no step 'swirl'. Give one of"):
        recipes.load("flip,swirl")
    with pytest.raises(UsageError, match="--steps is empty"):
        recipes.load(" , ")


def test_what_is_switched_off_does_not_change_the_identity(tmp_path: Path) -> None:
    content = yaml.safe_load(recipes.DEFAULT.read_text())
    digest = recipes.read(recipes.DEFAULT).digest()
    path = tmp_path / "recipe.yaml"
    content["steps"] = [step for step in content["steps"] if step.get("enabled", True)]
    path.write_text(yaml.safe_dump(content))
    assert recipes.read(path).digest() == digest
    content["steps"].reverse()
    path.write_text(yaml.safe_dump(content))
    assert recipes.read(path).digest() != digest
