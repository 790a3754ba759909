"""release.json is read strictly, and its files are compared with their digests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from deckwatch_vision.errors import ReleaseCorrupt, ReleaseNotFound
from deckwatch_vision.release import Release, sha256_file, verify_files
from tests.vision.releases import content

# Every JSON object whose keys are fixed, with the way to it.
OBJECTS: list[tuple[str, list[Any]]] = [
    ("release", []),
    ("release.detector", ["detector"]),
    ("release.classifier", ["classifier"]),
    ("release.fusion", ["fusion"]),
    ("release.labels[1]", ["labels", 1]),
    ("release.training_data[0]", ["training_data", 0]),
]


def inside(value: Any, way: list[Any]) -> Any:
    for step in way:
        value = value[step]
    return value


KEYS = [(f"{name}.{key}", way, key) for name, way in OBJECTS for key in inside(content(), way)]


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "release.json"
    path.write_text(json.dumps(content()))
    release = Release.load(path)

    assert release.as_dict() == content()
    assert list(release.as_dict()) == list(content())
    assert Release.from_dict(json.loads(json.dumps(release.as_dict()))) == release
    assert release.detector.strides == (8, 16, 32)
    assert release.labels.codes == ("NoF", "OTHER", "SHARK", "RAY")


@pytest.mark.parametrize(("name", "way", "key"), KEYS, ids=[name for name, _, _ in KEYS])
def test_a_missing_key_is_named(name: str, way: list[Any], key: str) -> None:
    given = content()
    del inside(given, way)[key]

    with pytest.raises(ReleaseCorrupt) as refusal:
        Release.from_dict(given)
    assert f"{name}: the key is missing" in refusal.value.message


@pytest.mark.parametrize(("name", "way"), OBJECTS, ids=[name for name, _ in OBJECTS])
def test_an_unknown_key_is_named(name: str, way: list[Any]) -> None:
    given = content()
    inside(given, way)["treshold"] = 0.4

    with pytest.raises(ReleaseCorrupt) as refusal:
        Release.from_dict(given)
    assert f"{name}.treshold: unknown key; expected only" in refusal.value.message


@pytest.mark.parametrize(("name", "way", "key"), KEYS, ids=[name for name, _, _ in KEYS])
@pytest.mark.parametrize("wrong", [[], {"a": []}, -1.5, float("nan")], ids=str)
def test_a_value_of_the_wrong_type_is_named(
    name: str, way: list[Any], key: str, wrong: Any
) -> None:
    if key == "scorecard" and isinstance(wrong, dict):
        return  # the one object whose keys are free
    given = content()
    inside(given, way)[key] = wrong

    with pytest.raises(ReleaseCorrupt) as refusal:
        Release.from_dict(given)
    assert name in refusal.value.message


@pytest.mark.parametrize(
    ("part", "key", "value", "said"),
    [
        ("detector", "head", "anchors", "yolox, ltrb, boxes"),
        ("detector", "strides", [8, 15], "divide input_size 64"),
        ("detector", "strides", [True], "divide input_size 64"),
        ("detector", "iou_threshold", 1.1, "at most 1"),
        ("detector", "max_fish", 0, "at least 1"),
        ("detector", "max_fish", True, "a whole number"),
        ("classifier", "context", 0.5, "at least 1"),
        ("classifier", "temperature", 0, "at least 0.001"),
        ("fusion", "method", "vote", "noisy_or, max, mean"),
        ("fusion", "whole_picture", "never", "no_fish, always"),
        ("runtime", "onnxruntime", "int4", "float32, float16, bfloat16, int8"),
        ("runtime", "tensorrt", "float16", "unknown key"),
        ("files", "../../etc/passwd", "0" * 64, "inside the model repository"),
        ("files", "/etc/passwd", "0" * 64, "inside the model repository"),
        ("files", "deckwatch/3/labels.txt", "0" * 63, "64 lower-case hexadecimal digits"),
        ("files", "deckwatch/3/labels.txt", "Z" * 64, "64 lower-case hexadecimal digits"),
        ("detector", "file", "detector/4/model.onnx", "no digest in release.files"),
        ("classifier", "file", "other.onnx", "no digest in release.files"),
    ],
)
def test_values_out_of_range_are_named(part: str, key: str, value: Any, said: str) -> None:
    given = content()
    given[part][key] = value

    with pytest.raises(ReleaseCorrupt) as refusal:
        Release.from_dict(given)
    assert f"release.{part}" in refusal.value.message
    assert said in refusal.value.message


def test_runtimes_are_optional() -> None:
    assert Release.from_dict(content(runtime={})).runtime == {}


def test_another_schema_is_refused() -> None:
    with pytest.raises(ReleaseCorrupt, match=r"release\.schema: expected schema 1, found 2"):
        Release.from_dict(content(schema=2))


@pytest.mark.parametrize("given", [None, [], "release", 1])
def test_what_is_no_object_is_refused(given: object) -> None:
    with pytest.raises(ReleaseCorrupt, match="expected a JSON object"):
        Release.from_dict(given)


def test_missing_unreadable_and_malformed_files(tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="no release at"):
        Release.load(tmp_path / "release.json")
    with pytest.raises(ReleaseNotFound, match="cannot read"):
        Release.load(tmp_path)

    path = tmp_path / "release.json"
    for text in (b"{", b"", b"\xff\xfe"):
        path.write_bytes(text)
        with pytest.raises(ReleaseCorrupt, match=r"release\.json: not valid JSON"):
            Release.load(path)
    path.write_text(json.dumps(content(name="")))
    with pytest.raises(ReleaseCorrupt, match=r"release\.json: release\.name"):
        Release.load(str(path))


def written(root: Path) -> Release:
    """A release whose files exist under `root`."""
    given = content()
    for name in given["files"]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 1000)
        given["files"][name] = hashlib.sha256(name.encode() * 1000).hexdigest()
    return Release.from_dict(given)


def test_files_that_match_their_digests(tmp_path: Path) -> None:
    release = written(tmp_path)

    verify_files(release, tmp_path)
    assert sha256_file(tmp_path / release.detector.file) == release.files[release.detector.file]


def test_a_changed_file_is_named_with_both_digests(tmp_path: Path) -> None:
    release = written(tmp_path)
    (tmp_path / release.detector.file).write_bytes(b"other weights")
    found = hashlib.sha256(b"other weights").hexdigest()

    with pytest.raises(ReleaseCorrupt) as refusal:
        verify_files(release, tmp_path)
    for part in (release.detector.file, found[:12], release.files[release.detector.file][:12]):
        assert part in refusal.value.message
    assert "Fetch or export the release again" in refusal.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    release = written(tmp_path)
    (tmp_path / release.classifier.file).unlink()

    with pytest.raises(ReleaseCorrupt, match=r"classifier/3/model\.onnx \(No such file"):
        verify_files(release, str(tmp_path))
