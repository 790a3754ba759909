"""The numbers behind a scorecard, against other implementations and by hand."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from deckwatch_training import metrics
from deckwatch_training.coco import Sheet, as_coco, mean_of, precision_table, size_of
from deckwatch_training.competition import WINNERS, applies
from deckwatch_training.estimates import measured, per_class, rounded
from deckwatch_training.folds import fold_of
from deckwatch_training.metrics import Hits, Ranking
from deckwatch_vision.errors import UsageError
from deckwatch_vision.species import NCFM

NAMES = ("ALB", "DOL", "SHARK")


def _sheets(seed: int) -> list[Sheet]:
    rng = np.random.default_rng(seed)
    sheets = []
    for _ in range(25):
        corner = rng.uniform(0, 300, (5, 2))
        side = np.exp(rng.uniform(np.log(12), np.log(200), (5, 2)))
        truth = np.concatenate((corner, corner + side), 1).astype(np.float32)
        truth = truth[: rng.integers(0, 6)]
        guess = np.concatenate((truth + rng.normal(0, 5, truth.shape), truth[:2] + 70))
        names = rng.choice(NAMES[:2], len(truth)).tolist()
        labels = [
            name if rng.random() < 0.7 else str(rng.choice(NAMES)) for name in (*names, *names[:2])
        ]
        scores = np.sort(rng.random(len(guess)))[::-1].astype(np.float32)
        sheets.append(Sheet(500, 500, truth, names, guess.astype(np.float32), scores, labels))
    return sheets


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_by_species_and_size_is_that_of_pycocotools(seed: int) -> None:
    sheets = _sheets(seed)
    table = precision_table(sheets, NAMES)
    truth, results = as_coco(sheets, NAMES)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    theirs = run.eval["precision"][..., -1]
    assert mean_of(table[..., 0]) == pytest.approx(run.stats[0], abs=1e-3)
    for size in range(4):
        for species in range(2):
            mine = mean_of(table[:, :, species, size])
            found = theirs[:, :, species, size]
            assert mine == pytest.approx(found[found > -1].mean(), abs=1e-3)
    # Nobody caught a shark: its precision is not known, rather than nothing.
    assert np.isnan(table[:, :, 2]).all()


def test_without_truth_or_answers_precision_is_unknown_or_nothing() -> None:
    none = np.zeros((0, 4), np.float32)
    box = np.array([[0, 0, 40, 40]], np.float32)
    empty = Sheet(50, 50, none, [], none, np.zeros(0, np.float32), [])
    assert np.isnan(precision_table([empty], NAMES)).all()
    missed = Sheet(50, 50, box, ["ALB"], none, np.zeros(0, np.float32), [])
    assert mean_of(precision_table([missed], NAMES)[..., 0]) == 0.0


def test_sizes_are_cocos() -> None:
    sides = (31.9, 32, 95.9, 96)
    assert [size_of(s * s) for s in sides] == ["small", "medium", "medium", "large"]


def test_drawing_pictures_weighs_the_ranking_as_if_they_were_there_so_often() -> None:
    rng = np.random.default_rng(3)
    rows = [
        Hits(
            np.sort(rng.random(6).astype(np.float32))[::-1], rng.random(6) < 0.5,
            int(rng.integers(3, 8)), "a",
        )
        for _ in range(12)
    ]  # fmt: skip
    ranking = Ranking(rows)
    for _ in range(20):
        drawn = rng.integers(0, 12, 12)
        again = metrics.average_precision_50([rows[i] for i in drawn])
        assert ranking.ap50(np.bincount(drawn, minlength=12)) == pytest.approx(again, abs=1e-12)


def test_recall_and_precision_by_hand() -> None:
    found = np.eye(3)[[0, 0, 1, 1, 1, 2]] * 0.8 + 0.05
    truth = np.array([0, 1, 1, 1, 0, 1])
    part = per_class(found, truth, list("aabbcc"), NAMES)
    assert part["recall"] == {"ALB": 0.5, "DOL": 0.5}
    assert part["precision"] == {"ALB": 0.5, "DOL": 0.6667, "SHARK": 0.0}
    assert part["macro_recall"][0] == 0.5
    assert part["confusion"] == {"ALB": [1, 1, 0], "DOL": [1, 2, 1], "SHARK": [0, 0, 0]}


def test_one_vessel_has_no_interval_and_no_rows_no_value() -> None:
    values = np.array([0.0, 1.0, 1.0])
    assert measured(["a", "a", "a"], lambda drawn: float(values[drawn].mean())) == [
        0.6667, None, None,
    ]  # fmt: skip
    assert measured([], lambda drawn: 0.0) == [None, None, None]
    assert rounded(float("nan")) is None


def test_draws_without_the_measure_are_left_out() -> None:
    values = np.array([np.nan, 0.5, 0.5])
    value, low, high = measured(
        ["a", "b", "c"],
        lambda drawn: (
            float(np.nanmean(values[drawn])) if not np.isnan(values[drawn]).all() else float("nan")
        ),
    )
    assert (value, low, high) == (0.5, 0.5, 0.5)


def test_reliability_adds_up_to_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    found = rng.dirichlet(np.ones(4), 500)
    truth = rng.integers(0, 4, 500)
    rows = metrics.reliability(found, truth)
    assert sum(row["count"] for row in rows) == 500
    error = sum(row["count"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / 500
    assert metrics.calibration_error(found, truth) == pytest.approx(error)
    assert all(row["low"] <= row["confidence"] <= row["high"] for row in rows)


def test_few_rows_do_not_make_a_temperature_extreme() -> None:
    logits = np.array([[4.0, 0.0], [3.0, 0.0]])
    right = metrics.fit_temperature(logits, np.array([0, 0]))
    many = metrics.fit_temperature(np.tile(logits, (500, 1)), np.zeros(1000, np.int64))
    assert many < 0.5 < right < 1
    assert metrics.fit_temperature(np.zeros((0, 2)), np.zeros(0, np.int64)) == 1.0


def test_the_winners_are_those_of_the_competition() -> None:
    first = WINNERS[0]
    # Macro recall is the mean of the recalls in the same row.
    for entrant in WINNERS[:3]:
        assert np.mean(list(entrant.recall.values())) == pytest.approx(
            entrant.macro_recall, abs=6e-4
        )
    assert first.log_loss == 1.062
    assert applies(reversed(NCFM.codes))
    assert not applies(NCFM.codes[1:])


def test_each_vessel_is_in_exactly_one_fold() -> None:
    rng = np.random.default_rng(1)
    units = [f"v{i}" for i in np.repeat(range(12), rng.integers(1, 30, 12))]
    species = [["ALB"] if unit in ("v1", "v2", "v3", "v4") else ["YFT"] for unit in units]
    folds = fold_of(units, 4, species)
    held: dict[str, set[int]] = {}
    for unit, fold in zip(units, folds, strict=True):
        held.setdefault(unit, set()).add(fold)
    assert all(len(each) == 1 for each in held.values())
    assert set(folds) == {0, 1, 2, 3}
    counts = np.bincount(folds)
    largest = max(units.count(unit) for unit in held)
    assert counts.max() - counts.min() <= largest
    # The four vessels that catch albacore are dealt out, one a fold.
    assert len({next(iter(held[f"v{i}"])) for i in (1, 2, 3, 4)}) == 4


def test_folds_do_not_depend_on_the_order_of_rows() -> None:
    units = [f"v{i % 7}" for i in range(40)]
    folds = dict(zip(units, fold_of(units, 3), strict=True))
    turned = units[::-1]
    assert dict(zip(turned, fold_of(turned, 3), strict=True)) == folds


@pytest.mark.parametrize(("k", "units"), [(1, "abc"), (4, "abc"), (2, "a")])
def test_folds_without_a_vessel_each_are_refused(k: int, units: str) -> None:
    with pytest.raises(UsageError, match="every fold needs one"):
        fold_of(list(units), k)
