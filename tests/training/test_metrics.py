from __future__ import annotations

import contextlib
import io
import math
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from deckwatch_training import metrics
from deckwatch_training.coco import ANY, Sheet, as_coco
from deckwatch_training.dataset import DataSet, Picture
from deckwatch_training.detection import Found, average_precision, hits
from deckwatch_vision.fusion import softmax


def _random(seed: int) -> tuple[list[Found], DataSet]:
    """Thirty pictures of five fish, found with some noise, plus boxes out of nowhere."""
    rng = np.random.default_rng(seed)
    pictures, found = [], []
    for i in range(30):
        corner, side = rng.uniform(0, 300, (5, 2)), rng.uniform(20, 80, (5, 2))
        truth = np.concatenate((corner, corner + side), 1).astype(np.float32)
        truth = truth[: rng.integers(0, 6)]
        guess = np.concatenate((truth + rng.normal(0, 6, truth.shape), truth[:2] + 90))
        scores = np.sort(rng.random(len(guess)))[::-1]
        order = rng.permutation(len(guess))
        picture = Picture(Path(f"{i}.jpg"), 400, 400, truth, ("fish",) * len(truth), str(i // 3))
        pictures.append(picture)
        found.append(Found(guess[order].astype(np.float32), scores.astype(np.float32)))
    return found, DataSet(pictures)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    found, data = _random(seed)
    sheets = [
        Sheet(400, 400, p.boxes, [ANY] * len(p.boxes), f.boxes, f.scores, [ANY] * len(f.scores))
        for f, p in zip(found, data.pictures, strict=True)
    ]
    truth, results = as_coco(sheets, [ANY])
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    ap, ap50 = average_precision(found, data)
    assert ap == pytest.approx(run.stats[0], abs=1e-3)
    assert ap50 == pytest.approx(run.stats[1], abs=1e-3)
    assert metrics.average_precision_50(hits(found, data)) == pytest.approx(run.stats[1], abs=1e-3)


def test_the_best_threshold_is_no_worse_than_any_other() -> None:
    found, data = _random(5)
    rows = hits(found, data)
    best = metrics.best_f1(rows)
    assert best == metrics.at_threshold(rows, best.threshold)
    for threshold in np.linspace(0, 1, 51):
        assert metrics.at_threshold(rows, float(threshold)).f1 <= best.f1 + 1e-9


def test_false_alarms_count_pictures_without_fish_only() -> None:
    box = np.array([[0, 0, 9, 9]], np.float32)
    none = np.zeros((0, 4), np.float32)
    pictures = [
        Picture(Path("a"), 9, 9, none, (), "a"),
        Picture(Path("b"), 9, 9, none, (), "b"),
        Picture(Path("c"), 9, 9, box, ("fish",), "c"),
    ]
    score = np.array([0.6], np.float32)
    found = [Found(box, score), Found(none, score[:0]), Found(box, score)]
    rows = hits(found, DataSet(pictures))
    assert metrics.false_alarms(rows, 0.5) == (1, 2)
    assert metrics.false_alarms(rows, 0.7) == (0, 2)


def test_calibration_error_of_known_cases() -> None:
    sure = np.array([[0.9, 0.1]] * 10)
    assert metrics.calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0, abs=1e-9)
    assert metrics.calibration_error(sure, np.array([0] * 5 + [1] * 5)) == pytest.approx(0.4)


def test_log_loss_of_a_uniform_guess() -> None:
    assert metrics.log_loss(np.full((7, 8), 1 / 8), np.arange(7)) == pytest.approx(math.log(8))
    assert metrics.log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(
        -math.log(1e-15)
    )


def test_the_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (4000, 4))
    chances = softmax(logits, 1.0)
    truth = np.array([rng.choice(4, p=row) for row in chances])
    assert metrics.fit_temperature(logits * 2.0, truth) == pytest.approx(2.0, rel=0.08)
    assert metrics.calibration_error(softmax(logits * 2, 2.0), truth) < 0.03


def test_an_interval_over_groups_is_wider_than_its_rows_pretend() -> None:
    """Ten groups of ten equal rows carry the information of ten rows."""
    values = np.repeat(np.random.default_rng(1).normal(0, 1, 10), 10)
    rows = np.arange(100)

    def mean(drawn: np.ndarray) -> float:
        return float(values[drawn].mean())

    grouped = metrics.interval([str(i // 10) for i in rows], mean)
    single = metrics.interval([str(i) for i in rows], mean)
    assert grouped[1] - grouped[0] > 2 * (single[1] - single[0])
    assert grouped[0] <= mean(rows) <= grouped[1]
