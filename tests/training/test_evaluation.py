"""`deckwatch evaluate` on the tiny release: the numbers, the page, and what a user gets wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.repository import open_release
from deckwatch_training import catalogue, cli_evaluate, evaluation
from deckwatch_training.catalogue import Entry
from deckwatch_training.detection import partners
from deckwatch_training.model_card import scorecard_table
from deckwatch_vision.errors import UsageError
from deckwatch_vision.species import NCFM
from tests.tiny_release import write_tiny_release
from tests.training.evaluating import change, write_deck

CODES = ("NoF", "OTHER", "SHARK", "RAY")


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_deck(tmp_path_factory.mktemp("deck"))


@pytest.fixture(scope="module")
def card(deck: Path, tiny_repository: Path) -> dict:
    return evaluation.measure(tiny_repository, evaluation.pictures_of(deck, "valid"))[1]


def command(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(cli_evaluate.evaluate)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def _label(entry: Entry) -> str:
    area: dict[str, float] = {}
    for box in entry.boxes:
        area[box.label] = area.get(box.label, 0) + box.width * box.height
    return max(sorted(area), key=area.__getitem__) if area else "NoF"


def test_the_scorecard_says_what_production_answers(
    deck: Path, card: dict, tiny_repository: Path
) -> None:
    """Every count again from LocalRecogniser's own answers."""
    recogniser = LocalRecogniser(tiny_repository)
    data = catalogue.read(deck)
    right, losses, fish = 0, [], {code: dict.fromkeys((*CODES, "missed"), 0) for code in CODES}
    false = dict.fromkeys(CODES, 0)
    for entry in data.entries:
        answer = recogniser.recognise(data.path(entry).read_bytes())
        right += answer.label == _label(entry)
        losses.append(-np.log(answer.likelihoods[_label(entry)]))
        truth = np.array([(b.x, b.y, b.x + b.width, b.y + b.height) for b in entry.boxes])
        left = list(range(len(truth)))
        taken = partners(
            np.array([f.box for f in answer.fish], np.float32).reshape(-1, 4),
            truth.astype(np.float32).reshape(-1, 4),
        )
        for found, partner in zip(answer.fish, taken, strict=True):
            if partner < 0:
                false[found.label] += 1
            else:
                fish[entry.boxes[partner].label][found.label] += 1
                left.remove(partner)
        for place in left:
            fish[entry.boxes[place].label]["missed"] += 1
    assert card["picture"]["accuracy"][0] == pytest.approx(right / len(data), abs=1e-4)
    assert card["picture"]["log_loss"][0] == pytest.approx(np.mean(losses), abs=1e-3)
    pipeline = card["pipeline"]
    for code in CODES[1:]:
        assert pipeline["confusion"][code] == [fish[code][name] for name in pipeline["columns"]]
    assert pipeline["confusion"]["false"][:-1] == [false[c] for c in pipeline["columns"][:-1]]
    # The set is made so that the answers are neither all right nor all wrong.
    assert 0 < right < len(data)
    assert sum(fish[c][c] for c in CODES) > 0
    assert sum(fish[c]["missed"] for c in CODES) + sum(false.values()) > 0


def test_parts_of_the_scorecard_add_up(deck: Path, card: dict) -> None:
    entries = catalogue.read(deck).entries
    assert card["fish"] == sum(len(entry.boxes) for entry in entries)
    assert sum(part["fish"] for part in card["by"]["size"].values()) == card["fish"]
    light = card["by"]["light"]
    assert (light["day"]["pictures"], light["night"]["pictures"]) == (12, 4)
    vessels = card["by"]["vessel"]
    assert list(vessels) == ["v0", "v1", "v2", "v3"]
    weighed = sum(part["pictures"] * part["accuracy"][0] for part in vessels.values())
    assert card["picture"]["accuracy"][0] == pytest.approx(weighed / len(entries), abs=1e-3)
    # One vessel says nothing of others: its numbers have no interval.
    assert all(part["log_loss"][1:] == [None, None] for part in vessels.values())
    confusion = np.array(list(card["picture"]["confusion"].values()))
    assert confusion.sum() == len(entries)
    shark = confusion[2]
    assert card["picture"]["recall"]["SHARK"] == pytest.approx(shark[2] / shark.sum(), abs=1e-4)
    named = confusion[:, 1]
    precision = card["picture"]["precision"]["OTHER"]
    assert precision == pytest.approx(named[1] / named.sum(), abs=1e-4)
    assert sum(row["count"] for row in card["picture"]["reliability"]) == len(entries)
    assert card["data"]["vessels"] == 4
    low, high = card["picture"]["recall_interval"]["SHARK"]
    assert low <= card["picture"]["recall"]["SHARK"] <= high


def test_it_names_sharks_at_night_others(card: dict) -> None:
    """The disguised sharks of the night vessel are the release's only mistakes of species."""
    species = card["species"]
    assert species["confusion"]["SHARK"][1] > 0
    assert species["recall"]["OTHER"] == species["recall"]["RAY"] == 1.0
    assert card["by"]["light"]["day"]["species_accuracy"][0] == 1.0
    assert card["by"]["light"]["night"]["species_accuracy"][0] < 1.0


def test_a_label_without_boxes_tells_nothing_about_the_detector(
    deck: Path, tmp_path: Path, tiny_repository: Path
) -> None:
    data = catalogue.read(deck)
    folder = write_deck(tmp_path)
    bare = [replace(e, boxes=(), label=_label(e)) if e.vessel == "v0" else e for e in data.entries]
    change(folder, bare)
    card = evaluation.measure(tiny_repository, evaluation.pictures_of(folder, "valid"))[1]
    with_fish = [e for e in data.entries if e.vessel == "v0" and e.boxes]
    empty = [e for e in data.entries if not e.boxes]
    assert len(with_fish) > 0
    # Not one of them became a picture without fish, on which every find is a false alarm.
    assert card["detector"]["pictures_without_fish"] == len(empty)
    assert card["pictures"] == len(data)
    assert sum(map(sum, card["picture"]["confusion"].values())) == len(data)


def test_evaluate_writes_json_and_a_page(
    deck: Path, card: dict, tmp_path: Path, tiny_repository: Path
) -> None:
    result = command(deck, "--repository", tiny_repository, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "| picture: log loss |" in result.stdout
    assert json.loads((tmp_path / "out/scorecard.json").read_text()) == card
    html = (tmp_path / "out/scorecard.html").read_text()
    assert "Scorecard of tiny 1" in html
    for part in ("Finding fish", "By day and night", "By vessel", "By size of the fish"):
        assert part in html
    assert html.count("data:image/png;base64,") == 6
    assert "http" not in html.split("</style>")[1]
    assert "winners" not in html


def test_the_winners_stand_beside_the_competitions_classes(deck: Path, tmp_path: Path) -> None:
    # The tiny net's meanings stay; only the names are the competition's.
    order = ("NoF", "OTHER", "SHARK", "YFT", "ALB", "BET", "DOL", "LAG")
    labels = replace(NCFM, species=tuple(NCFM[NCFM.index(code)] for code in order))
    write_tiny_release(tmp_path / "release", labels=labels)
    folder = write_deck(tmp_path / "deck", vessels=2)
    data = catalogue.read(folder)
    change(
        folder,
        [
            replace(
                e, boxes=tuple(replace(b, label=b.label.replace("RAY", "YFT")) for b in e.boxes)
            )
            for e in data.entries
        ],
    )
    page = tmp_path / "page.html"
    result = command(folder, "--repository", tmp_path / "release", "--html", page)
    assert result.exit_code == 0, result.output
    html = page.read_text()
    assert "winners" in html
    assert ">1.062<" in html
    assert "first place" in html


def test_species_that_the_release_lacks_are_refused_or_left_out(
    tmp_path: Path, tiny_repository: Path
) -> None:
    folder = write_deck(tmp_path)
    data = catalogue.read(folder)
    change(
        folder,
        [
            replace(
                e, boxes=tuple(replace(b, label=b.label.replace("RAY", "LAG")) for b in e.boxes)
            )
            for e in data.entries
        ],
    )
    pictures = evaluation.pictures_of(folder, "valid")
    count = pictures.counts()["LAG"]
    assert count > 0
    with pytest.raises(UsageError, match=rf"LAG \({count}\).*--unknown leave-out"):
        evaluation.measure(tiny_repository, pictures)
    card = evaluation.measure(tiny_repository, pictures, unknown="leave-out")[1]
    assert card["unknown"] == {"LAG": count}
    assert card["species"]["boxes"] == card["fish"] - count
    assert sum(card["pipeline"]["confusion"]["unknown"]) == count
    # They are fish all the same.
    assert card["detector"]["recall"][0] > 0
    assert "lacks them: LAG" in "\n".join(scorecard_table(card))


def test_pictures_that_cannot_be_read_are_listed_and_left_out(
    tmp_path: Path, tiny_repository: Path
) -> None:
    folder = write_deck(tmp_path)
    (folder / "v0/0.jpg").unlink()
    (folder / "v0/1.jpg").write_bytes(b"no picture")
    entries = list(catalogue.read(folder).entries)
    entries[2] = replace(entries[2], width=100)
    change(folder, entries)
    result = command(folder, "--repository", tiny_repository, "--out", tmp_path / "card.json")
    assert result.exit_code == 3
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["pictures"] == 13
    for told, failure in zip(
        ("No such file", "v0/1.jpg", "is 96 x 96, the data set says 100 x 96"),
        card["failures"],
        strict=True,
    ):
        assert told in failure
        assert failure in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Measure on what"),
        (("DECK", "--split", "test"), r"no picture of the split 'test'; it has valid \(16\)"),
        (("DECK", "--folds", "3"), "leave out DATA"),
        (("--folds", "3"), "needs --config"),
        (("-c", "a.yaml", "-c", "b.yaml"), "Give one --config"),
    ],
)
def test_wrong_calls_say_what_to_do(deck: Path, arguments: tuple[str, ...], told: str) -> None:
    result = command(*(deck if each == "DECK" else each for each in arguments))
    assert isinstance(result.exception, UsageError)
    assert re.search(told, result.exception.message)


def test_the_table_of_older_scorecards() -> None:
    """Releases made before there was a pipeline section show what they have."""
    estimate = [0.5, 0.4, 0.6]
    old = {
        "pictures": 3, "groups": 2, "fish": 4,
        "detector": {
            **dict.fromkeys(("ap50", "f1", "recall", "precision", "false_alarm_share"), estimate),
            "ap": 0.3, "ap50_without_veto": 0.4, "threshold": 0.5,
            "pictures_without_fish": 1, "false_alarm_pictures": 0,
        },
        "species": {
            "boxes": 5, "recall": {"SHARK": 0.5},
            **dict.fromkeys(
                ("accuracy", "macro_recall", "log_loss", "calibration_error"), estimate
            ),
        },
        "picture": dict.fromkeys(("accuracy", "log_loss", "calibration_error"), estimate),
    }  # fmt: skip
    table = scorecard_table(old)
    assert "Measured on 3 photographs of 2 groups with 4 fish and 5 boxes in all." in table[0]
    assert sum(line.endswith("| 0.500 | 0.400 to 0.600 |") for line in table) == 12
    assert not any("mAP50" in line for line in table)


def test_the_shipped_release_has_a_table(repository: Path) -> None:
    release = open_release(repository, verify=False)
    assert any("AP50" in line for line in scorecard_table(release.scorecard["valid"]))
