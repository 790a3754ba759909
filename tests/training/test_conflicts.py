"""Where a model and people disagree: found, ranked, and shown."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deckwatch_serving.keep import FolderStore
from deckwatch_serving.local import LocalRecogniser
from deckwatch_training import catalogue
from deckwatch_training.catalogue import Box, Catalogue, Entry
from deckwatch_training.conflicts import compare, rank
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import encode_jpeg
from tests.serving.keeping import likelihoods, picture, result
from tests.tiny_release import tiny_picture
from tests.training.collecting import record, run

DATA = picture(0)
OF = likelihoods(OTHER=0.9)
SHARK, OTHER = likelihoods(SHARK=0.8), likelihoods(OTHER=0.7)


def entry(*boxes: Box, label: str | None = None) -> Entry:
    return Entry("a.jpg", 128, 96, boxes, label)


def box(code: str, place: int = 0, by: float = 0) -> Box:
    """Where `result` puts its fish number `place`, moved by some pixels."""
    return Box(code, 10.0 + 20 * place + by, 20, 50, 50)


def test_agreement_is_no_conflict() -> None:
    answer = result(DATA, OF, (0.9, SHARK))
    assert compare(entry(box("SHARK", by=8)), answer) == []
    assert compare(entry(label="NoF"), result(DATA, likelihoods(NoF=0.9))) == []
    assert compare(entry(), result(DATA, likelihoods(NoF=0.9))) == []
    assert compare(entry(label="OTHER"), result(DATA, OF)) == []


def test_another_species() -> None:
    (found,) = compare(entry(box("RAY", by=5)), result(DATA, OF, (0.9, SHARK)))
    assert (found.kind, found.model, found.people) == ("species", "SHARK", "RAY")
    assert found.certainty == found.likelihood == 0.8
    assert found.people_likelihood == SHARK["RAY"]
    assert (found.model_box, found.people_box) == (box("SHARK"), box("RAY", by=5))


def test_extra_and_missed_fish() -> None:
    answer = result(DATA, likelihoods(OTHER=0.9, RAY=0.06), (0.93, OTHER))
    extra, missed = sorted(compare(entry(box("RAY", by=60)), answer), key=lambda each: each.kind)
    assert (extra.kind, extra.model, extra.people, extra.certainty) == (
        "extra",
        "OTHER",
        "NoF",
        0.93,
    )
    assert (missed.kind, missed.model, missed.people) == ("missed", "NoF", "RAY")
    assert missed.certainty == pytest.approx(0.94)
    (alone,) = compare(entry(), answer)
    assert alone.kind == "extra"


def test_each_fish_is_matched_once_and_best_first() -> None:
    answer = result(DATA, OF, (0.9, OTHER), (0.9, SHARK))  # 20 pixels apart
    people = entry(box("SHARK", 1), box("OTHER", 0, by=4))
    assert compare(people, answer, overlap=0.3) == []
    (found,) = compare(entry(box("SHARK", 1)), answer, overlap=0.3)
    assert (found.kind, found.model) == ("extra", "OTHER")


def test_a_picture_without_boxes_is_compared_by_its_class() -> None:
    (found,) = compare(entry(label="SHARK"), result(DATA, OF, (0.9, OTHER)))
    assert (found.kind, found.model, found.people, found.certainty) == (
        "picture", "OTHER", "SHARK", 0.9,
    )  # fmt: skip
    assert compare(entry(label="ALB"), result(DATA, OF)) == []
    # No fish to outline, and yet the model thinks that there is one.
    (found,) = compare(entry(), result(DATA, OF))
    assert (found.kind, found.model, found.people) == ("picture", "OTHER", "NoF")


def test_a_species_that_the_model_lacks_is_no_conflict_of_species() -> None:
    answer = result(DATA, OF, (0.9, OTHER))
    assert compare(entry(box("ALB")), answer) == []
    (missed,) = [c for c in compare(entry(box("ALB", by=70)), answer) if c.kind == "missed"]
    assert missed.certainty == 0


def test_the_most_certain_comes_first() -> None:
    found = [
        conflict
        for score in (0.6, 0.95, 0.7)
        for conflict in compare(entry(), result(DATA, OF, (score, OTHER)))
    ]
    assert [each.certainty for each in rank(found)] == [0.95, 0.7, 0.6]


@pytest.fixture(scope="module")
def agreed(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures whose labels are what the tiny release says of them."""
    folder = tmp_path_factory.mktemp("agreed")
    (folder / "pictures").mkdir()
    recogniser = LocalRecogniser(tiny_repository)
    entries, answers = [], []
    for seed in range(3):
        data = encode_jpeg(tiny_picture(fish=seed, species=("SHARK",), seed=seed))
        file = folder / "pictures" / f"{seed}.jpg"
        file.write_bytes(data)
        answer = recogniser.recognise(data, file=str(file))
        boxes = []
        for fish in answer.fish:
            x1, y1, x2, y2 = fish.box
            boxes.append(Box(fish.label, x1, y1, x2 - x1, y2 - y1))
        label = None if boxes else "NoF"
        entries.append(Entry(f"{seed}.jpg", 320, 240, tuple(boxes), label, split="train"))
        answers.append(json.dumps(answer.as_dict()))
    assert [bool(each.boxes) for each in entries] == [False, True, True]
    catalogue.write(Catalogue(folder / "pictures", tuple(entries)), folder / "data.json")
    (folder / "answers.jsonl").write_text("\n".join(answers) + "\n")
    return folder


@pytest.fixture
def disputed(agreed: Path, tmp_path: Path) -> Callable[..., Path]:
    """The same with other labels: call it with a change of the entries."""

    def write(change: Callable[[list[Entry]], list[Entry]]) -> Path:
        data = catalogue.read(agreed)
        path = tmp_path / "disputed.json"
        catalogue.write(data.having(change(list(data.entries))), path)
        return path

    return write


def _three_faults(entries: list[Entry]) -> list[Entry]:
    none, one, many = entries
    return [
        replace(none, boxes=(Box("SHARK", 10, 10, 60, 40),), label=None),
        replace(one, boxes=(replace(one.boxes[0], label="OTHER"), *one.boxes[1:])),
        replace(many, boxes=many.boxes[1:]),
    ]


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "conflicts.csv").open() as file:
        return list(csv.DictReader(file))


def test_nothing_to_look_at_where_all_agree(
    agreed: Path, tiny_repository: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shown = run("conflicts", agreed, "--out", out, "--repository", tiny_repository, "--least", 0)
    assert "0 conflicts in 3 pictures" in shown
    assert _rows(out) == []


@pytest.mark.parametrize("source", ["model", "file"])
def test_three_faults_are_found_by_asking_and_by_remembering(
    source: str, agreed: Path, disputed: Callable[..., Path], tiny_repository: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    how = {
        "model": ("--repository", tiny_repository),
        "file": ("--answers", agreed / "answers.jsonl"),
    }
    shown = run("conflicts", disputed(_three_faults), "--out", out, "--least", 0, *how[source])
    assert "3 conflicts in 3 pictures" in shown
    rows = _rows(out)
    assert {(row["image"], row["kind"], row["model"], row["people"]) for row in rows} == {
        ("0.jpg", "missed", "NoF", "SHARK"),
        ("1.jpg", "species", "SHARK", "OTHER"),
        ("2.jpg", "extra", "SHARK", "NoF"),
    }
    certain = [float(row["certainty"]) for row in rows]
    assert certain == sorted(certain, reverse=True)
    missed = next(row for row in rows if row["kind"] == "missed")
    assert [missed[key] for key in ("x", "y", "width", "height")] == [
        "10.0",
        "10.0",
        "60.0",
        "40.0",
    ]
    page = (out / "conflicts.html").read_text()
    assert page.count("data:image/jpeg") == 3
    assert "tiny 1" in page
    with pytest.raises(UsageError, match="--force"):
        run("conflicts", agreed, "--out", out)
    run("conflicts", agreed, "--out", out, "--force", "--repository", tiny_repository)
    assert _rows(out) == []


def test_answers_of_kept_pictures(tmp_path: Path) -> None:
    one, data = record(1, answer=result(picture(1), OF, (0.9, OTHER)))
    store = FolderStore(tmp_path / "kept")
    store.keep(one, data)
    store.close()
    (tmp_path / "deck.jpg").write_bytes(data)
    (tmp_path / "other.jpg").write_bytes(picture(2))
    entries = (entry(box("SHARK")), entry())
    named = tuple(
        replace(each, file=name)
        for each, name in zip(entries, ("deck.jpg", "other.jpg"), strict=True)
    )
    catalogue.write(Catalogue(tmp_path, named), tmp_path / "data.json")
    out = tmp_path / "out"
    shown = run("conflicts", tmp_path, "--answers", tmp_path / "kept", "--out", out)
    assert "1 conflicts in 1 pictures" in shown
    assert "1 pictures have no recorded answer" in shown
    assert [(row["image"], row["people"]) for row in _rows(out)] == [("deck.jpg", "SHARK")]


def test_broken_pictures_and_strange_codes_are_told(
    agreed: Path, tiny_repository: Path, tmp_path: Path
) -> None:
    data = catalogue.read(agreed)
    first, second, third = data.entries
    gone = replace(first, file="gone.jpg")
    albacore = replace(second, boxes=tuple(replace(each, label="ALB") for each in second.boxes))
    catalogue.write(data.having([gone, albacore, third]), tmp_path / "data.json")
    shown = run(
        "conflicts", tmp_path, "--out", tmp_path / "out", "--repository", tiny_repository, code=3
    )
    assert "0 conflicts in 2 pictures" in shown
    assert "gone.jpg" in shown
    assert "does not know ALB" in shown


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nowhere"], "No data set nowhere"),
        (["{data}", "--split", "test"], "no pictures of the split 'test'"),
        (["{data}", "--answers", "nowhere"], "There is no folder nowhere"),
        (["{data}", "--answers", "{data}/data.json"], r"data\.json, line 1: no result"),
        (["{data}", "--answers", "x", "--repository", "y"], "Give one of them"),
    ],
)
def test_a_users_mistake_is_one_sentence(
    words: list[str], what: str, agreed: Path, tmp_path: Path
) -> None:
    given = [word.replace("{data}", str(agreed)) for word in words]
    with pytest.raises(UsageError, match=what):
        run("conflicts", *given, "--out", tmp_path / "out")
