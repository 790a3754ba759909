"""Dividing: what must stay together stays together, and species are on every side they can be."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from deckwatch_training import catalogue, split
from deckwatch_training.catalogue import Box, Catalogue, Entry
from deckwatch_training.counting import count, of_split
from deckwatch_training.looks import Look
from deckwatch_vision.errors import UsageError
from tests.training.data.helpers import deckwatch_data, rows, save

SHARES = {"train": 0.7, "calibrate": 0.1, "valid": 0.2}
Simulated = tuple[Path, Catalogue, list[Look]]


def fleet(vessels: int, pictures: int, seed: int = 0) -> Catalogue:
    """Vessels that each catch mostly one kind, and rare kinds on a few of them."""
    rng = random.Random(seed)
    entries = []
    for vessel in range(vessels):
        usual = rng.choice(("ALB", "YFT", "BET"))
        for n in range(pictures):
            rare = "LAG" if vessel % 4 == 0 and n < 3 else "SHARK" if vessel % 3 == 0 else usual
            code = rare if rng.random() < 0.3 or n < 3 else usual
            boxes = tuple(Box(code, 1, 1, 20, 20) for _ in range(rng.randint(0, 2)))
            entries.append(
                Entry(f"{vessel}/{n}.jpg", 96, 72, boxes, None if boxes else "NoF", f"v{vessel}")
            )
    return Catalogue(Path(), tuple(entries))


def sides(data: Catalogue, key: str) -> dict[str, set[str]]:
    """For each vessel, camera or group the splits that it is on."""
    found: dict[str, set[str]] = {}
    for entry in data.entries:
        if name := getattr(entry, key):
            found.setdefault(name, set()).add(str(entry.split))
    return found


def test_vessels_are_never_divided_and_shares_are_met() -> None:
    done = split.divide(fleet(24, 20), SHARES)
    assert done.units == 24
    assert all(len(each) == 1 for each in sides(done.catalogue, "vessel").values())
    for name, share in SHARES.items():
        assert len(of_split(done.catalogue, name)) / 480 == pytest.approx(share, abs=0.04)
    assert done.warnings == ()


def test_every_species_is_on_every_side_where_it_can_be() -> None:
    """LAG is on six of 24 vessels and SHARK on eight, so no side has to go without."""
    for seed in range(3):
        done = split.divide(fleet(24, 20, seed), SHARES, seed=seed)
        for name in SHARES:
            assert {"LAG", "SHARK", "ALB", "YFT"} <= set(count(of_split(done.catalogue, name)))
        total = count(done.catalogue.entries)
        held = count(of_split(done.catalogue, "valid"))
        assert held["SHARK"] / total["SHARK"] == pytest.approx(0.2, abs=0.12)


def test_the_same_seed_divides_alike_and_another_differently() -> None:
    data = fleet(30, 6)
    first = split.divide(data, SHARES, seed=1).catalogue
    assert split.divide(data, SHARES, seed=1).catalogue.entries == first.entries
    assert split.divide(data, SHARES, seed=2).catalogue.entries != first.entries


def test_cameras_groups_and_duplicates_stay_together() -> None:
    entries = [Entry(f"{i}.jpg", 9, 9, label="ALB") for i in range(60)]
    for i in range(0, 60, 3):
        entries[i] = replace(entries[i], camera=f"c{i // 6}")
        entries[i + 1] = replace(entries[i + 1], group=f"g{i // 6}")
    near = [[2, 5, 8], [8, 11], [0, 14]]  # chains, and one that ties a camera to a loose picture
    done = split.divide(Catalogue(Path(), tuple(entries)), SHARES, near=near)
    assert all(len(each) == 1 for each in sides(done.catalogue, "camera").values())
    found = [entry.split for entry in done.catalogue.entries]
    assert found[2] == found[5] == found[8] == found[11]
    assert found[0] == found[6 - 3] == found[14]
    # Who divides later, without the hashes, keeps them together by the group.
    assert len({done.catalogue.entries[i].group for i in (2, 5)}) == 1
    assert done.catalogue.entries[2].group is not None
    assert all(len(each) == 1 for each in sides(done.catalogue, "group").values())


def test_what_was_made_from_a_picture_stays_with_it() -> None:
    entries = [Entry(f"{i}.jpg", 9, 9, label="ALB") for i in range(20)]
    entries += [Entry(f"{i}-x.jpg", 9, 9, label="ALB", group=f"{i}.jpg") for i in range(20)]
    found = split.divide(Catalogue(Path(), tuple(entries)), SHARES).catalogue.entries
    assert all(found[i].split == found[i + 20].split for i in range(20))


def test_given_splits_are_kept_to_the_letter() -> None:
    data = fleet(12, 5)
    given = [replace(e, split="valid") if e.vessel in ("v0", "v5") else e for e in data.entries]
    given[0] = replace(given[0], group="named before")
    done = split.divide(data.having(given), {"train": 0.8, "valid": 0.2}, keep=True)
    for before, after in zip(given, done.catalogue.entries, strict=True):
        assert after == before if before.split else after.split is not None
    assert all(len(each) == 1 for each in sides(done.catalogue, "vessel").values())


def test_given_splits_that_divide_a_vessel_are_told() -> None:
    data = fleet(3, 4)
    given = [replace(e, split="train" if i % 2 else "valid") for i, e in enumerate(data.entries)]
    done = split.divide(data.having(given), SHARES, keep=True)
    assert done.catalogue.entries == tuple(given)
    assert "3 vessels, cameras or groups of duplicates stand on several sides" in done.warnings[0]
    # calibrate was neither given nor needed for any picture, so nobody misses it.
    assert not any("calibrate" in text for text in done.warnings)


def test_what_cannot_be_is_said() -> None:
    entries = [Entry(f"{v}{n}.jpg", 9, 9, label="ALB", vessel=v) for v in "abc" for n in range(4)]
    entries.append(Entry("shark.jpg", 9, 9, label="SHARK", vessel="a"))
    told = split.divide(Catalogue(Path(), tuple(entries)), SHARES).warnings
    assert sum("SHARK is not in" in text for text in told) == 2
    assert any("1 vessel, camera or group" in text for text in told)
    two = split.divide(Catalogue(Path(), tuple(entries[:8])), SHARES).warnings
    assert any("is empty: there are fewer vessels" in text for text in two)


def test_vessels_that_share_pictures_are_told() -> None:
    entries = [Entry(f"{v}.jpg", 9, 9, label="ALB", vessel=v) for v in "abcdef"]
    done = split.divide(Catalogue(Path(), tuple(entries)), SHARES, near=[[0, 3]])
    assert done.catalogue.entries[0].split == done.catalogue.entries[3].split
    assert done.warnings[0].startswith("a, d have pictures in common")


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"train": 0.5}, "sum to 0.5"),
        ({"train": 1.2, "valid": -0.2}, "sum to 1"),
        ({"train": 0.5, "dev": 0.5}, "No split dev"),
    ],
)
def test_wrong_shares_are_refused(shares: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        split.divide(fleet(3, 1), shares)


def test_a_data_set_is_divided_by_the_command(vessels: Simulated, tmp_path: Path) -> None:
    folder, data, _ = vessels
    done = deckwatch_data("split", folder, "--out", tmp_path / "divided", "--seed", 3)
    found = catalogue.read(tmp_path / "divided")
    assert [e.file for e in found.entries] == [e.file for e in data.entries]
    assert all(found.path(entry).exists() for entry in found.entries)
    assert all(len(each) == 1 for each in sides(found, "vessel").values())
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["split", "pictures", "vessels"]
    assert lines[4].split()[:3] == ["all", "48", "6"]
    assert not (tmp_path / "divided/cameras.csv").exists()  # the vessels are known
    again = tmp_path / "again"
    deckwatch_data("split", folder, "--out", again, "--seed", 3)
    wanted = json.loads((tmp_path / "divided/data.json").read_text())
    assert json.loads((again / "data.json").read_text())["images"] == wanted["images"]
    with pytest.raises(UsageError, match="holds a data set already"):
        deckwatch_data("split", folder, "--out", again)


def test_cameras_are_guessed_shown_corrected_and_taken_back(
    vessels: Simulated, tmp_path: Path
) -> None:
    _, data, _ = vessels
    nameless = tmp_path / "nameless"
    catalogue.write(
        data.having(replace(e, vessel=None, camera=None) for e in data.entries),
        nameless / "data.json",
    )
    first = tmp_path / "first"
    done = deckwatch_data("split", nameless, "--out", first)
    assert "cameras were guessed" in done.stderr
    assert (first / "cameras.html").read_text().count("<h2>") >= 4
    guessed = {row["image"]: row["camera"] for row in rows(first / "cameras.csv")}
    found = catalogue.read(first)
    assert {e.file: e.camera or "" for e in found.entries} == guessed
    assert all(len(each) == 1 for each in sides(found, "camera").values())
    # A person who knows writes the right names.
    corrected = tmp_path / "cameras.csv"
    lines = [f"{entry.file},{entry.camera}" for entry in data.entries]
    corrected.write_text("\n".join(["image,camera", *lines]) + "\n")
    second = tmp_path / "second"
    deckwatch_data("split", nameless, "--out", second, "--cameras", corrected)
    taken = catalogue.read(second)
    assert [e.camera for e in taken.entries] == [e.camera for e in data.entries]
    assert all(len(each) == 1 for each in sides(taken, "camera").values())
    corrected.write_text("image,camera\nother.jpg,bow\n")
    with pytest.raises(UsageError, match="names no picture of the data set"):
        deckwatch_data("split", nameless, "--out", tmp_path / "x", "--cameras", corrected)


def test_near_duplicates_are_on_one_side_without_any_other_fact(tmp_path: Path) -> None:
    folder = tmp_path / "in/ALB"
    for i in range(12):
        save(folder / f"{i}-a.jpg", i, 320, 240)
        save(folder / f"{i}-b.jpg", i, 320, 240, quality=40)
    deckwatch_data("import", tmp_path / "in", "--out", tmp_path / "data")
    done = deckwatch_data(
        "split", tmp_path / "data", "--out", tmp_path / "divided", "--by", "picture",
        "--shares", "train=.5,valid=.5",
    )  # fmt: skip
    assert "12 of near-duplicate pictures" in done.stdout
    found = catalogue.read(tmp_path / "divided")
    assert Counter(entry.split for entry in found.entries) == {"train": 12, "valid": 12}
    assert all(len(each) == 1 for each in sides(found, "group").values())
    assert len(sides(found, "group")) == 12


def test_a_picture_that_is_gone_is_told(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / f"in/ALB/{i}.jpg", i)
    deckwatch_data("import", tmp_path / "in", "--out", tmp_path / "data")
    (tmp_path / "in/ALB/2.jpg").unlink()
    done = deckwatch_data("split", tmp_path / "data", "--out", tmp_path / "d", code=3)
    assert "1 pictures cannot be read" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--by", "boat"], "vessel, group, picture"), (["--shares", "train"], "is no share")],
)
def test_wrong_words_are_named(
    vessels: Simulated, tmp_path: Path, words: list[str], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        deckwatch_data("split", vessels[0], "--out", tmp_path / "d", *words)
