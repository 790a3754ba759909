"""What a training sees: sampling, weights of pictures, labels without boxes, bounded memory."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deckwatch_training import catalogue, config, pixels, runs, sampling
from deckwatch_training.catalogue import Catalogue, Entry
from deckwatch_training.classification import ClassificationTask
from deckwatch_training.config import RunConfig, TrainConfig
from deckwatch_training.detection import DetectionTask
from deckwatch_training.distributed import Group
from deckwatch_training.label_files import LabelRow, rows_of, write_rows
from deckwatch_training.sampling import Seen
from deckwatch_vision.errors import BrokenImage, UsageError
from deckwatch_vision.images import encode_jpeg

SPECIES = {code: code for code in ("NoF", "OTHER", "SHARK")}


def _seen(table: dict[tuple[str, str], int]) -> list[Seen]:
    return [Seen(code, boat) for (boat, code), n in table.items() for _ in range(n)]


def _shares(rows: list[Seen], how: str) -> dict[tuple[str, str], float]:
    likely = sampling.weights(rows, how)
    assert likely is not None
    assert likely.sum() == pytest.approx(1)
    found: Counter[tuple[str, str]] = Counter()
    for row, share in zip(rows, likely, strict=True):
        found[str(row.vessel), row.code] += share
    return {key: round(value, 6) for key, value in found.items()}


def test_sampling_by_species_and_by_vessel() -> None:
    rows = _seen({("a", "ALB"): 90, ("a", "SHARK"): 10, ("b", "ALB"): 400})
    assert sampling.weights(rows, "natural") is None
    by_class = _shares(rows, "class")
    assert by_class["a", "SHARK"] == pytest.approx(0.5)
    assert by_class["a", "ALB"] + by_class["b", "ALB"] == pytest.approx(0.5)
    root = _shares(rows, "sqrt")
    assert root["a", "SHARK"] / (root["a", "ALB"] + root["b", "ALB"]) == pytest.approx(
        (10 / 490) ** 0.5, rel=1e-4
    )
    by_vessel = _shares(rows, "vessel")
    assert by_vessel["a", "ALB"] == by_vessel["a", "SHARK"] == pytest.approx(0.25)
    assert by_vessel["b", "ALB"] == pytest.approx(0.5)
    weighed = [Seen("ALB", "a", 3.0), Seen("ALB", "a", 1.0), Seen("ALB", "b", 0.0)]
    assert sampling.weights(weighed, "weights").tolist() == [0.75, 0.25, 0.0]  # type: ignore[union-attr]


@pytest.mark.parametrize("parts", [1, 2])
def test_processes_share_every_step_of_one(parts: int) -> None:
    run = RunConfig(batch=8, accumulate=parts)
    order = list(np.random.default_rng(0).permutation(40))
    held = [sampling.mine(order, 5, run, Group(rank, 2), 0) for rank in (0, 1)]
    for step in range(5):
        whole = sorted(order[step * 8 : step * 8 + 8])
        pieces = [i for each in held for i in each[step * 4 : step * 4 + 4]]
        assert sorted(pieces) == whole
    later = [sampling.mine(order, 5, run, Group(rank, 2), 3) for rank in (0, 1)]
    assert later == [each[3 * 4 :] for each in held]
    assert sampling.mine(order, 5, RunConfig(batch=8), Group(), 2) == order[16:]
    # Fewer examples than a batch: nobody waits for an example that does not come.
    few = [sampling.mine([3, 1, 2], 1, run, Group(rank, 2), 0) for rank in (0, 1)]
    assert [len(each) for each in few] == [4, 4]


def _write(folder: Path, entries: list[Entry]) -> Path:
    """A data set of flat pictures, each of its own brightness."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, entry in enumerate(entries):
        flat = np.full((entry.height, entry.width, 3), 20 + i, np.uint8)
        (folder / entry.file).write_bytes(encode_jpeg(flat))
    catalogue.write(Catalogue(folder, tuple(entries)), folder / catalogue.FILE)
    return folder / catalogue.FILE


def _config(task: str, train: Path, **sections: Any) -> TrainConfig:
    document = {
        "task": task, "name": task,
        "data": {"train": train, "valid": train, "species": SPECIES, "held_back": 0},
        "model": {"architecture": "squeezenet1_1", "input_size": 32},
        "run": {"epochs": 1, "batch": 2, "workers": 0, "threads": 1},
    }  # fmt: skip
    if task == "detector":
        document["model"] = {"architecture": "yolox_nano", "input_size": 32}
    for name, section in sections.items():
        document[name] = {**document[name], **section}  # type: ignore[dict-item]
    return TrainConfig.model_validate(document)


def _box(code: str) -> tuple[catalogue.Box, ...]:
    return (catalogue.Box(code, 4, 4, 20, 12),)


def _entries() -> list[Entry]:
    found = [Entry(f"alb{i}.jpg", 48, 32, _box("OTHER"), vessel="a") for i in range(6)]
    found += [Entry("shark.jpg", 48, 32, _box("SHARK"), vessel="a")]
    found += [Entry("mixed.jpg", 48, 32, _box("OTHER") + _box("SHARK"), vessel="b")]
    return [*found, Entry("empty.jpg", 48, 32, vessel="b")]


def test_weights_of_a_file_decide_what_is_seen(tmp_path: Path) -> None:
    path = _write(tmp_path / "set", _entries())
    rows = [row for entry in catalogue.read(path).entries for row in rows_of(entry)]
    weighed = [
        LabelRow(row.image, row.label, row.vessel, row.box, 8.0 if row.label == "SHARK" else 0.5)
        for row in rows
    ]
    write_rows(tmp_path / "weights.csv", weighed, weights=True)
    data = {"data": {"weights": tmp_path / "weights.csv"}}

    detector = _config("detector", path, **data)
    assert sampling.kind(detector) == "weights"
    train, held = runs.training_data(detector)
    found = {picture.path.name: picture.weight for picture in train.pictures}
    assert found["shark.jpg"] == found["mixed.jpg"] == 8.0, "the rarest fish decides"
    assert found["alb0.jpg"] == found["empty.jpg"] == 0.5
    task = runs.build_task(detector, train, held)
    assert isinstance(task, DetectionTask)
    assert task.weights is not None
    assert task.weights.sum() == pytest.approx(1)
    likely = dict(zip((p.path.name for p in task.train.pictures), task.weights, strict=True))
    assert likely["shark.jpg"] == pytest.approx(16 * likely["empty.jpg"])

    classifier = _config("classifier", path, **data)
    task = runs.build_task(classifier, *runs.training_data(classifier))
    assert isinstance(task, ClassificationTask)
    assert task.weights is not None
    by_code: dict[tuple[str, str], float] = {}
    for row, share in zip(task.rows, task.weights, strict=True):
        if row.box:
            by_code[row.picture.path.name, row.code] = share
    # On one picture each fish has the weight of its own species.
    assert by_code["mixed.jpg", "SHARK"] == pytest.approx(16 * by_code["mixed.jpg", "OTHER"])

    other = _config("classifier", path)
    assert runs.digest(classifier, train, held) != runs.digest(other, train, held)


def test_a_weights_file_of_another_data_set_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "set", _entries())
    write_rows(tmp_path / "w.csv", [LabelRow("alb0.jpg", "OTHER")], weights=True)
    with pytest.raises(UsageError, match=r"w\.csv has no row for 8 of 9 training pictures.*alb1"):
        runs.training_data(_config("detector", path, data={"weights": tmp_path / "w.csv"}))
    with pytest.raises(UsageError, match=r"give the file as data\.weights"):
        runs.training_data(_config("detector", path, run={"sampling": "weights"}))


@pytest.mark.parametrize("how", ["class", "vessel", "sqrt"])
def test_a_detector_sees_pictures_of_rare_fish_more_often(tmp_path: Path, how: str) -> None:
    loaded = _config("detector", _write(tmp_path, _entries()), run={"sampling": how})
    task = runs.build_task(loaded, *runs.training_data(loaded))
    assert isinstance(task, DetectionTask)
    assert task.weights is not None
    likely = dict(zip((p.path.name for p in task.train.pictures), task.weights, strict=True))
    assert likely["shark.jpg"] > likely["alb0.jpg"]
    assert likely["mixed.jpg"] >= likely["alb0.jpg"]
    first, again = (next(iter(task.batches(0)))[0] for _ in range(2))
    assert (first == again).all()


def _labelled() -> list[Entry]:
    found = [Entry(f"crop{i}.jpg", 32, 32, label="SHARK", vessel=f"v{i}") for i in range(4)]
    found += [Entry(f"deck{i}.jpg", 32, 32, label="NoF", vessel=f"v{i}") for i in range(2)]
    return [*found, Entry("boxed.jpg", 48, 32, _box("OTHER"), label="OTHER", vessel="v0")]


def test_labels_without_boxes_teach_the_classifier_whole_pictures(tmp_path: Path) -> None:
    path = _write(tmp_path, _labelled())
    loaded = _config("classifier", path)
    train, _ = runs.training_data(loaded)
    task = ClassificationTask(runs.build_classifier(loaded), loaded, train, train)
    rows = Counter((row.picture.path.name, row.box, row.code) for row in task.rows)
    for i in range(4):
        # No windows "without fish" where nobody has said where the fish is.
        assert [key for key in rows if key[0] == f"crop{i}.jpg"] == [
            (f"crop{i}.jpg", None, "SHARK")
        ]
    assert rows["deck0.jpg", None, "NoF"] == 1
    assert rows["deck0.jpg", (), "NoF"] == rows["boxed.jpg", (), "NoF"] == 2
    # They are validated on as well.
    held = Counter((row.picture.path.name, row.box) for row in task.held_back)
    assert held["crop0.jpg", None] == 1
    assert held["boxed.jpg", None] == 0
    assert set(task.validate(task.net)) == {"macro_recall", "accuracy", "log_loss"}


def test_a_detector_is_not_taught_that_unboxed_fish_are_none(tmp_path: Path) -> None:
    loaded = _config("detector", _write(tmp_path, _labelled()))
    task = runs.build_task(loaded, *runs.training_data(loaded))
    assert isinstance(task, DetectionTask)
    assert [p.path.name for p in task.train.pictures] == ["deck0.jpg", "deck1.jpg", "boxed.jpg"]
    only = _config("detector", _write(tmp_path / "crops", _labelled()[:4]))
    with pytest.raises(UsageError, match="no training pictures with boxes"):
        runs.build_task(only, *runs.training_data(only))


def test_a_label_that_is_not_mapped_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path, [Entry("a.jpg", 48, 32, _box("TUNA"))])
    with pytest.raises(UsageError, match=r"label 'TUNA', which data\.species does not map"):
        runs.training_data(_config("detector", path))


def test_a_data_set_may_be_larger_than_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [Entry(f"{i:02}.jpg", 256, 256, _box("OTHER"), vessel=f"v{i}") for i in range(12)]
    path = _write(tmp_path / "set", entries)
    cache = pixels.Cache(0)
    monkeypatch.setattr(pixels, "CACHE", cache)
    monkeypatch.setattr("deckwatch_training.detection.CACHE", cache)
    one = 256 * 256 * 3
    logs = []
    for megabytes, held in ((1, 5), (64, 12), (0, 0)):
        loaded = _config("detector", path, data={"cache_mb": megabytes})
        runs.train(loaded, tmp_path / f"run{megabytes}", track=False)
        assert (len(cache), cache.size) == (held, held * one)
        row = json.loads((tmp_path / f"run{megabytes}/log.jsonl").read_text())
        logs.append(row["loss"])
    assert logs[0] == logs[1] == logs[2], "what is kept changes nothing but the time"


def test_the_cache_makes_room_for_another_data_set(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _write(tmp_path / name, [Entry(f"{i}.jpg", 256, 256) for i in range(4)])
    cache = pixels.Cache(1)
    first, second = (sorted((tmp_path / name).glob("*.jpg")) for name in ("a", "b"))
    cache.fill(first, 1)
    assert len(cache) == 4
    cache.fill(second, 1)
    assert len(cache) == 4
    held = cache.read(second[0])
    assert held is cache.read(second[0])
    assert cache.read(first[0]) is not cache.read(first[0]) or len(cache) == 5
    assert not held.flags.writeable
    (tmp_path / "broken.jpg").write_bytes(first[0].read_bytes()[:300])
    with pytest.raises(BrokenImage, match=r"broken\.jpg"):
        cache.read(tmp_path / "broken.jpg")
    with pytest.raises(UsageError, match="Cannot read the picture"):
        cache.read(tmp_path / "missing.jpg")


def test_a_run_config_refuses_an_unknown_sampling(configs: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.sampling"):
        config.load(configs / "detector.yaml", ["run.sampling=fair"])
