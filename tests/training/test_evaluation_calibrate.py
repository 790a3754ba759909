"""Choosing a release's numbers on sets that lack classes, fish, boxes, or nearly everything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deckwatch_serving.net import open_net
from deckwatch_serving.repository import open_release
from deckwatch_training import calibrate, evaluation, pipeline, scorecard
from deckwatch_training.crops import examples
from deckwatch_training.dataset import DataSet, Picture
from deckwatch_training.pipeline import Heads, run_detector
from deckwatch_vision.boxes import letterbox
from deckwatch_vision.recognise import find_fish
from deckwatch_vision.release import Release
from tests.training.evaluating import write_deck


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    return evaluation.pictures_of(write_deck(tmp_path_factory.mktemp("deck")), "valid").pictures


def chosen(tiny: Path, pictures: list[Picture]) -> tuple[Release, dict[str, Any]]:
    release = open_release(tiny)
    draft = replace(release, classifier=replace(release.classifier, temperature=1.0))
    nets = [
        open_net(tiny / file, threads=1) for file in (draft.detector.file, draft.classifier.file)
    ]
    data, species = DataSet(pictures), {code: code for code in draft.labels.codes}
    return calibrate.calibrate(
        draft,
        run_detector(nets[0], pictures, draft),
        nets[1],
        scorecard.box_logits(nets[1], examples(data, species, boxes_only=True), draft),
        scorecard.fish_only(data, species),
        scorecard.picture_labels(data, species, draft),
    )


def test_all_classes_and_fish(tiny_repository: Path, pictures: list[Picture]) -> None:
    release, notes = chosen(tiny_repository, pictures)
    assert "neutral" not in notes
    assert "classes_not_held_back" not in notes
    assert notes["pictures"] == 16
    assert notes["f1"] > 0
    assert release.detector.candidate_threshold <= release.fusion.score_threshold


def test_no_fish_at_all(tiny_repository: Path, pictures: list[Picture]) -> None:
    release, notes = chosen(tiny_repository, [p for p in pictures if not len(p.boxes)])
    assert release.fusion.score_threshold == calibrate.NEUTRAL_THRESHOLD
    assert release.fusion.veto == open_release(tiny_repository).fusion.veto
    assert notes["neutral"] == [
        "temperature: no boxes held back",
        "overlap, veto: no boxes of fish held back",
    ]
    assert notes["classes_not_held_back"] == ["OTHER", "SHARK", "RAY"]


def test_labels_without_boxes(tiny_repository: Path, pictures: list[Picture]) -> None:
    """What has a label and no boxes must not count as pictures on which every find is false."""
    bare = [
        replace(p, boxes=p.boxes[:0], names=(), label=p.names[0] if p.names else "NoF")
        for p in pictures
    ]
    release, notes = chosen(tiny_repository, bare)
    assert release.fusion.score_threshold == calibrate.NEUTRAL_THRESHOLD
    assert "overlap, veto: no boxes of fish held back" in notes["neutral"]
    assert notes["picture_log_loss"] < np.log(4)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_anything(tiny_repository: Path, pictures: list[Picture], count: int) -> None:
    release, notes = chosen(tiny_repository, pictures[:count])
    assert notes["pictures"] == count
    assert 0.5 < release.classifier.temperature < 2
    assert 0.5 < release.fusion.sharpness < 2
    assert ("neutral" in notes) == (count == 0 or not any(len(p.boxes) for p in pictures[:count]))


def test_kept_heads_give_the_same_fish_as_all_of_them(
    tiny_repository: Path, pictures: list[Picture]
) -> None:
    release = open_release(tiny_repository)
    net = open_net(tiny_repository / release.detector.file, threads=1)
    picture = next(p for p in pictures if len(p.boxes))
    held = run_detector(net, [picture], release)[0]
    canvas = letterbox(pipeline.read_picture(picture), release.detector.input_size)[0]
    heads = net(canvas[None])[0]
    place = (held.fit, picture.height, picture.width)
    for trial in (release, pipeline.wide(release)):
        whole, kept = find_fish(heads, place, trial), find_fish(held.heads, place, trial)
        assert len(whole[1]) > 0
        assert np.array_equal(whole[0], kept[0])
        assert np.array_equal(whole[1], kept[1])
    quiet = Heads.of(picture, np.array([[0, 0, 1, 1, -9], [0, 0, 1, 1, 2]], np.float32), held.fit)
    assert quiet.kept.tolist() == [1]
