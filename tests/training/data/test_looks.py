"""Looks, duplicates among them, and cameras guessed from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image

from deckwatch_training import cameras, catalogue, duplicates, facts, looks
from deckwatch_training.catalogue import Catalogue, Entry
from deckwatch_training.looks import Look
from deckwatch_training.unions import Unions
from deckwatch_vision.errors import BrokenImage, ImageError, UnreadableImage, UsageError
from deckwatch_vision.images import encode_jpeg
from tests.training.data.helpers import paint, save

Simulated = tuple[Path, Catalogue, list[Look]]


def adjusted_rand(one: list[str], other: list[str]) -> float:
    """Hubert and Arabie 1985: 1 for the same clusters, about 0 for clusters by chance."""
    table = np.zeros((len(set(one)), len(set(other))))
    for a, b in zip(one, other, strict=True):
        table[sorted(set(one)).index(a), sorted(set(other)).index(b)] += 1

    def pairs(n: np.ndarray) -> float:
        return float((n * (n - 1) / 2).sum())

    both, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    chance = rows * columns / pairs(table.sum(keepdims=True))
    return (both - chance) / ((rows + columns) / 2 - chance)


def test_a_look_is_noted_and_found_again_by_content_alone(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.jpg", i) for i in range(3)]
    seen = looks.survey([*paths, tmp_path / "gone.jpg"], workers=1)
    assert isinstance(seen[3], UnreadableImage)
    looks.write(tmp_path, [*seen, seen[0]])
    noted = looks.read(tmp_path)
    assert list(noted.values()) == seen[:3]
    # Another file with the same content is known; a file whose content changed is not.
    moved = paths[0].rename(tmp_path / "moved.jpg")
    wrong = {key: replace(each, night=True) for key, each in noted.items()}
    save(paths[1], 9)
    again = looks.survey([moved, paths[1]], wrong, workers=1)
    assert isinstance(again[0], Look)
    assert isinstance(again[1], Look)
    assert (again[0].night, again[1].night) == (True, False)


def test_a_damaged_note_only_costs_time(tmp_path: Path) -> None:
    seen = looks.survey([save(tmp_path / f"{i}.jpg", i) for i in range(3)], workers=1)
    looks.write(tmp_path, seen)
    lines = (tmp_path / looks.FILE).read_text().splitlines()
    (tmp_path / looks.FILE).write_text("\n".join([lines[0], lines[1][:50]]))
    assert list(looks.read(tmp_path).values()) == seen[:1]


def test_the_hashes_are_those_of_the_field() -> None:
    """pHash and dHash as `imagehash` has them, but for the few bits that scaling turns."""
    for seed in range(12):
        pixels = paint(seed, 320, 240)
        look = looks.look(encode_jpeg(pixels, 95))
        image = Image.fromarray(pixels)
        for ours, theirs in (
            (look.phash, imagehash.phash(image)), (look.dhash, imagehash.dhash(image)),
        ):  # fmt: skip
            bits = np.unpackbits(np.frombuffer(ours.to_bytes(8, "big"), np.uint8))
            assert (bits.reshape(8, 8) != theirs.hash).sum() <= 6


def changed(pixels: np.ndarray, how: str) -> np.ndarray:
    if how == "half as large":
        return cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    if how == "brighter":
        return np.clip(pixels * 1.15, 0, 255).astype(np.uint8)
    if how == "noisy":
        noise = np.random.default_rng(0).normal(0, 8, pixels.shape)
        return np.clip(pixels + noise, 0, 255).astype(np.uint8)
    return pixels


@pytest.mark.parametrize("how", ["saved at quality 40", "half as large", "brighter", "noisy"])
def test_copies_are_found_and_other_pictures_are_not(how: str) -> None:
    pictures = [paint(seed, 320, 240) for seed in range(20)]
    seen = [looks.look(encode_jpeg(p, 95)) for p in pictures]
    seen += [looks.look(encode_jpeg(changed(p, how), 40)) for p in pictures]
    found = duplicates.find(seen)
    assert found.exact == []
    assert found.near == [[i, i + 20] for i in range(20)]


def test_the_bands_find_every_pair_that_comparing_all_finds() -> None:
    rng = np.random.default_rng(1)
    hashes = [int(v) for v in rng.integers(0, 2**63, 300, dtype=np.uint64)]
    for i in range(300):  # a relative of each, at every distance from 0 to 12
        turned = hashes[i]
        for bit in rng.choice(64, i % 13, replace=False):
            turned ^= 1 << int(bit)
        hashes.append(turned)
    seen: list[Look | ImageError] = [
        Look(str(i), 1, 1, h, h, False, b"") for i, h in enumerate(hashes)
    ]
    seen.insert(5, BrokenImage("no picture"))
    wanted = Unions(len(seen))
    for i, one in enumerate(seen):
        for j in range(i):
            other = seen[j]
            if isinstance(one, Look) and isinstance(other, Look):
                apart = (one.phash ^ other.phash).bit_count()
                if apart <= duplicates.NEAR_PHASH:
                    wanted.join(i, j)
    assert duplicates.find(seen).near == wanted.groups(least=2)
    with pytest.raises(UsageError, match="0 to 7 bits"):
        duplicates.find(seen, phash_bits=8)


def test_both_hashes_must_agree() -> None:
    seen = [Look(str(i), 1, 1, 77, dhash, False, b"") for i, dhash in enumerate((0, 2**40 - 1))]
    assert duplicates.find(seen).near == []


def test_equal_files_are_exact_and_near() -> None:
    data = encode_jpeg(paint(0), 90)
    seen = [looks.look(data), looks.look(encode_jpeg(paint(1), 90)), looks.look(data)]
    assert duplicates.find(seen) == duplicates.Duplicates([[0, 2]], [[0, 2]])


def test_frames_without_anything_on_them_are_no_duplicates() -> None:
    """Black frames of ten vessels would chain them all together."""
    black = encode_jpeg(np.full((72, 96, 3), 3, np.uint8), 90)
    noise = np.random.default_rng(0).normal(3, 2, (72, 96, 3)).clip(0, 255).astype(np.uint8)
    seen = [looks.look(each) for each in (black, black, encode_jpeg(noise, 80))]
    assert all(look.flat for look in seen)
    assert duplicates.find(seen) == duplicates.Duplicates([[0, 1]], [])
    assert not looks.look(encode_jpeg(paint(0), 90)).flat


def test_duplicates_are_never_of_two_simulated_vessels(vessels: Simulated) -> None:
    _, data, seen = vessels
    for group in duplicates.find(seen).near:
        assert len({data.entries[i].vessel for i in group}) == 1


def test_cameras_are_found_by_their_background(vessels: Simulated) -> None:
    _, data, seen = vessels
    found = cameras.find(seen, range(len(seen)))
    names = [found.get(i, f"alone {i}") for i in range(len(seen))]
    assert adjusted_rand([str(entry.camera) for entry in data.entries], names) > 0.8
    assert found == cameras.find(seen, range(len(seen)))
    # Only those that were asked for, and none that stands alone.
    assert cameras.find(seen, [0]) == {}


def test_many_pictures_are_clustered_in_turns(
    vessels: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, data, seen = vessels
    monkeypatch.setattr(cameras, "AT_ONCE", 25)
    found = cameras.find(seen, range(len(seen)))
    names = [found.get(i, f"alone {i}") for i in range(len(seen))]
    assert adjusted_rand([str(entry.camera) for entry in data.entries], names) > 0.7


def test_pictures_of_another_size_are_of_another_camera() -> None:
    data = encode_jpeg(paint(3, 96, 72), 90)
    small = encode_jpeg(np.asarray(cv2.resize(paint(3, 96, 72), (64, 48)), np.uint8), 90)
    found = cameras.find([looks.look(each) for each in (data, data, small, small)], range(4))
    assert found[0] == found[1] != found[2] == found[3]


def test_cameras_go_through_a_file_that_people_correct(tmp_path: Path) -> None:
    entries = [Entry(f"{name}.jpg", 10, 10) for name in "abc"]
    entries.append(Entry("d.jpg", 10, 10, vessel="Aurora"))
    data = Catalogue(tmp_path, tuple(entries))
    cameras.write_csv(tmp_path / "cameras.csv", data, {0: "camera-01", 1: "camera-01"})
    text = (tmp_path / "cameras.csv").read_text()
    assert text == "image,camera\na.jpg,camera-01\nb.jpg,camera-01\nc.jpg,\n"
    (tmp_path / "cameras.csv").write_text(text.replace("c.jpg,", "c.jpg,bow"))
    read = facts.read(tmp_path / "cameras.csv")
    assert [read.of(Path(e.file)).get("camera") for e in data.entries] == [
        "camera-01", "camera-01", "bow", None,
    ]  # fmt: skip


def test_the_page_of_cameras_shows_each(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / f"{name}.jpg", ord(name))
    data = Catalogue(tmp_path, tuple(Entry(f"{name}.jpg", 96, 72) for name in "abc"))
    guessed = {0: "camera-01", 1: "camera-01", 2: "camera-02"}
    cameras.write_page(tmp_path / "cameras.html", data, guessed, "cameras.csv")
    html = (tmp_path / "cameras.html").read_text()
    assert html.count("data:image/jpeg") == 3
    assert "camera-01: 2 pictures" in html
    assert "--cameras" in html


def test_a_data_set_is_looked_at_by_its_folder_or_its_file(vessels: Simulated) -> None:
    folder, data, seen = vessels
    assert looks.survey_catalogue(data, folder, workers=1) == seen
    assert looks.data_file(folder) == folder / catalogue.FILE
    assert looks.nights(data, seen) == [entry.night for entry in data.entries]
