"""MegaDetector's own validator and loader take what we write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from megadetector.postprocessing.validate_batch_results import (  # type: ignore[import-untyped]
    ValidateBatchResultsOptions,
    validate_batch_results,
)

from deckwatch_client.records import Failure, Record
from tests.client.formats.some_records import some_records, write_run


def validated(path: Path, **options: Any) -> Any:
    asked = ValidateBatchResultsOptions()
    asked.raise_errors = True
    for name, value in options.items():
        setattr(asked, name, value)
    return validate_batch_results(str(path), asked)["validation_results"]


def some_run() -> list[Record]:
    why = Failure("unreadable-image", "there is no such file")
    return [*some_records(), Record("gone.mp4", failure=why), Record("rtsp://deck", failure=why)]


def test_a_run_of_pictures_videos_and_failures_is_valid(tmp_path: Path) -> None:
    records = some_run()
    out = write_run(["megadetector"], records, tmp_path)
    found = validated(out / "megadetector.json")
    assert found["errors"] == []
    assert found["warnings"] == []
    fish = sum(len(record.result.fish) for record in records if record.result)
    assert found["detection_category_id_to_count"] == {"1": fish}
    assert sum(found["classification_category_id_to_count"].values()) == 8 * fish


def test_an_empty_run_is_valid(tmp_path: Path) -> None:
    found = validated(write_run(["megadetector"], [], tmp_path) / "megadetector.json")
    assert (found["errors"], found["warnings"]) == ([], [])


def test_files_are_found_under_the_names_they_have(tmp_path: Path) -> None:
    base = tmp_path / "pictures"
    records = [record for record in some_records() if record.name.startswith("trip 1/")]
    for record in records:
        (base / record.name).parent.mkdir(parents=True, exist_ok=True)
        (base / record.name).touch()
    out = write_run(["megadetector"], records, tmp_path)
    there = {"check_image_existence": True, "relative_path_base": str(base)}
    assert validated(out / "megadetector.json", **there)["errors"] == []
    (base / records[0].name).unlink()
    with pytest.raises(ValueError, match="Cannot find file"):
        validated(out / "megadetector.json", **there)


def test_the_validator_would_object(tmp_path: Path) -> None:
    """That it says nothing means something."""
    out = write_run(["megadetector"], some_run(), tmp_path)
    content = json.loads((out / "megadetector.json").read_text())
    video = next(image for image in content["images"] if image.get("frames_processed"))
    del video["frame_rate"]
    (out / "megadetector.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="Video without frame rate"):
        validated(out / "megadetector.json")
