"""The deck simulator: what it draws is true to its labels, repeatable, and says what it is."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from deckwatch_training import catalogue, simulate
from deckwatch_training.catalogue import Catalogue
from deckwatch_training.simulate.camera import Camera
from deckwatch_training.simulate.fish import KINDS, paint
from deckwatch_training.simulate.folder import VERSION, Drawer, read_truth
from deckwatch_training.simulate.laying import UNDER_PEOPLE, Layer
from deckwatch_training.simulate.pictures import render
from deckwatch_training.simulate.vessels import COMPETITION, EVERYWHERE, vessel
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import decode
from deckwatch_vision.species import NCFM, NO_FISH

SIZE = (160, 90)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Two hundred and forty small pictures of six vessels."""
    folder = tmp_path_factory.mktemp("simulated") / "fleet"
    return simulate.write(folder, pictures=240, vessels=6, seed=3, size=SIZE, splits=True)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_workers(
    fleet: Catalogue, tmp_path: Path
) -> None:
    simulate.write(
        tmp_path / "two", pictures=240, vessels=6, seed=3, size=SIZE, splits=True, workers=2
    )
    assert files(tmp_path / "two") == files(fleet.root)


def test_another_seed_gives_other_pictures(fleet: Catalogue, tmp_path: Path) -> None:
    other = simulate.write(tmp_path / "other", pictures=12, vessels=6, seed=4, size=SIZE)
    for entry in other.entries:
        assert other.path(entry).read_bytes() != fleet.path(entry).read_bytes()


def test_a_larger_simulation_begins_with_the_smaller(fleet: Catalogue, tmp_path: Path) -> None:
    out = tmp_path / "out"
    simulate.write(out, pictures=30, vessels=6, seed=3, size=SIZE)
    begun = {name: (out / name).stat().st_mtime_ns for name in files(out) if "/" in name}
    whole = simulate.write(out, pictures=240, vessels=6, seed=3, size=SIZE, splits=True)
    assert whole.entries == fleet.entries
    assert files(out) == files(fleet.root)
    # What was there was not drawn again.
    assert {name: (out / name).stat().st_mtime_ns for name in begun} == begun


def test_an_interrupted_simulation_is_continued(
    fleet: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Drawer.__call__
    calls = 0

    def cut(self: Drawer, numbers: list[int]) -> object:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return whole(self, numbers)

    def write() -> Catalogue:
        return simulate.write(
            tmp_path / "cut", pictures=240, vessels=6, seed=3, size=SIZE, splits=True, workers=1
        )

    with monkeypatch.context() as patch:
        patch.setattr(Drawer, "__call__", cut)
        with pytest.raises(KeyboardInterrupt):
            write()
    assert not (tmp_path / "cut" / catalogue.FILE).exists()
    assert any((tmp_path / "cut").glob("*/*.jpg"))
    write()
    assert files(tmp_path / "cut") == files(fleet.root)


def test_boxes_are_tight_around_what_is_visible() -> None:
    plan = simulate.Simulation(9, 3, (192, 108), 0.3, skew=0.3)
    checked = 0
    for number in range(60):
        of = plan.vessel(number)
        frame = plan.frame(number)
        layer: list[Layer] = []

        class Kept(Layer):
            def __init__(self, *given: object) -> None:
                super().__init__(*given)  # type: ignore[arg-type]
                layer.append(self)  # noqa: B023 - called within this turn of the loop

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("deckwatch_training.simulate.pictures.Layer", Kept)
            _, seen = render(plan.seed, of, frame)
        assert len(seen) == len(layer[0].laid)
        for i, each in enumerate(seen, start=1):
            rows, columns = np.nonzero(layer[0].owner == i)
            x, y, width, height = each.box
            assert (columns.min(), rows.min()) == (x, y)
            assert (columns.max() + 1, rows.max() + 1) == (x + width, y + height)
            assert len(rows) >= UNDER_PEOPLE * layer[0].laid[i - 1].area * 0.5
            checked += 1
    assert checked > 40


def test_people_and_other_fish_hide_parts_of_fish() -> None:
    plan = simulate.Simulation(2, 4, (192, 108), 0.0, skew=0.3)
    hidden = 0
    for number in range(60):
        kept: list[Layer] = []

        class Kept(Layer):
            def hide(self, mask: np.ndarray) -> bool:
                before = np.count_nonzero(self.owner)
                stood = super().hide(mask)
                kept.extend([self] * (np.count_nonzero(self.owner) < before))  # noqa: B023
                return stood

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("deckwatch_training.simulate.pictures.Layer", Kept)
            render(plan.seed, plan.vessel(number), plan.frame(number))
        hidden += bool(kept)
    assert hidden >= 8


def test_entries_tell_where_and_when(fleet: Catalogue) -> None:
    assert Counter(entry.vessel for entry in fleet.entries) == {
        f"vessel-{i:02d}": 40 for i in range(1, 7)
    }
    for one, next_ in pairwise(fleet.entries):
        if one.vessel == next_.vessel:
            assert datetime.fromisoformat(one.captured_at or "") < datetime.fromisoformat(
                next_.captured_at or ""
            )
        else:
            assert one.camera != next_.camera
    for entry in fleet.entries:
        hour = datetime.fromisoformat(entry.captured_at or "").hour
        assert entry.night == (hour >= 19)
        assert (entry.label == NO_FISH) == (not entry.boxes)
        for box in entry.boxes:
            assert box.x >= 0
            assert box.y >= 0
            assert box.x + box.width <= entry.width
            assert box.y + box.height <= entry.height
    nights = sum(bool(entry.night) for entry in fleet.entries)
    assert 0.15 < nights / len(fleet) < 0.45


def test_splits_never_divide_a_vessel(fleet: Catalogue) -> None:
    of = {(entry.vessel, entry.split) for entry in fleet.entries}
    assert len(of) == 6
    assert {split for _, split in of} == {"train", "calibrate", "valid", "test"}
    for count in (1, 2, 3, 4, 7):
        given = simulate.folder._splits(count)
        assert len(given) == count
        assert "valid" in given.values()
        assert count == 1 or "train" in given.values()


def test_bursts_show_the_same_scene_and_sequences_stand_still(tmp_path: Path) -> None:
    still = simulate.write(
        tmp_path / "still", pictures=24, vessels=1, seed=1, size=SIZE, frames=12, night_share=0
    )
    pixels = [decode(still.path(e).read_bytes()).astype(int) for e in still.entries]
    within = [float(np.abs(a - b).mean()) for a, b in pairwise(pixels[:12])]
    across = float(np.abs(pixels[0] - pixels[12]).mean())
    assert max(within) < across
    # Fish come and go before the same deck.
    assert len({tuple(e.boxes) for e in still.entries[:12]}) > 1


def test_lookalikes_stand_on_the_empty_deck_and_have_no_box() -> None:
    plain = simulate.Simulation(5, 1, (320, 180), 0.0)
    planted = simulate.Simulation(5, 1, (320, 180), 0.0, lookalikes=3)
    of = plain.vessel(0)
    changed = []
    for number in (0, 40):
        bare, seen = render(5, of, plain.frame(number), plain.lookalikes)
        full, also = render(5, of, planted.frame(number), planted.lookalikes)
        assert seen == also
        changed.append(np.abs(bare.astype(int) - full.astype(int)).max(2) > 12)
    both = changed[0] & changed[1]
    # In the same places whatever happens on deck.
    assert both.sum() > 150
    assert both.sum() < 0.4 * both.size


def test_frequencies_are_skewed_like_the_competition_and_differ_by_vessel() -> None:
    mixes = [vessel(0, i, SIZE, 1.0).mix for i in range(12)]
    for mix in mixes:
        assert sum(mix.values()) == pytest.approx(1)
        assert all(mix[code] > 0 for code in EVERYWHERE)
    # A few vessels lack a species that others have.
    assert {code for mix in mixes for code in mix if mix[code] == 0} >= {"BET", "LAG"}
    mean = {code: sum(mix[code] for mix in mixes) / 12 for code in COMPETITION}
    assert mean["ALB"] > mean["YFT"] > mean["OTHER"] > mean["LAG"]
    even = [vessel(0, i, SIZE, 0.0).mix for i in range(12)]
    assert all(0.05 < sum(mix[code] for mix in even) / 12 < 0.2 for code in COMPETITION)


def test_every_species_is_drawn_and_is_one_of_the_competition(fleet: Catalogue) -> None:
    assert set(KINDS) == set(NCFM.codes) - {NO_FISH}
    assert set(fleet.labels()) == set(NCFM.codes)


def test_vessels_differ_in_camera_and_deck() -> None:
    fleet = [vessel(0, i, SIZE, 1.0) for i in range(5)]
    assert len({each.deck for each in fleet}) == 5
    assert len({each.camera for each in fleet}) == 5
    assert {each.vision for each in fleet} == {"grey", "green"}


def _painted(code: str) -> tuple[np.ndarray, np.ndarray]:
    """A fish's colours [N, 3] and its mask."""
    sprite = paint(KINDS[code][0], 192, np.random.default_rng(0))
    mask = sprite[..., 3] > 200
    return sprite[mask][:, :3].astype(float), mask


def test_species_have_their_telling_features() -> None:
    colours, shapes = {}, {}
    for code in KINDS:
        colours[code], shapes[code] = _painted(code)

    def slender(code: str) -> float:
        rows, columns = np.nonzero(shapes[code])
        return float(np.ptp(columns) / np.ptp(rows))

    def share(code: str, test: np.ndarray) -> float:
        return float(test.mean())

    def yellow(code: str) -> float:
        red, green, blue = colours[code].T
        return share(code, (red > 140) & (green > 110) & (blue < 0.5 * red))

    # Opah: the roundest, with red fins. Shark: the most slender but for some others, and grey.
    assert slender("LAG") == min(slender(code) for code in KINDS)
    assert slender("SHARK") > slender("BET")
    red, green, _ = colours["LAG"].T
    assert share("LAG", (red > 150) & (green < 0.45 * red)) > 0.08
    assert np.ptp(colours["SHARK"].mean(0)) < 20
    # Yellowfin: yellow sickles, which the other tunas lack.
    assert yellow("YFT") > 3 * max(yellow("ALB"), 0.01)
    assert yellow("YFT") > 2 * yellow("BET")
    # Dolphinfish: green and gold.
    red, green, blue = colours["DOL"].T
    assert share("DOL", (green > blue + 25) & (green > 60)) > 0.3


def test_the_camera_projects_what_it_sees_on_deck() -> None:
    camera = Camera(320, 180, 3.0, 0.8, 0.3, 0.05, 1.1)
    pixels = np.array(((20.0, 60.0), (160.0, 90.0), (300.0, 170.0)))
    spots = camera.on_deck(pixels)
    flat = np.column_stack((spots, np.zeros(3)))
    assert camera.project(flat) == pytest.approx(pixels)
    seen = np.column_stack((spots, np.ones(3))) @ camera.deck.T
    assert seen[:, :2] / seen[:, 2:] == pytest.approx(pixels)
    up = Camera(320, 180, 3.0, 0.1, 0.0, 0.0, 1.1)
    assert np.isnan(up.on_deck(np.array((160.0, 0.0)))).all()


def test_everything_says_that_it_is_simulated(fleet: Catalogue) -> None:
    document = json.loads((fleet.root / catalogue.FILE).read_text())
    assert "simulated" in document["info"]["name"]
    assert document["info"]["simulation"]["version"] == VERSION
    assert "photograph" in (fleet.root / "README.txt").read_text()
    for entry in fleet.entries[:20]:
        assert "simulated" in entry.file
        assert (entry.source, entry.licence) == ("simulated", "CC0-1.0 (simulated)")
        data = fleet.path(entry).read_bytes()
        assert b"simulated picture" in data[:120]
        truth = read_truth(data, fleet.path(entry))
        assert [box[0] for box in truth["boxes"]] == [box.label for box in entry.boxes]


def test_is_simulated(fleet: Catalogue, tmp_path: Path) -> None:
    assert simulate.is_simulated(fleet)
    assert simulate.is_simulated(fleet.info)
    assert simulate.is_simulated({"name": "ours and a simulated one"})
    # Mixed into others its pictures still tell.
    assert simulate.is_simulated(Catalogue(tmp_path, fleet.entries[:1]))
    plain = Catalogue(tmp_path, (catalogue.Entry("a.jpg", 4, 4, source="trip 12"),), {"name": "x"})
    assert not simulate.is_simulated(plain)


def test_wide_pictures_carry_the_recorders_line() -> None:
    plan = simulate.Simulation(0, 1, (640, 360), 0.0)
    strip = render(0, plan.vessel(0), plan.frame(0))[0][-16:, :300]
    assert (strip.min(2) > 190).sum() > 60


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "seed -1"),
        ({"vessels": 0}, "0 vessels"),
        ({"size": (10, 10)}, "size 10 x 10"),
        ({"night_share": 1.5}, "night share 1.5"),
        ({"skew": -1.0}, "skew -1.0"),
        ({"frames": 0}, "0 frames"),
        ({"lookalikes": 99}, "99 look-alikes"),
        ({"pictures": 0}, "0 pictures"),
    ],
)
def test_values_that_make_no_sense_are_refused(
    wrong: dict[str, object], message: str, tmp_path: Path
) -> None:
    given: dict[str, object] = {"pictures": 2, "vessels": 1, "seed": 0, "size": SIZE} | wrong
    with pytest.raises(UsageError, match=message):
        simulate.write(tmp_path / "out", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_refused(fleet: Catalogue, tmp_path: Path) -> None:
    def write(folder: Path, pictures: int = 240, seed: int = 3) -> None:
        simulate.write(folder, pictures=pictures, vessels=6, seed=seed, size=SIZE)

    (tmp_path / "mine.txt").write_text("notes")
    with pytest.raises(UsageError, match="is not empty"):
        write(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        write(tmp_path / "mine.txt")
    with pytest.raises(UsageError, match=r"another simulation \(seed 3, not 4"):
        write(fleet.root, seed=4)
    with pytest.raises(UsageError, match="at least 240"):
        write(fleet.root, pictures=100)
    with pytest.raises(UsageError, match="Cannot write"):
        write(tmp_path / "mine.txt" / "below")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "simulation.json").write_text("{")
    with pytest.raises(UsageError, match="is damaged"):
        write(tmp_path / "bad")


def test_a_foreign_file_in_the_place_of_a_picture_is_named(tmp_path: Path) -> None:
    simulate.write(tmp_path / "out", pictures=2, vessels=1, seed=0, size=SIZE)
    strange = tmp_path / "out" / "vessel-01" / "simulated-000000.jpg"
    strange.write_bytes(b"\xff\xd8\xff\xe0 something else")
    with pytest.raises(UsageError, match=r"simulated-000000.jpg was not written by"):
        simulate.write(tmp_path / "out", pictures=2, vessels=1, seed=0, size=SIZE)
