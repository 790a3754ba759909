"""Finding the model repository and opening a release."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from deckwatch_serving.repository import VARIABLE, find_repository, live_version, open_release
from deckwatch_vision.errors import ReleaseCorrupt, ReleaseNotFound
from tests.tiny_release import write_release_file, write_tiny_release


def test_the_repository_given_comes_before_the_environment(
    tiny_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_release(tmp_path, configs=False)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find_repository() == tmp_path.resolve()
    assert find_repository(tiny_repository) == tiny_repository.resolve()


def test_without_a_word_it_is_the_one_of_the_checkout() -> None:
    assert find_repository() == Path(__file__).resolve().parents[2] / "model_repository"


def test_a_repository_that_was_named_is_the_only_one_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReleaseNotFound, match=r"has no release: expected .*release\.json"):
        find_repository(tmp_path)
    with pytest.raises(ReleaseNotFound, match="is not a folder"):
        find_repository(tmp_path / "nowhere")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(ReleaseNotFound, match=f"named by {VARIABLE}.*--repository DIR"):
        find_repository()


def test_the_ensemble_pins_the_live_version(tmp_path: Path) -> None:
    write_tiny_release(tmp_path, version=3)
    write_tiny_release(tmp_path, version=7, configs=False)
    assert live_version(tmp_path) == 3
    assert open_release(tmp_path).version == 3
    assert open_release(tmp_path, 7).version == 7


@pytest.mark.parametrize("config", [None, "# model_version: 3\n", "model_version: -1\n"])
def test_without_a_pin_the_highest_version_is_live(tmp_path: Path, config: str | None) -> None:
    for version in (9, 10):
        write_tiny_release(tmp_path, version=version, configs=False)
    if config:
        (tmp_path / "deckwatch" / "config.pbtxt").write_text(config)
    assert live_version(tmp_path) == 10


def test_a_swap_left_half_done_is_refused(tmp_path: Path) -> None:
    write_tiny_release(tmp_path)
    config = tmp_path / "deckwatch" / "config.pbtxt"
    config.write_text(config.read_text().replace("model_version: 1", "model_version: 2", 1))
    with pytest.raises(ReleaseCorrupt, match=r"pins several versions \(1, 2\)"):
        open_release(tmp_path)


def test_a_version_that_is_not_there(tiny_repository: Path) -> None:
    with pytest.raises(ReleaseNotFound, match=r"No release of version 5.*versions there: 1"):
        open_release(tiny_repository, 5)


def test_no_release_at_all(tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="has no release"):
        open_release(tmp_path)


def test_a_release_in_the_wrong_folder_is_refused(tmp_path: Path) -> None:
    release = write_tiny_release(tmp_path)
    path = write_release_file(tmp_path, replace(release, version=1))
    shutil.copytree(path.parent, tmp_path / "deckwatch" / "2")
    with pytest.raises(ReleaseCorrupt, match="is of version 1, its folder says 2"):
        open_release(tmp_path, 2)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    write_tiny_release(tmp_path)
    with (tmp_path / "classifier" / "1" / "model.onnx").open("ab") as net:
        net.write(b"!")
    with pytest.raises(ReleaseCorrupt, match=r"classifier/1/model\.onnx"):
        open_release(tmp_path)
    assert open_release(tmp_path, verify=False).name == "tiny"
