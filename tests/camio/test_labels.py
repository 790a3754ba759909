"""From results to labels: names, probabilities, thresholds, polygons."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import piexif
import pytest

from deckwatch_gateway.camio.event import EventImage
from deckwatch_gateway.camio.labels import LabelRules, answer, image_labels, parse_names
from deckwatch_gateway.settings import Settings
from deckwatch_vision.images import decode, encode_jpeg
from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result
from deckwatch_vision.species import DEMO, NCFM, Species

RULES = LabelRules({}, 0.5, polygons=False)
POLYGONS = LabelRules({}, 0.5, polygons=True)
NOTHING = dict.fromkeys(NCFM.codes, 0.0)


def result(*fish: Fish, width: int = 100, height: int = 50, **likelihoods: float) -> Result:
    return Result(
        max(likelihoods, key=lambda code: likelihoods[code], default="NoF"),
        NOTHING | likelihoods,
        fish,
        ImageInfo(None, width, height, None),
        ReleaseInfo("tiny", 1),
    )


def fish(
    label: str,
    score: float,
    box: tuple[float, float, float, float] = (10, 5, 40, 30),
    **more: float,
) -> Fish:
    return Fish(box, score, label, NOTHING | {label: 1.0} | more)


def labels(found: Result, rules: LabelRules = RULES, **more: Any) -> dict[str, float]:
    return {
        name: one["probability"]
        for name, one in image_labels(found, rules, NCFM.species, **more).items()
    }


def test_labels_have_the_form_that_camio_shows() -> None:
    found = image_labels(result(YFT=0.93, BET=0.07), RULES, NCFM.species)
    assert found == {"yellowfin tuna": {"probability": 0.93, "polygon": []}}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("ALB", "albacore tuna"),
        ("BET", "bigeye tuna"),
        ("DOL", "mahi mahi"),
        ("LAG", "opah"),
        ("OTHER", "other fish"),
        ("SHARK", "shark"),
        ("YFT", "yellowfin tuna"),
    ],
)
def test_every_species_is_called_what_people_search_for(code: str, name: str) -> None:
    found = replace(result(), likelihoods=NOTHING | {code: 0.8})
    assert labels(found) == {name: 0.8}


def test_no_fish_is_no_label() -> None:
    assert labels(result(NoF=1.0)) == {}


@pytest.mark.parametrize(("likelihood", "there"), [(0.7, True), (0.69996, True), (0.6994, False)])
def test_only_at_or_above_the_threshold(likelihood: float, there: bool) -> None:
    rules = LabelRules({}, 0.7, polygons=False)
    assert labels(result(SHARK=likelihood), rules) == ({"shark": 0.7} if there else {})


def test_several_species_on_one_image_are_each_labelled() -> None:
    # The picture's likelihoods share 1, so that neither would reach a half by them.
    found = result(fish("SHARK", 0.95), fish("YFT", 0.9, ALB=0.0), SHARK=0.48, YFT=0.46, NoF=0.06)
    assert labels(found) == {"shark": 0.95, "yellowfin tuna": 0.9}


def test_the_higher_of_picture_and_surest_fish_counts() -> None:
    assert labels(result(fish("SHARK", 0.6), fish("SHARK", 0.7), SHARK=0.65)) == {"shark": 0.7}
    assert labels(result(fish("SHARK", 0.6), SHARK=0.9)) == {"shark": 0.9}
    doubtful = Fish((0, 0, 9, 9), 0.9, "SHARK", NOTHING | {"SHARK": 0.6, "NoF": 0.4})
    assert labels(result(doubtful, SHARK=0.1)) == {"shark": 0.54}


def test_the_most_probable_comes_first() -> None:
    found = result(fish("OTHER", 0.7), fish("SHARK", 0.9), fish("YFT", 0.8))
    assert [*labels(found)] == ["shark", "yellowfin tuna", "other fish"]


def test_probabilities_stay_between_0_and_1() -> None:
    assert labels(result(SHARK=1.0000002)) == {"shark": 1.0}


def test_names_of_the_settings_replace_the_releases() -> None:
    rules = LabelRules({"DOL": "dorado", "OTHER": ""}, 0.1, polygons=False)
    assert labels(result(DOL=0.6, OTHER=0.3, YFT=0.1), rules) == {
        "dorado": 0.6,
        "yellowfin tuna": 0.1,
    }


def test_species_of_one_name_add_up() -> None:
    rules = LabelRules(dict.fromkeys(("ALB", "BET", "YFT"), "tuna"), 0.5, polygons=False)
    assert labels(result(ALB=0.3, BET=0.25, YFT=0.2, NoF=0.25), rules) == {"tuna": 0.75}
    unsure = Fish((0, 0, 9, 9), 0.9, "ALB", NOTHING | {"ALB": 0.5, "BET": 0.4, "YFT": 0.1})
    assert labels(result(unsure, ALB=0.1), rules) == {"tuna": 0.9}


def test_a_release_without_species_has_the_usual_names() -> None:
    found = image_labels(result(RAY=0.6, LAG=0.9, EEL=0.8), RULES, ())
    assert [*found] == ["opah", "eel", "ray"]


def test_a_species_may_have_no_label() -> None:
    mute = Species("EEL", "eel", None, None, None, sensitive=False)
    assert image_labels(result(EEL=0.9), RULES, [*DEMO, mute]) == {}


def test_rules_come_from_the_settings() -> None:
    settings = Settings(camio_labels="DOL=dorado, OTHER=", camio_threshold=0.7, camio_polygons=True)
    assert LabelRules.of(settings) == LabelRules({"DOL": "dorado", "OTHER": ""}, 0.7, True)


@pytest.mark.parametrize(
    "text", ["dorado", "=dorado", "DOL=a,DOL=b", "NoF=nothing", f"DOL={'x' * 101}", "DOL=a\tb\0"]
)
def test_names_that_are_not_written_so_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"CODE=name|twice|no fish"):
        parse_names(text)


def turned(picture: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF orientation."""
    written = io.BytesIO()
    exif = piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}})
    piexif.insert(exif, picture, written)
    return written.getvalue()


def polygon(found: Result, image: EventImage | None = None) -> Any:
    [one] = image_labels(found, POLYGONS, NCFM.species, image).values()
    return one["polygon"]


def test_a_polygon_counts_from_the_bottom_left() -> None:
    found = result(fish("SHARK", 0.9, (10, 5, 40, 30)), SHARK=0.9)
    assert polygon(found) == [[0.1, 0.4], [0.4, 0.4], [0.4, 0.9], [0.1, 0.9]]


def test_a_polygon_is_that_of_the_surest_fish_of_the_label() -> None:
    found = result(
        fish("SHARK", 0.6, (0, 0, 50, 50)), fish("SHARK", 0.9, (50, 0, 100, 50)), SHARK=0.9
    )
    assert polygon(found) == [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]


def test_a_label_without_a_fish_of_its_own_has_no_polygon() -> None:
    assert polygon(result(SHARK=0.9)) == []
    assert polygon(result(fish("YFT", 0.4, SHARK=0.1), SHARK=0.9)) == []


def test_polygons_are_left_out_by_default() -> None:
    found = image_labels(result(fish("SHARK", 0.9), SHARK=0.9), RULES, NCFM.species)
    assert found["shark"]["polygon"] == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_polygons_of_turned_pictures_fit_the_stored_pixels(orientation: int) -> None:
    """A red patch is found upright by us, and in the stored pixels under the polygon."""
    stored = np.full((40, 80, 3), 40, np.uint8)
    stored[4:12, 8:32] = (255, 0, 0)
    picture = turned(encode_jpeg(stored), orientation)
    upright = decode(picture)
    height, width = upright.shape[:2]
    rows, columns = np.nonzero(upright[..., 0].astype(int) - upright[..., 1] > 100)
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    x1, y1, x2, y2 = (float(edge) for edge in edges)
    found = result(fish("SHARK", 0.9, (x1, y1, x2, y2)), width=width, height=height)
    corners = polygon(found, EventImage("t", "image/jpeg", (80, 40), picture))
    expected = [[0.1, 0.7], [0.4, 0.7], [0.4, 0.9], [0.1, 0.9]]
    assert corners == [pytest.approx(corner, abs=0.03) for corner in expected]


def test_where_camio_counts_upright_pixels_the_polygon_is_upright() -> None:
    picture = turned(encode_jpeg(np.zeros((40, 80, 3), np.uint8)), 6)
    found = result(fish("SHARK", 0.9, (0, 0, 20, 80)), width=40, height=80)
    upright = polygon(found, EventImage("t", "image/jpeg", (40, 80), picture))
    assert upright == [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
    stored = polygon(found, EventImage("t", "image/jpeg", None, picture))
    assert stored == [[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]]


def test_the_answer_is_keyed_by_timestamp_and_name() -> None:
    shark = {"shark": {"probability": 0.9, "polygon": []}}
    content = answer([("2017-05-05T01:31:14", shark), ("2017-05-05T01:31:13.738", {})])
    assert json.dumps(content) == (
        '{"status": "success", "labels": {"2017-05-05T01:31:14": {"shark": {"probability": 0.9, '
        '"polygon": []}}, "2017-05-05T01:31:13.738": {}}}'
    )


def test_an_event_without_images_has_no_labels() -> None:
    assert answer([]) == {"status": "success", "labels": {}}


def test_images_of_one_timestamp_share_their_labels() -> None:
    def seen(**probabilities: float) -> dict[str, dict[str, Any]]:
        return {
            name: {"probability": value, "polygon": []} for name, value in probabilities.items()
        }

    first, second = seen(shark=0.6, ray=0.8), seen(shark=0.9, opah=0.7)
    assert answer([("t", first), ("t", second), ("t", {})])["labels"] == {
        "t": seen(shark=0.9, ray=0.8, opah=0.7)
    }
    assert answer([("t", first)])["labels"] == {"t": first}
