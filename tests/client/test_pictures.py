"""Reading pictures from a file system that does not cooperate."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deckwatch_client.pictures import naming, read_picture
from deckwatch_vision.errors import DeckwatchError, EmptyImage, ImageTooLarge, UnreadableImage
from deckwatch_vision.images import MAX_BYTES

NOBODY = 65534


@contextmanager
def somebody_else() -> Iterator[None]:
    """File access as an ordinary user: the superuser may read everything."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(mine)


def refusal(path: str | Path) -> DeckwatchError:
    with pytest.raises(UnreadableImage) as caught:
        read_picture(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return caught.value


def test_missing(tmp_path: Path) -> None:
    assert "there is no such file" in str(refusal(tmp_path / "missing.jpg"))


def test_a_directory(tmp_path: Path) -> None:
    assert "this is a directory" in str(refusal(tmp_path))


def test_not_permitted(tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    secret.chmod(0)
    with somebody_else():
        assert "may not read it" in str(refusal(secret))


def test_a_link_to_itself(tmp_path: Path) -> None:
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    assert "cannot be read (Too many levels of symbolic links)" in str(refusal(loop))


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be read (Not a directory)" in str(refusal(tmp_path / "file" / "deck.jpg"))


def test_a_path_that_cannot_exist() -> None:
    assert "cannot be read (embedded null byte)" in str(refusal("deck\0.jpg"))


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(EmptyImage):
        read_picture(tmp_path / "empty.jpg")


def test_the_budget_of_bytes_is_inclusive(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES)
    assert len(read_picture(path)) == MAX_BYTES
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageTooLarge, match="33,554,433"):
        read_picture(path)


def test_an_endless_device_is_read_to_the_budget_only() -> None:
    with pytest.raises(ImageTooLarge, match="more than 33,554,432"):
        read_picture("/dev/zero")


def test_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"picture",))
    writer.start()
    assert read_picture(pipe) == b"picture"
    writer.join()


def test_naming_puts_the_name_before_the_message() -> None:
    with pytest.raises(EmptyImage, match=r"^deck\.jpg: no bytes\.$"), naming("deck.jpg"):
        raise EmptyImage("no bytes.")
    with pytest.raises(EmptyImage, match=r"^no bytes\.$"), naming(None):
        raise EmptyImage("no bytes.")
    with pytest.raises(EmptyImage, match=r"^'a\\nb': no bytes\.$"), naming("a\nb"):
        raise EmptyImage("no bytes.")
