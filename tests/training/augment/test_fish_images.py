"""`create_fish_images` with the tiny release, whose fish are coloured squares."""

from __future__ import annotations

import csv
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from deckwatch_training import cli_crop, fish_finder
from deckwatch_training.fish_images import Settings, create
from deckwatch_vision.boxes import crop, whole
from deckwatch_vision.errors import ReleaseNotFound, UsageError
from deckwatch_vision.images import decode, encode_jpeg
from deckwatch_vision.recognise import recognise
from tests.tiny_release import tiny_picture

NAMES = ("one.jpg", "two.JPEG", "deep/er/three.png", "four.webp", "five.bmp", "six.tif", "none.jpg")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures of every format with one or two fish, the last with none."""
    folder = tmp_path / "photos"
    for i, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = tiny_picture(fish=0 if name == "none.jpg" else 1 + i % 2, seed=i)
        if path.suffix.lower() in (".jpg", ".jpeg"):
            path.write_bytes(encode_jpeg(pixels, 95))
        else:
            cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def settings(photos: Path, tmp_path: Path, tiny_repository: Path) -> Settings:
    return Settings(
        input_folder=photos, output_folder=tmp_path / "crops", model=tiny_repository, workers=1,
        size=64,
    )  # fmt: skip


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def _fish(folder: Path) -> list[dict[str, str]]:
    with (folder / "fish.csv").open() as file:
        return list(csv.DictReader(file))


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["create_fish_images", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli_crop.main()
    return int(end.value.code or 0)


def test_every_picture_is_cut_to_its_best_fish_under_its_own_name(settings: Settings) -> None:
    summary = create(settings)
    out = settings.output_folder
    assert _files(out) == {*NAMES, "fish.csv"}
    assert (summary.pictures, summary.crops, summary.no_fish, summary.bad) == (7, 6, 1, [])
    finder = fish_finder.find(settings.model)
    for row in _fish(out):
        source = decode((settings.input_folder / row["image"]).read_bytes())
        best = finder(source)[0]
        x, y, w, h = (float(row[key]) for key in ("x", "y", "width", "height"))
        assert (x, y, x + w, y + h) == pytest.approx(best.box, abs=0.011)
        made = decode((out / row["crop"]).read_bytes())
        wanted = crop(source, best.box, 64, finder.context)
        lossless = Path(row["crop"]).suffix in (".png", ".bmp", ".tif", ".webp")
        assert np.abs(made.astype(int) - wanted).mean() <= (0 if lossless else 4)
        assert row["label"] in ("SHARK", "OTHER", "RAY")
    empty = decode((settings.input_folder / "none.jpg").read_bytes())
    made = decode((out / "none.jpg").read_bytes())
    assert np.abs(made.astype(int) - whole(empty, 64)).mean() < 6


def test_the_file_is_what_its_name_says(settings: Settings) -> None:
    create(settings)
    heads = {name: (settings.output_folder / name).read_bytes()[:12] for name in NAMES}
    assert heads["one.jpg"][:2] == heads["two.JPEG"][:2] == b"\xff\xd8"
    assert heads["deep/er/three.png"][:4] == b"\x89PNG"
    assert heads["four.webp"][8:] == b"WEBP"
    assert heads["five.bmp"][:2] == b"BM"
    assert heads["six.tif"][:2] in (b"II", b"MM")


def test_the_finder_says_what_recognition_says(settings: Settings) -> None:
    finder = fish_finder.find(settings.model)
    assert isinstance(finder, fish_finder.ByRelease)
    data = (settings.input_folder / "two.JPEG").read_bytes()
    result = recognise(data, *finder.nets, finder.release)
    found = finder(decode(data))
    assert [(each.box, each.score, each.label, each.likelihood) for each in found] == [
        (fish.box, fish.score, fish.label, fish.likelihoods[fish.label]) for fish in result.fish
    ]


def test_all_fish_on_two_workers(settings: Settings) -> None:
    create(replace(settings, all_fish=True, workers=2))
    out = settings.output_folder
    finder, rows = fish_finder.find(settings.model), _fish(out)
    for name in NAMES:
        pixels = decode((settings.input_folder / name).read_bytes())
        found = finder(pixels)
        of = [row for row in rows if row["image"] == name]
        path = Path(name)
        assert [row["crop"] for row in of] == [
            (path.with_stem(f"{path.stem}~{i}") if i > 1 else path).as_posix()
            for i in range(1, len(found) + 1)
        ]
        assert [float(row["score"]) for row in of] == [
            pytest.approx(fish.score, abs=1e-5) for fish in found
        ]
    assert _files(out) == {row["crop"] for row in rows} | {"none.jpg", "fish.csv"}
    assert len(rows) > len(NAMES)


def test_pictures_without_fish_can_be_left_out(settings: Settings) -> None:
    summary = create(replace(settings, no_fish="skip"))
    assert _files(settings.output_folder) == {*NAMES, "fish.csv"} - {"none.jpg"}
    assert (summary.crops, summary.no_fish) == (6, 1)
    assert create(replace(settings, no_fish="skip")).reused == 7


def test_the_same_command_goes_on(settings: Settings) -> None:
    settings = replace(settings, all_fish=True)
    create(settings)
    out, source = settings.output_folder, settings.input_folder
    stamps = {name: (out / name).stat().st_mtime_ns for name in _files(out)}
    (out / "two~2.JPEG").unlink()
    (source / "one.jpg").write_bytes(encode_jpeg(tiny_picture(fish=2, seed=9)))
    (source / "four.webp").unlink()
    summary = create(settings)
    assert (summary.pictures, summary.reused) == (6, 4)
    assert {"one~2.jpg", "two~2.JPEG"} <= _files(out)
    assert not {"four.webp", "four~2.webp"} & _files(out)
    kept = ("six.tif", "six~2.tif", "none.jpg", "five.bmp")
    assert all((out / name).stat().st_mtime_ns == stamps[name] for name in kept)
    (source / "one.jpg").write_bytes(encode_jpeg(tiny_picture(fish=0, seed=9)))
    create(settings)
    assert {name for name in _files(out) if name.startswith("one")} == {"one.jpg"}
    with pytest.raises(UsageError, match=r"other settings \(size 64, now 80\).*--replace"):
        create(replace(settings, size=80))
    assert create(replace(settings, size=80, replace=True)).reused == 0


def test_only_the_pictures_that_were_asked_for(settings: Settings) -> None:
    summary = create(replace(settings, images=("one.jpg", "none.jpg")))
    assert summary.pictures == 2
    assert _files(settings.output_folder) == {"one.jpg", "none.jpg", "fish.csv"}


def test_pictures_beside_the_input_are_never_written_over(settings: Settings) -> None:
    beside = settings.input_folder / "deep"
    data = (settings.input_folder / "one.jpg").read_bytes()
    create(replace(settings, input_folder=beside, images=("../one.jpg", "er/three.png")))
    assert _files(settings.output_folder) == {"up/one.jpg", "er/three.png", "fish.csv"}
    assert (settings.input_folder / "one.jpg").read_bytes() == data
    with pytest.raises(UsageError, match="is not relative to"):
        create(replace(settings, images=(str(settings.input_folder / "one.jpg"),)))


def test_crops_within_the_input_are_not_cut_again(settings: Settings) -> None:
    inside = replace(settings, output_folder=settings.input_folder / "crops")
    assert create(inside).pictures == 7
    assert create(inside).pictures == 7


def test_a_further_fish_takes_no_name_of_another_picture(settings: Settings) -> None:
    (settings.input_folder / "two~2.JPEG").write_bytes(encode_jpeg(tiny_picture(fish=1, seed=4)))
    create(replace(settings, all_fish=True))
    assert {"two~2.JPEG", "~two~2.JPEG"} <= _files(settings.output_folder)


def test_by_the_folder_of_a_trained_detector(settings: Settings, configs: Path) -> None:
    import torch

    from deckwatch_training import config, runs

    loaded = config.load(configs / "detector.yaml")
    torch.manual_seed(0)
    net = runs.build_detector(loaded)
    run = configs / "run"
    run.mkdir()
    state = {"config": loaded.model_dump(mode="json"), "average": net.state_dict()}
    torch.save(state, run / "last.pt")
    (run / "log.jsonl").write_text('{"epoch": 1, "threshold": 0.0001}\n{"epoch": 2}\n')
    summary = create(replace(settings, model=run))
    assert summary.pictures == 7
    for row in _fish(settings.output_folder):
        assert (row["label"], row["likelihood"]) == ("", "")
    (run / "log.jsonl").write_text('{"epoch": 1, "threshold": 0.9999}\n')
    with pytest.raises(UsageError, match="filled with other settings"):
        create(replace(settings, model=run))
    assert create(replace(settings, model=run, replace=True)).no_fish == 7
    state["config"] = config.load(configs / "classifier.yaml").model_dump(mode="json")
    torch.save(state, run / "last.pt")
    with pytest.raises(UsageError, match="is a run of a classifier"):
        create(replace(settings, model=run, replace=True))


def test_the_command_lists_bad_files_and_refuses_wrong_usage(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (settings.input_folder / "broken.jpg").write_bytes(encode_jpeg(tiny_picture())[:500])
    folders = [
        "--input_folder", settings.input_folder, "--output_folder", settings.output_folder,
        "--workers", 1,
    ]  # fmt: skip
    given = [*folders, "--model", settings.model]
    assert _run(monkeypatch, *given, "--size", 64) == 3
    told = capsys.readouterr()
    assert told.out == f"{settings.output_folder}/fish.csv\n"
    assert (
        "8 pictures (0 done before): 6 crops of fish; 1 without fish, kept whole; 1 unusable."
        in (told.err)
    )
    assert re.search(r"^broken\.jpg: truncated", told.err, re.MULTILINE)
    os.unlink(settings.input_folder / "broken.jpg")
    assert _run(monkeypatch, *given, "--size", 64) == 0
    for wrong, message in (
        (["--size", 3], "--size 3: give 8 to 4096"),
        (["--context", 0.5], "--context 0.5: give 1"),
        (["--no_fish", "delete"], "'delete': give one of skip, whole"),
    ):
        capsys.readouterr()
        assert _run(monkeypatch, *given, *wrong) == 2
        assert message in capsys.readouterr().err
    assert _run(monkeypatch, *folders, "--model", settings.input_folder) == 1
    assert "neither a model repository" in capsys.readouterr().err


def test_wrong_folders(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is no folder"):
        create(replace(settings, input_folder=tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="is the input folder"):
        create(replace(settings, output_folder=settings.input_folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no pictures"):
        create(replace(settings, input_folder=tmp_path / "empty"))
    settings.output_folder.mkdir(exist_ok=True)
    (settings.output_folder / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"already holds mine\.txt"):
        create(settings)
    with pytest.raises(ReleaseNotFound, match="neither a model repository"):
        create(replace(settings, model=tmp_path / "empty"))
