"""Sources: what is found, in which order, under which name, and what is left aside."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from deckwatch_client.batch.sources import Item, Sources, identity
from deckwatch_vision.errors import UsageError


def touch(*paths: str | bytes) -> None:
    for path in paths:
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        open(path, "wb").close()


def found(*given: str, lists: Sequence[str] = (), out: str = "out") -> list[str]:
    return [each.name for each in Sources(given, lists, Path(out))]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_folders_are_walked_in_the_order_of_the_results() -> None:
    touch("s/b.jpg", "s/a/2.PNG", "s/a/10.tiff", "s/a.b/1.webp", "s/c/haul.MP4", "s/Z.jpeg")
    assert found("s") == [
        "s/Z.jpeg", "s/a/10.tiff", "s/a/2.PNG", "s/a.b/1.webp", "s/b.jpg", "s/c/haul.MP4",
    ]  # fmt: skip
    kinds = {each.name: each.kind for each in Sources(["s"], (), Path("out"))}
    assert kinds["s/c/haul.MP4"] == "video"
    assert kinds["s/b.jpg"] == "picture"


def test_hidden_other_and_own_files_are_left_out() -> None:
    touch("s/a.jpg", "s/.b.jpg", "s/.hidden/c.jpg", "s/notes.txt", "s/x.xml", "s/out/crops/d.jpg")
    sources = Sources(["s"], (), Path("s/out"))
    assert [each.name for each in sources] == ["s/a.jpg"]
    assert sources.others == {".txt": 1, ".xml": 1}
    # Walking again counts anew.
    assert len(list(sources)) == 1
    assert sources.others.total() == 2


def test_what_is_named_outright_is_tried_whatever_its_suffix() -> None:
    touch("strange.dat", "s/a.jpg")
    assert found("strange.dat", "./s//", "s/../s/a.jpg") == [
        "strange.dat", "s/a.jpg", "s/../s/a.jpg",
    ]  # fmt: skip


def test_links_that_go_in_circles_end() -> None:
    touch("s/deep/a.jpg", "elsewhere/b.jpg")
    os.symlink("..", "s/deep/back")
    os.symlink("../elsewhere", "s/other")
    os.symlink("../elsewhere", "s/other-too")
    os.symlink("nowhere.jpg", "s/gone.jpg")
    assert found("s") == ["s/deep/a.jpg", "s/gone.jpg", "s/other/b.jpg"]


def test_folders_named_twice_are_walked_once() -> None:
    touch("s/day/a.jpg", "s/b.jpg")
    assert found("s", "s/day", "./s") == ["s/b.jpg", "s/day/a.jpg"]


def test_a_file_has_one_identity_under_all_its_names(tmp_path: Path) -> None:
    touch("s/a.jpg")
    os.symlink("s/a.jpg", "link.jpg")
    os.symlink("s", "t")
    same = {identity(each) for each in ("s/a.jpg", "link.jpg", "t/a.jpg", f"{tmp_path}/s/a.jpg")}
    assert same == {os.fsencode(tmp_path / "s" / "a.jpg")}
    assert identity("rtsp://host/a.jpg") == b"rtsp://host/a.jpg"
    assert identity("no\0name").endswith(b"no\0name")


def test_pipes_and_other_strange_things_are_no_pictures() -> None:
    touch("s/a.jpg")
    os.mkfifo("s/endless.jpg")
    assert found("s") == ["s/a.jpg"]


def test_a_folder_that_cannot_be_read_is_told() -> None:
    touch("s/a.jpg")
    deep = "s/" + "d" * 200
    os.mkdir(deep)

    def refuse(path: str) -> object:
        if path == deep:
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    real = os.scandir
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        items = list(Sources(["s"], (), Path("out")))
    assert [each.name for each in items] == ["s/a.jpg", deep]
    assert items[1].error is not None
    assert "Permission denied" in items[1].error.message


def test_lists_hold_pictures_folders_videos_and_what_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    touch("s/a.jpg", "with space.jpg", "ü.jpg")
    Path("all.txt").write_bytes(
        b"\xef\xbb\xbfwith space.jpg\r\n\r\ns\n\xc3\xbc.jpg\nmissing.jpg\nhaul.mkv"
    )
    expected = ["with space.jpg", "s/a.jpg", "ü.jpg", "missing.jpg", "haul.mkv"]
    assert found("all.txt") == expected
    Path("list").write_bytes(Path("all.txt").read_bytes())
    assert found(lists=["list"]) == expected
    assert Sources(["all.txt"], (), Path("out")).relative


def test_a_list_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("a.jpg")
    reading, writing = os.pipe()
    os.write(writing, b"a.jpg\nb.jpg\n")
    os.close(writing)
    before = os.dup(0)
    try:
        os.dup2(reading, 0)
        sources = Sources(["-"], (), Path("out"))
        assert sources.once
        assert [each.name for each in sources] == ["a.jpg", "b.jpg"]
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)


def test_names_that_are_no_text_go_through() -> None:
    os.mkdir("s")
    touch(b"s/\xff\xfe.jpg")
    (name,) = found("s")
    assert os.fsencode(name) == b"s/\xff\xfe.jpg"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "Nothing to recognise"),
        (("typo",), "typo: there is no such file or folder"),
        (("http://host/a.mp4",), "has to be downloaded first"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Sources(given, (), Path("out"))


def test_a_missing_list_is_refused_and_streams_are_taken() -> None:
    with pytest.raises(UsageError, match="no such list"):
        Sources((), ["none.txt"], Path("out"))
    (stream,) = Sources(["rtsp://host:554/deck?a=//b"], (), Path("out"))
    assert stream == Item("rtsp://host:554/deck?a=//b", "video")
    assert not Sources(["rtsp://host/deck", "/"], (), Path("out")).relative


def test_suffixes_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from deckwatch_client.batch import sources

    monkeypatch.setattr(sources, "_MOST_SUFFIXES", 3)
    touch(*(f"s/log.{number}" for number in range(10)), "s/a.jpg")
    walked = Sources(["s"], (), Path("out"))
    assert len(list(walked)) == 1
    assert len(walked.others) <= 4
    assert walked.others.total() == 10
