"""Backgrounds on disk: one file a camera, safe for any name, checked when read."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deckwatch_client.background.store import LONGEST, Background, Backgrounds, read
from deckwatch_vision.errors import UsageError

NAMES = (
    None, "", "deck-2", "Deck-2", "deck 2", "deck/2", "../deck", "C:\\deck", "CON", "camera",
    "Ünterdeck", "甲板", "a" * 300, ".", "*.npz", "x\ny",
)  # fmt: skip


def background(camera: str | None = "deck-2", **changes: Any) -> Background:
    random = np.random.default_rng(1)
    made = Background(
        random.integers(0, 255, (90, 160, 3), dtype=np.uint8),
        random.integers(0, 9, (90, 160), dtype=np.uint8),
        camera, night=False, view=1, size=(1920, 1080), pictures=40, method="median",
    )  # fmt: skip
    return replace(made, **changes)


def same(one: Background, other: Background) -> bool:
    return (
        one.about() == other.about()
        and np.array_equal(one.picture, other.picture)
        and np.array_equal(one.spread, other.spread)
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store, given = Backgrounds(tmp_path / "new" / "folder"), background()
    file = store.write(given)
    assert file.parent == store.path
    assert same(read(file), given)
    assert [path.name for path in store.path.iterdir()] == [file.name]


def test_the_same_background_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [Backgrounds(tmp_path / each).write(background()) for each in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_any_name_of_a_camera_has_a_file_of_its_own_in_the_folder(tmp_path: Path) -> None:
    store = Backgrounds(tmp_path)
    files = [store.write(background(camera, pictures=10 + i)) for i, camera in enumerate(NAMES)]
    assert all(file.parent == tmp_path and len(file.name) < 100 for file in files)
    # Also where the file system does not tell capitals from small letters.
    assert len({file.name.lower() for file in files}) == len(NAMES)
    for i, camera in enumerate(NAMES):
        assert [each.pictures for each in store.of(camera, night=False)] == [10 + i]
    assert set(store.cameras()) == set(NAMES)


def test_day_and_night_and_views_are_kept_apart(tmp_path: Path) -> None:
    store = Backgrounds(tmp_path)
    for night, view in ((False, 1), (False, 2), (True, 1)):
        store.write(background(night=night, view=view))
    assert [each.view for each in store.of("deck-2", night=False)] == [1, 2]
    assert [each.view for each in store.of("deck-2", night=True)] == [1]
    store.forget("deck-2", night=False)
    assert store.of("deck-2", night=False) == []
    assert len(store.of("deck-2", night=True)) == 1


def test_one_file_alone(tmp_path: Path) -> None:
    file = Backgrounds(tmp_path).write(background(night=True))
    alone = Backgrounds(file)
    assert [each.camera for each in alone] == ["deck-2"]
    assert len(alone.of("deck-2", night=True)) == 1
    assert alone.of("deck-2", night=False) == alone.of("other", night=True) == []


def test_an_empty_folder_knows_no_camera_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert Backgrounds(tmp_path).of("deck-2", night=False) == []
    assert Backgrounds(tmp_path).cameras() == []
    with pytest.raises(UsageError, match="nowhere"):
        Backgrounds(tmp_path / "nowhere").of("deck-2", night=False)


def packed(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def about(**changes: Any) -> Any:
    told = {"version": 1, **background().about(), **changes}
    return np.frombuffer(json.dumps(told).encode(), np.uint8)


PICTURE, SPREAD = np.zeros((90, 160, 3), np.uint8), np.zeros((90, 160), np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        packed(picture=PICTURE, spread=SPREAD),
        packed(picture=PICTURE, spread=SPREAD, about=about(version=2)),
        packed(picture=PICTURE, spread=SPREAD, about=about(pictures="many")),
        packed(picture=PICTURE, spread=SPREAD, about=about(width=0)),
        packed(picture=PICTURE, spread=SPREAD, about=np.frombuffer(b"[1]", np.uint8)),
        packed(picture=PICTURE, spread=SPREAD, about=np.frombuffer(b"{", np.uint8)),
        packed(picture=PICTURE, spread=SPREAD[:5], about=about()),
        packed(picture=PICTURE[..., 0], spread=SPREAD, about=about()),
        packed(picture=PICTURE.astype(np.float32), spread=SPREAD, about=about()),
        packed(picture=np.array([{"a": 1}], object), spread=SPREAD, about=about()),
        packed(picture=np.zeros((4, LONGEST + 1, 3), np.uint8),
               spread=np.zeros((4, LONGEST + 1), np.uint8), about=about()),
        packed(picture=np.zeros((9000, 9000, 3), np.uint8), spread=SPREAD, about=about()),
        packed(picture=PICTURE, spread=SPREAD, about=about(), more=SPREAD),
    ],
)  # fmt: skip
def test_what_is_no_background_is_refused_with_the_cure(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "deck.day.1.npz"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"deck\.day\.1\.npz .*background learn"):
        read(file)


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    file = Backgrounds(tmp_path).write(background())
    whole = file.read_bytes()
    for length in range(0, len(whole), len(whole) // 40):
        file.write_bytes(whole[:length])
        with pytest.raises(UsageError):
            read(file)


def test_a_changed_byte_of_the_picture_is_noticed(tmp_path: Path) -> None:
    file = Backgrounds(tmp_path).write(background())
    with zipfile.ZipFile(file) as archive:
        inside = archive.getinfo("picture.npy").header_offset + 5000
    content = bytearray(file.read_bytes())
    content[inside] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(UsageError):
        read(file)
