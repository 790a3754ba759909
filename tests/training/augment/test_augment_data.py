"""`augment_data` as a user runs it: a training set of its own, repeatable, resumable, careful."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from deckwatch_serving import engines
from deckwatch_training import cli_augment
from deckwatch_training.augment import Settings, augment, job
from deckwatch_training.journal import Journal
from deckwatch_training.label_files import LabelRow, read_rows, write_rows
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import decode, encode_jpeg
from tests.training.augment.conftest import BOX, SIZE, deck, night

# No step of albumentations, whose import takes seconds in every worker.
STEPS = "flip,rotate30,rescale,noise,cutout"


def _settings(photos: tuple[Path, Path], out: Path, **others: object) -> Settings:
    given: dict = {"steps": STEPS, "workers": 1, "seed": 5} | others
    return Settings(
        input_folder=photos[0], output_folder=out, label_file=photos[1],
        new_label_file=out.with_suffix(".csv"), **given,
    )  # fmt: skip


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.jpg"))
    }


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["augment_data", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli_augment.main()
    return int(end.value.code or 0)


def _arguments(photos: tuple[Path, Path], out: Path) -> list[object]:
    return [
        "--input_folder", photos[0], "--output_folder", out, "--label_file", photos[1],
        "--new_label_and_weights_file", out.with_suffix(".csv"),
    ]  # fmt: skip


def test_the_output_is_a_training_set_of_its_own(
    photos: tuple[Path, Path],
    night_frames: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, labels = tmp_path / "more", photos[1].read_bytes()
    status = _run(
        monkeypatch, *_arguments(photos, out), "--copies", 3, "--workers", 1,
        "--night-frames", night_frames, "--preview", 2,
    )  # fmt: skip
    assert status == 0
    with out.with_suffix(".csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == [
        "image", "label", "vessel", "x", "y", "width", "height", "weight", "source_image", "steps",
    ]  # fmt: skip
    rows = list(read_rows(out.with_suffix(".csv")))
    assert len(rows) == 8 * 4
    assert {row.image for row in rows} == set(_digests(out))
    for row in rows:
        width, height = decode((out / row.image).read_bytes()).shape[1::-1]
        assert bool(row.steps) == (row.image != row.source_image)
        if row.steps:
            assert simplejpeg.decode_jpeg_header((out / row.image).read_bytes())[3] == "420"
        assert (row.box is None) == (row.label == "NoF")
        if row.box:
            x, y, w, h = row.box
            assert 0 <= x < x + w <= width + 0.01
            assert 0 <= y < y + h <= height + 0.01
    originals = [row for row in rows if not row.steps]
    assert [(row.image, row.label, row.vessel, row.box) for row in originals] == [
        (row.image, row.label, row.vessel, row.box) for row in read_rows(photos[1])
    ]
    told = capsys.readouterr()
    assert "their weights sum to 32." in told.err
    assert "1 files in" in told.err  # the day picture among the night frames
    assert told.out.startswith("vessel\tspecies\trows\tweight\tsum\nboat-0\tALB\t16\t1\t16\n")
    assert photos[1].read_bytes() == labels
    page = (out / "preview.html").read_text()
    assert page.count("data:image/jpeg") == 2 * 4
    assert "before" in page


def test_species_weigh_the_same_within_each_vessel(
    photos: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = _settings(photos, tmp_path / "more", copies=2)
    summary = augment(settings)
    sums: dict[tuple[str | None, str], float] = defaultdict(float)
    rows = list(read_rows(settings.new_label_file))
    for row in rows:
        sums[row.vessel, row.label] += row.weight
    assert len({round(v, 3) for (vessel, _), v in sums.items() if vessel == "boat-1"}) == 1
    assert sum(sums.values()) == pytest.approx(len(rows), rel=1e-4)
    assert summary.weight_sum == pytest.approx(len(rows), rel=1e-9)
    assert json.loads((tmp_path / "more/summary.json").read_text())["weight_sum"] == pytest.approx(
        len(rows)
    )
    # Only weights change: nothing is made again.
    heavier = augment(replace(settings, sensitive_factor=3.0))
    assert (heavier.made, heavier.reused) == (0, 24)
    of = {(each.vessel, each.species): each.total for each in heavier.weights}
    assert of["boat-1", "SHARK"] == pytest.approx(3 * of["boat-1", "ALB"])


def test_the_same_seed_gives_the_same_bytes_on_any_workers(
    photos: tuple[Path, Path], tmp_path: Path
) -> None:
    augment(_settings(photos, tmp_path / "one"))
    augment(_settings(photos, tmp_path / "many", workers=2))
    augment(_settings(photos, tmp_path / "other", seed=6))
    one, many, other = (_digests(tmp_path / name) for name in ("one", "many", "other"))
    assert one == many
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "many.csv").read_bytes()
    changed = [name for name in one if "~" in name and one[name] != other.get(name)]
    assert len(changed) > 10


def test_a_copy_depends_on_nothing_but_its_picture(
    photos: tuple[Path, Path], tmp_path: Path
) -> None:
    augment(_settings(photos, tmp_path / "all"))
    rows = list(read_rows(photos[1]))
    write_rows(photos[1], reversed(rows[2:5]), weights=False)
    augment(_settings(photos, tmp_path / "some", copies=3))
    everything, some = _digests(tmp_path / "all"), _digests(tmp_path / "some")
    assert len(some) == 12
    assert all(everything[name] == some[name] for name in some if "~3" not in name)


def test_an_interrupted_run_goes_on(
    photos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(photos, tmp_path / "more")
    augment(_settings(photos, tmp_path / "whole"))
    real = engines.run

    def interrupted(*given: Any, **named: Any) -> Iterator[Any]:
        for i, result in enumerate(real(*given, **named)):
            if i == 3:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr(engines, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        augment(settings)
    assert not settings.new_label_file.exists()
    monkeypatch.setattr(engines, "run", real)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "more").rglob("*~*.jpg")}
    summary = augment(settings)
    assert summary.reused == 9
    assert summary.made == 15
    journaled = sum(path.stat().st_mtime_ns == stamp for path, stamp in times.items())
    assert journaled >= 6
    assert _digests(tmp_path / "more") == _digests(tmp_path / "whole")
    assert settings.new_label_file.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def _of_session(session: int) -> list[int]:
    """Processes that are still alive in a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_stopped_leaves_nothing_running_and_goes_on(
    photos: tuple[Path, Path], tmp_path: Path, how: signal.Signals
) -> None:
    out = tmp_path / "more"
    words = [*_arguments(photos, out), "--steps", STEPS, "--seed", 5, "--workers", 2]
    running = subprocess.Popen(
        [sys.executable, "-c", "from deckwatch_training.cli_augment import main; main()",
         *map(str, words), "--copies", "3000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not list(out.glob("*/*~9.jpg")):
        assert running.poll() is None, running.communicate()[1]
        time.sleep(0.05)
    if how == signal.SIGINT:
        os.killpg(running.pid, how)  # as a terminal does it
    else:
        running.kill()
    _, told = running.communicate(timeout=60)
    assert running.returncode == (130 if how == signal.SIGINT else -9)
    assert "Traceback" not in told
    deadline = time.monotonic() + 30
    while _of_session(running.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _of_session(running.pid)
    assert not out.with_suffix(".csv").exists()
    augment(_settings(photos, out))
    augment(_settings(photos, tmp_path / "whole"))
    journaled = {name for name in _digests(out) if int(name[:-4].partition("~")[2] or 0) <= 2}
    assert {name: _digests(out)[name] for name in journaled} == _digests(tmp_path / "whole")


def test_only_what_changed_is_made_again(photos: tuple[Path, Path], tmp_path: Path) -> None:
    settings = _settings(photos, tmp_path / "more")
    augment(settings)
    rows = list(read_rows(photos[1]))
    (photos[0] / rows[0].image).write_bytes(encode_jpeg(deck(77)))
    moved = replace(rows[1], box=(28.0, 20.0, 36.0, 16.0))
    write_rows(photos[1], [rows[0], moved, *rows[2:7]], weights=False)
    summary = augment(settings)
    assert (summary.made, summary.reused) == (6, 15)
    assert not (tmp_path / "more" / rows[7].image).exists()
    assert not list((tmp_path / "more").rglob("07~*"))
    fresh = augment(_settings(photos, tmp_path / "fresh"))
    assert fresh.made == 21
    assert _digests(tmp_path / "more") == _digests(tmp_path / "fresh")


def test_a_deleted_copy_is_made_again_and_fewer_copies_are_deleted(
    photos: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = _settings(photos, tmp_path / "more")
    augment(settings)
    before = _digests(tmp_path / "more")
    (tmp_path / "more/boat-0/00~2.jpg").unlink()
    assert augment(settings).made == 1
    assert _digests(tmp_path / "more") == before
    augment(replace(settings, copies=1))
    assert set(_digests(tmp_path / "more")) == {name for name in before if "~2" not in name}


def test_other_settings_are_refused_unless_told_to_replace(
    photos: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = _settings(photos, tmp_path / "more")
    augment(settings)
    before = _digests(tmp_path / "more")
    with pytest.raises(UsageError, match=r"seed 5, now 6.*another folder.*--replace"):
        augment(replace(settings, seed=6))
    with pytest.raises(UsageError, match=r"other settings \(steps \w+, now \w+\)"):
        augment(replace(settings, steps="flip"))
    assert _digests(tmp_path / "more") == before
    stranger = tmp_path / "more/boat-0/mine.txt"
    stranger.write_text("keep me")
    assert augment(replace(settings, seed=6, replace=True)).made == 24
    assert stranger.read_text() == "keep me"
    assert _digests(tmp_path / "more") != before


def test_nothing_is_overwritten_silently(photos: tuple[Path, Path], tmp_path: Path) -> None:
    settings = _settings(photos, tmp_path / "more")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/mine.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"already holds mine\.jpg"):
        augment(settings)
    (tmp_path / "more/mine.jpg").unlink()
    settings.new_label_file.write_text("mine")
    with pytest.raises(UsageError, match="did not write it"):
        augment(settings)
    settings.new_label_file.unlink()
    augment(settings)
    augment(settings)  # its own it may write anew
    settings.new_label_file.write_text("image,label\n")
    with pytest.raises(UsageError, match="changed since"):
        augment(settings)
    for other in (photos[1], tmp_path):
        with pytest.raises(UsageError, match="Give"):
            augment(replace(settings, new_label_file=other))
    with pytest.raises(UsageError, match="is the input folder"):
        augment(replace(settings, output_folder=photos[0]))


def test_two_runs_in_one_folder_at_once_are_refused(
    photos: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = _settings(photos, tmp_path / "more")
    with (
        Journal(tmp_path / "more", job.COMMAND, {}),
        pytest.raises(UsageError, match="in use by another run"),
    ):
        augment(settings)


def test_bad_pictures_are_listed_and_the_others_made(
    photos: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [row.image for row in read_rows(photos[1])]
    good = (photos[0] / names[1]).read_bytes()
    (photos[0] / names[0]).unlink()
    (photos[0] / names[1]).write_bytes(good[:400])
    (photos[0] / names[2]).write_text("not a picture")
    out = tmp_path / "more"
    arguments = [*_arguments(photos, out), "--workers", 1, "--steps", STEPS]
    assert _run(monkeypatch, *arguments) == 3
    told = capsys.readouterr().err
    assert f"{names[0]}: there is no such file" in told
    assert re.search(rf"{names[1]}: truncated", told)
    assert re.search(rf"{names[2]}: .*looks like text", told)
    assert "3 pictures could not be used" in told
    listed = {row.source_image for row in read_rows(out.with_suffix(".csv"))}
    assert listed == set(names[3:])
    (photos[0] / names[1]).write_bytes(good)
    assert _run(monkeypatch, *arguments) == 3
    assert "2 pictures could not be used" in capsys.readouterr().err
    assert (out / names[1]).exists()
    for name in names[3:]:
        (photos[0] / name).unlink()
    (photos[0] / names[1]).unlink()
    assert _run(monkeypatch, *arguments) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--input_folder": "nowhere"}, "nowhere is no folder"),
        ({"--label_file": "nowhere.csv"}, r"Cannot read nowhere\.csv"),
        ({"--steps": "flip,swirl"}, "no step 'swirl'"),
        ({"--copies": "-1"}, "cannot be below 0"),
        ({"--engine": "spark"}, "No engine 'spark'. Give one of: local, ray"),
        ({"--originals": "move"}, "--originals 'move': give one of link, copy, none"),
        ({"--workers": "-2"}, "at least 1"),
    ],
)
def test_wrong_usage_is_one_line_with_the_cure(
    photos: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    message: str,
) -> None:
    given = _arguments(photos, tmp_path / "more")
    options = dict(zip(map(str, given[::2]), given[1::2], strict=True)) | change
    assert _run(monkeypatch, *(part for pair in options.items() for part in pair)) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("augment_data: ")
    assert re.search(message, told)


@pytest.mark.parametrize("image", ["../secret.jpg", "/etc/passwd.jpg", "a\\b.jpg"])
def test_pictures_outside_the_folder_are_refused_by_file_and_line(
    photos: tuple[Path, Path], tmp_path: Path, image: str
) -> None:
    rows = [*read_rows(photos[1]), LabelRow(image, "ALB")]
    write_rows(photos[1], rows, weights=False)
    with pytest.raises(UsageError, match=r"labels\.csv, line 10: .*not inside the input folder"):
        augment(_settings(photos, tmp_path / "more"))


def test_originals_linked_copied_or_left_out(photos: tuple[Path, Path], tmp_path: Path) -> None:
    name = "boat-0/00.jpg"
    for originals in ("link", "copy", "none"):
        out = tmp_path / originals
        augment(_settings(photos, out, originals=originals, copies=1))
        if originals == "none":
            assert not (out / name).exists()
            assert all(row.steps for row in read_rows(out.with_suffix(".csv")))
        else:
            same = os.path.samefile(photos[0] / name, out / name)
            assert same == (originals == "link")
            assert (out / name).read_bytes() == (photos[0] / name).read_bytes()


def test_rows_of_a_picture_may_stand_apart_and_names_may_collide(tmp_path: Path) -> None:
    folder, labels = tmp_path / "photos", tmp_path / "labels.csv"
    folder.mkdir()
    for name in ("a.jpg", "a.jpeg", "a~1.jpg"):
        (folder / name).write_bytes(encode_jpeg(deck(1)))
    rows = [
        LabelRow("a.jpg", "ALB", None, BOX), LabelRow("a.jpeg", "YFT", None, BOX),
        LabelRow("a~1.jpg", "BET", None, BOX), LabelRow("a.jpg", "DOL", None, (1, 1, 20, 20)),
    ]  # fmt: skip
    write_rows(labels, rows, weights=False)
    settings = _settings((folder, labels), tmp_path / "more", copies=1, steps="flip")
    augment(settings)
    made = [(row.image, row.label, row.source_image) for row in read_rows(settings.new_label_file)]
    assert made == [
        ("a.jpg", "ALB", "a.jpg"), ("a.jpg", "DOL", "a.jpg"),
        ("~a~1.jpg", "ALB", "a.jpg"), ("~a~1.jpg", "DOL", "a.jpg"),
        ("a.jpeg", "YFT", "a.jpeg"), ("a.jpeg~1.jpg", "YFT", "a.jpeg"),
        ("a~1.jpg", "BET", "a~1.jpg"), ("a~1~1.jpg", "BET", "a~1.jpg"),
    ]  # fmt: skip


def _single(tmp_path: Path, pixels: np.ndarray, row: LabelRow) -> tuple[Path, Path]:
    folder, labels = tmp_path / "photos", tmp_path / "labels.csv"
    folder.mkdir()
    (folder / row.image).write_bytes(encode_jpeg(pixels))
    write_rows(labels, [row], weights=False)
    return folder, labels


def test_copies_on_which_no_fish_is_left_are_tried_again_then_left_out(tmp_path: Path) -> None:
    corner = LabelRow("a.jpg", "ALB", None, (0, 0, 24, 20))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "{retries: 0, steps: [{name: crop, probability: 1, parameters: {least: 0.5}}]}"
    )
    photos = _single(tmp_path, deck(1), corner)
    once = augment(_settings(photos, tmp_path / "once", copies=20, steps=recipe))
    assert once.left_out == {"no fish left in sight": 21 - once.made}
    assert 1 < once.made < 18
    recipe.write_text(recipe.read_text().replace("retries: 0", "retries: 60"))
    often = augment(_settings(photos, tmp_path / "often", copies=20, steps=recipe))
    assert (often.made, often.left_out) == (21, {})
    rows = list(read_rows(tmp_path / "often.csv"))
    assert all(row.box and row.box[2] * row.box[3] >= 0.3 * 24 * 20 - 0.1 for row in rows)


def test_a_step_that_does_not_apply_makes_no_copy(tmp_path: Path) -> None:
    photos = _single(tmp_path, night(1), LabelRow("a.jpg", "ALB", None, BOX))
    summary = augment(_settings(photos, tmp_path / "more", steps="night_vision"))
    assert (summary.made, summary.left_out) == (1, {"no step applies": 2})


def test_a_label_without_a_box_stays_with_the_whole_picture(tmp_path: Path) -> None:
    photos = _single(tmp_path, deck(1), LabelRow("a.jpg", "ALB", "boat"))
    steps = "crop,shift,cutout,flip,rotate30"
    augment(_settings(photos, tmp_path / "more", steps=steps, copies=8))
    rows = list(read_rows(tmp_path / "more.csv"))
    assert [(row.label, row.box) for row in rows] == [("ALB", None)] * 9
    used = {step for row in rows for step in row.steps}
    assert used == {"flip", "rotate30"}
    for row in rows:
        pixels = decode((tmp_path / "more" / row.image).read_bytes())
        assert pixels.size >= SIZE[0] * SIZE[1] * 3


def test_a_data_set_is_as_good_as_a_label_file(photos: tuple[Path, Path], tmp_path: Path) -> None:
    from deckwatch_training.catalogue import Box, Catalogue, Entry, write

    entries = [
        Entry(row.image, *SIZE, (Box(row.label, *row.box),) if row.box else (), vessel=row.vessel)
        for row in read_rows(photos[1])
    ]
    write(Catalogue(photos[0], tuple(entries)), tmp_path / "set" / "data.json")
    augment(_settings(photos, tmp_path / "csv"))
    augment(_settings((photos[0], tmp_path / "set"), tmp_path / "json"))
    assert (tmp_path / "csv.csv").read_bytes() == (tmp_path / "json.csv").read_bytes()


def test_a_look_first_writes_nothing_else(
    photos: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "more"
    arguments = [*_arguments(photos, out), "--steps", STEPS]
    assert _run(monkeypatch, *arguments, "--preview-only") == 0
    assert capsys.readouterr().out == f"{out}/preview.html\n"
    assert [path.name for path in out.iterdir()] == ["preview.html"]
    assert _run(monkeypatch, *arguments, "--seed", 3, "--workers", 1) == 0
