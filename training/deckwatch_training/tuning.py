"""`deckwatch tune`: an Optuna sweep over a configuration's declared ranges.

    out/tune.db               the study, in SQLite: what was tried and what came of it
    out/trial-0007/           a run like any other; config.yaml, log.jsonl, last.pt, curves.png
    out/best.yaml             the configuration with the best values
    out/tune.json, tune.html  the history

Trials are asked for in rounds of as many as there are workers and told in their order, and the
sampler is seeded by the round: the same command gives the same trials, also after an interruption.
Trials are judged on the pictures held back from training, so that the valid split stays unseen.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import yaml

from deckwatch_serving import engines
from deckwatch_training import config as configs
from deckwatch_training.config import TrainConfig
from deckwatch_training.tuning_space import Range, ranges
from deckwatch_training.tuning_trial import Told, Trial, train
from deckwatch_vision.errors import UsageError

DATABASE = "tune.db"
# Trials drawn at random before the sampler looks at what came of them (Optuna's default is 10).
RANDOM = 8
# Finished trials before one may be stopped early for being under their median.
BEFORE_PRUNING = 4
# What a validation measures, the first being what a trial is judged by unless another is named.
METRICS = {"detector": ("ap50", "ap", "f1"), "classifier": ("macro_recall", "accuracy", "log_loss")}
LESS_IS_BETTER = ("log_loss",)
States = optuna.trial.TrialState


@dataclass(frozen=True)
class Sweep:
    """What is searched, where, and how a trial is judged."""

    path: Path
    overrides: tuple[str, ...]
    out: Path
    metric: str = ""
    seed: int = 0
    prune: bool = False
    engine: engines.Engine = "local"
    workers: int = 1
    base: TrainConfig = field(init=False)
    space: tuple[Range, ...] = field(init=False)

    def __post_init__(self) -> None:
        base = configs.load(self.path, self.overrides)
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "space", ranges(base.tune, str(self.path)))
        known = METRICS[base.task]
        object.__setattr__(self, "metric", self.metric or known[0])
        if self.metric not in known:
            raise UsageError(
                f"No metric {self.metric!r} of a {base.task}. Use one of {', '.join(known)}."
            )

    @property
    def minimise(self) -> bool:
        """Whether less of the metric is better."""
        return self.metric in LESS_IS_BETTER

    def settings(self) -> dict[str, Any]:
        """What a study must not mix."""
        return {
            "config": self.base.identity(), "metric": self.metric, "seed": self.seed,
            "space": {one.key: one.as_json() for one in self.space},
        }  # fmt: skip


def run(sweep: Sweep, trials: int) -> optuna.Study:
    """Run the sweep until `trials` have ended, those of earlier calls included.

    Raises:
        UsageError: the configuration declares no ranges or wrong ones, the metric is not measured,
            or the folder holds another sweep.
    """
    study = _open(sweep)
    while left := trials - len(_ended(study)):
        if left < 0:
            break
        batch = _begun(study) or _ask(study, sweep, min(left, max(1, sweep.workers)))
        items = [_item(sweep, study, number) for number in batch]
        results = engines.run(train, items, engine=sweep.engine, workers=sweep.workers)
        for item, told in zip(items, results, strict=True):
            _tell(study, sweep, item, told)
    return study


def _open(sweep: Sweep) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sweep.out.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{(sweep.out / DATABASE).resolve()}",
        study_name="tune",
        direction="minimize" if sweep.minimise else "maximize",
        load_if_exists=True,
    )
    now = json.dumps(sweep.settings(), sort_keys=True)
    if (held := study.user_attrs.get("settings")) not in (None, now):
        changed = sorted(
            key for key, value in json.loads(held).items() if sweep.settings()[key] != value
        )
        raise UsageError(
            f"{sweep.out} holds another sweep: {', '.join(changed)} differ. Give another --out, or "
            "delete the folder."
        )
    if held is None:
        study.set_user_attr("settings", now)
    return study


def _ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    over = study.get_trials(deepcopy=False, states=(States.COMPLETE, States.PRUNED, States.FAIL))
    return [trial for trial in over if "values" in trial.user_attrs]


def _begun(study: optuna.Study) -> list[int]:
    """Trials that an interruption left: their runs go on where they stand."""
    running = study.get_trials(deepcopy=False, states=(States.RUNNING,))
    return [trial.number for trial in running if "values" in trial.user_attrs]


def _ask(study: optuna.Study, sweep: Sweep, count: int) -> list[int]:
    """The next trials; what they are depends on the seed and on the trials told before alone."""
    for lost in study.get_trials(deepcopy=False, states=(States.RUNNING,)):
        study.tell(lost.number, state=States.FAIL)  # killed before it had its values
    # A lie about the trials under way keeps the workers of one round apart from each other.
    study.sampler = optuna.samplers.TPESampler(
        seed=sweep.seed * 100_003 + len(_ended(study)),
        n_startup_trials=RANDOM,
        constant_liar=count > 1,
    )
    medians = _medians(study) if sweep.prune else {}
    batch = []
    for _ in range(count):
        trial = study.ask()
        values = {one.key: one.draw(trial) for one in sweep.space}
        trial.set_user_attr("medians", medians)
        trial.set_user_attr("values", values)
        batch.append(trial.number)
    return batch


def _item(sweep: Sweep, study: optuna.Study, number: int) -> Trial:
    told = study.get_trials(deepcopy=False)[number].user_attrs
    return Trial(
        number,
        str(sweep.path.resolve()),
        (*sweep.overrides, *overrides(told["values"])),
        str((sweep.out / f"trial-{number:04d}").resolve()),
        sweep.metric,
        sweep.minimise,
        {int(epoch): value for epoch, value in told["medians"].items()},
    )


def overrides(values: dict[str, Any]) -> list[str]:
    """Values as they are pasted behind `deckwatch train`: key=value."""
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def _medians(study: optuna.Study) -> dict[str, float]:
    """The median of the complete trials after each epoch, as in Optuna's median pruner."""
    done = study.get_trials(deepcopy=False, states=(States.COMPLETE,))
    if len(done) < BEFORE_PRUNING:
        return {}
    epochs = {epoch for trial in done for epoch in trial.intermediate_values}
    return {
        str(epoch): statistics.median(
            trial.intermediate_values[epoch] for trial in done if epoch in trial.intermediate_values
        )
        for epoch in sorted(epochs)
    }


def _tell(study: optuna.Study, sweep: Sweep, item: Trial, told: Told) -> None:
    trial = optuna.Trial(study, study.get_trials(deepcopy=False)[item.number]._trial_id)
    for epoch, value in told.curve.items():
        trial.report(value, epoch)
    trial.set_user_attr("seconds", told.seconds)
    if told.error:
        trial.set_user_attr("error", told.error)
        study.tell(item.number, state=States.FAIL)
    elif told.pruned:
        study.tell(item.number, state=States.PRUNED)
    else:
        study.tell(item.number, told.value)
    shown = "  ".join(item.overrides[len(sweep.overrides) :])
    what = told.error or f"{sweep.metric} {told.value:g}"
    sys.stderr.write(f"trial {item.number}: {what}{' (stopped)' if told.pruned else ''}  {shown}\n")
    sys.stderr.flush()


def best(study: optuna.Study, sweep: Sweep) -> dict[str, Any]:
    """The values of the best trial; its configuration is written to best.yaml.

    Raises:
        UsageError: no trial came to its end.
    """
    done = study.get_trials(deepcopy=False, states=(States.COMPLETE,))
    if not done:
        errors = [t.user_attrs.get("error") for t in study.get_trials(deepcopy=False)]
        why = next((error for error in errors if error), "none was run")
        raise UsageError(f"No trial came to its end: {why}.")
    sign = 1 if sweep.minimise else -1
    first = min(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
    values: dict[str, Any] = first.user_attrs["values"]
    chosen = configs.load(sweep.path, [*sweep.overrides, *overrides(values)])
    document = chosen.model_dump(mode="json", exclude_unset=True, exclude={"tune"})
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    (sweep.out / "best.yaml").write_text(text, encoding="utf-8")
    return values


def history(study: optuna.Study) -> Sequence[dict[str, Any]]:
    """Every trial in its order."""
    return [
        {
            "number": trial.number, "state": trial.state.name.lower(), "value": trial.value,
            "values": trial.user_attrs.get("values", {}),
            "curve": {str(epoch): v for epoch, v in sorted(trial.intermediate_values.items())},
            "seconds": trial.user_attrs.get("seconds"), "error": trial.user_attrs.get("error"),
        }
        for trial in study.get_trials(deepcopy=False)
    ]  # fmt: skip
