"""The ranges that a configuration declares under `tune`, and drawing from them.

tune:
  run.lr: {low: 1.0e-4, high: 1.0e-2, log: true}
  run.batch: {low: 8, high: 32, step: 8}     # whole numbers stay whole
  model.context: {choices: [1.2, 1.4, 1.6]}
  views.flip: [0.0, 0.5]                     # short for choices
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from deckwatch_vision.errors import UsageError

_KEYS = {"low", "high", "log", "step", "choices"}
Value = float | int | str | bool | None


@dataclass(frozen=True)
class Range:
    """What one key may be: from `low` to `high`, or one of `choices`."""

    key: str
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    choices: tuple[Value, ...] = ()

    def draw(self, trial: optuna.Trial) -> Value:
        """A value that the sampler proposes."""
        if self.choices:
            chosen: Value = trial.suggest_categorical(self.key, list(self.choices))
            return chosen
        low, high = self.low, self.high
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(self.key, low, high, step=int(self.step or 1), log=self.log)
        number = trial.suggest_float(
            self.key, float(low or 0), float(high or 0), step=self.step, log=self.log
        )
        # Shorter numbers are easier to paste, and no net notices the sixth digit.
        return float(f"{number:.6g}")

    def as_json(self) -> dict[str, Any]:
        """What decides which values come up."""
        return {
            "low": self.low, "high": self.high, "log": self.log, "step": self.step,
            "choices": list(self.choices),
        }  # fmt: skip


def ranges(declared: Mapping[str, Any], where: str) -> tuple[Range, ...]:
    """The ranges of a configuration's `tune` section; `where` is for messages.

    Raises:
        UsageError: there are none, or one is wrong; the message names its key.
    """
    if not declared:
        raise UsageError(
            f"{where} declares no ranges. Add some, for example "
            "`tune: {run.lr: {low: 1.0e-4, high: 1.0e-2, log: true}}`."
        )
    return tuple(_range(key, given, f"{where}: tune.{key}") for key, given in declared.items())


def _range(key: str, given: Any, where: str) -> Range:
    if isinstance(given, list):
        given = {"choices": given}
    if not isinstance(given, Mapping) or not set(given) <= _KEYS:
        raise UsageError(f"{where}: expected {{low, high, log, step}} or a list, found {given!r}.")
    if "choices" in given:
        choices = given["choices"]
        if len(given) > 1 or not isinstance(choices, list) or not choices:
            raise UsageError(f"{where}: choices are a list, and nothing beside it.")
        if not all(isinstance(each, Value) for each in choices):
            raise UsageError(f"{where}: choices are numbers, words or true and false: {choices!r}.")
        return Range(key, choices=tuple(choices))
    low, high, step = (_number(given, name, where) for name in ("low", "high", "step"))
    log = bool(given.get("log", False))
    if low is None or high is None or low >= high:
        raise UsageError(f"{where}: low {low!r}, high {high!r}: give both, low under high.")
    if log and low <= 0:
        raise UsageError(f"{where}: low is {low!r}, with log it must be over 0.")
    if step is not None and (step <= 0 or log):
        raise UsageError(f"{where}: step {step!r}: must be over 0, and log cannot have one.")
    return Range(key, low, high, log, step)


def _number(given: Mapping[str, Any], name: str, where: str) -> float | int | None:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        # YAML takes 1e-4 for a word: it wants a dot before the e.
        raise UsageError(f"{where}: {name} is {value!r}, expected a number (such as 1.0e-4).")
    return value
