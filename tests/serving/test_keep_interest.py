"""Which answers are worth a person's label, and why."""

from __future__ import annotations

import pytest

from deckwatch_serving.keep.interest import Policy, cells, judge
from deckwatch_serving.keep.record import MAX_NAME, Kept, Origin
from deckwatch_vision.errors import UsageError
from tests.serving.keeping import kept, likelihoods, picture, result, shark, sure, unsure

DATA = picture(0)


def test_a_sure_answer_is_dull() -> None:
    assert judge(sure(DATA), Policy(), {}).score == 0
    of = likelihoods(NoF=0.99)
    assert judge(result(DATA, of), Policy(), {}).reasons == {}


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (likelihoods(OTHER=0.55), "unsure"),
        (likelihoods(OTHER=0.6, NoF=0.39), "unsure"),  # not by `below`, nor by `margin` alone
        (likelihoods(NoF=0.5, RAY=0.45), "unsure"),
    ],
)
def test_close_calls(of: dict[str, float], reason: str) -> None:
    policy = Policy(below=0.65, margin=0.2, sensitive=())
    assert reason in judge(result(DATA, of), policy, {}).reasons


def test_a_fish_may_be_unsure_though_the_picture_is_not() -> None:
    answer = result(DATA, likelihoods(OTHER=0.98), (0.9, likelihoods(OTHER=0.5, RAY=0.49)))
    interest = judge(answer, Policy(sensitive=()), {})
    assert interest.reasons == {"unsure": 0.99}
    assert interest.score == pytest.approx(0.8 * 0.99)


def test_sensitive_species_even_where_they_are_only_possible() -> None:
    assert judge(shark(DATA), Policy(), {}).reasons == {"sensitive": 0.95}
    hint = result(DATA, likelihoods(OTHER=0.8, SHARK=0.18), (0.9, likelihoods(OTHER=0.9)))
    assert set(judge(hint, Policy(), {}).reasons) == {"sensitive"}
    assert judge(hint, Policy(sensitive=("TURTLE",)), {}).reasons == {}


def test_fish_and_picture_contradict_each_other() -> None:
    fish = result(DATA, likelihoods(NoF=0.9), (0.9, likelihoods(OTHER=0.9)))
    none = result(DATA, likelihoods(OTHER=0.9))
    assert judge(fish, Policy(), {}).reasons == {"contradiction": 0.9}
    assert judge(none, Policy(), {}).reasons["contradiction"] > 0.9


def test_faint_fish() -> None:
    of = likelihoods(OTHER=0.97)
    assert judge(result(DATA, of, (0.9, of), (0.45, of)), Policy(), {}).reasons == {"faint": 0.5}


def test_what_was_seldom_seen_wears_off() -> None:
    origin = Origin(vessel="Aurora", camera="2")
    assert cells(origin, night=True) == ["vessel:Aurora", "camera:Aurora/2", "night:Aurora/2"]
    assert cells(Origin(), night=True) == ["night:/"]
    scores = [
        judge(sure(DATA), Policy(seldom=10), dict.fromkeys(cells(origin, False), count)).score
        for count in (0, 5, 9, 10, 500)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.8
    assert scores[3:] == [0, 0]


def test_a_sample_is_of_the_share_asked_for_and_always_the_same() -> None:
    digests = [f"{number * 2654435761 % 2**32:08x}" + "0" * 56 for number in range(1000)]

    def drawn() -> list[bool]:
        policy = Policy(sample=0.1)
        return [bool(judge(sure(DATA), policy, {}, sha256=each).reasons) for each in digests]

    assert 80 <= sum(drawn()) <= 120
    assert drawn() == drawn()


def test_reasons_add_up() -> None:
    answer = result(DATA, likelihoods(SHARK=0.5, RAY=0.45), (0.9, likelihoods(SHARK=0.9)))
    interest = judge(answer, Policy(), {"vessel:x": 0})
    assert set(interest.reasons) == {"sensitive", "unsure", "vessel"}
    assert judge(unsure(DATA), Policy(), {}).score < interest.score < 1


def test_a_record_survives_its_json() -> None:
    record, _ = kept(3, origin=Origin("Aurora", "2", "2026-07-01T05:00:00+00:00"))
    assert Kept.from_json(record.to_json(), "here") == record
    assert record.picture == f"{record.sha256[:2]}/{record.sha256}.jpg"
    assert record.answer == "OTHER"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"schema": 9}', b'{"schema": 1, "sha256": "../x"}'])
def test_another_file_is_no_record(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"some\.json is no record of a kept picture"):
        Kept.from_json(data, "some.json")


def test_an_origin_takes_what_senders_write() -> None:
    assert Origin.of(" Aurora\n", "2\0", "2026-07-01 05:00") == Origin(
        "Aurora", "2", "2026-07-01T05:00:00"
    )
    assert Origin.of("", None, "yesterday") == Origin()
    assert Origin.of("x" * 1000).vessel == "x" * MAX_NAME
