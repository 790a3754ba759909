"""Label sets: order, lookup, and what a release may say."""

from __future__ import annotations

import pytest

from deckwatch_vision.errors import ReleaseCorrupt, UsageError
from deckwatch_vision.species import DEMO, NCFM, NO_FISH, LabelSet


def test_the_competitions_classes_and_the_demos() -> None:
    assert NCFM.codes == ("ALB", "BET", "DOL", "LAG", "NoF", "OTHER", "SHARK", "YFT")
    assert DEMO.codes == ("NoF", "OTHER", "SHARK", "RAY")
    assert [one.code for one in NCFM if one.sensitive] == ["SHARK"]
    assert [one.fao_code for one in NCFM if one.scientific_name] == [
        "ALB",
        "BET",
        "DOL",
        "LAG",
        "YFT",
    ]
    assert all(one.camio_label for one in (*NCFM, *DEMO) if one.code != NO_FISH)


@pytest.mark.parametrize("labels", [NCFM, DEMO])
def test_places_and_round_trip(labels: LabelSet) -> None:
    assert LabelSet.from_list(labels.as_list()) == labels
    assert [labels.index(code) for code in labels.codes] == list(range(len(labels)))
    assert labels[labels.no_fish].code == NO_FISH


def test_an_unknown_code_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"'TUNA'.*NoF, OTHER, SHARK, RAY"):
        DEMO.index("TUNA")


def test_what_a_label_set_may_not_be() -> None:
    rows = DEMO.as_list()
    with pytest.raises(ReleaseCorrupt, match="RAY given more than once"):
        LabelSet.from_list([*rows, rows[-1]])
    with pytest.raises(ReleaseCorrupt, match="no class 'NoF' among OTHER, SHARK, RAY"):
        LabelSet.from_list(rows[1:])
    with pytest.raises(ReleaseCorrupt, match=r"labels\[1\]\.sensitive: expected true or false"):
        LabelSet.from_list([rows[0], {**rows[1], "sensitive": "no"}])
    with pytest.raises(ReleaseCorrupt, match="expected a list of classes"):
        LabelSet.from_list({"NoF": "no fish"})
