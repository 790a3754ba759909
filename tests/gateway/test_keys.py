"""The ring of keys: what an entry may be, and how its file is read again."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from deckwatch_gateway import watched
from deckwatch_gateway.cli import gateway
from deckwatch_gateway.keys import Key, KeyRing, hash_entry
from deckwatch_vision.errors import UsageError

SECRET = "correct-horse-battery-staple"
OTHER = "paper-clip-lantern-mooring"
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()


@pytest.fixture
def look() -> Callable[[KeyRing], None]:
    """Let a ring's next question look at its file, as if a second had passed."""

    def let(ring: KeyRing) -> None:
        assert ring._watched is not None
        ring._watched._next_look = 0.0

    return let


@pytest.mark.parametrize(
    "entry",
    [
        f"bridge {SECRET} classify metrics",
        f"bridge sha256:{DIGEST} metrics classify",
        f"  bridge\tsha256:{DIGEST.upper()} metrics classify  # of the bridge",
        f"# the bridge's\nbridge {SECRET} classify metrics",
        hash_entry("bridge", SECRET, ["classify", "metrics"]),
    ],
)
def test_an_entry(entry: str) -> None:
    ring = KeyRing(entry)
    assert ring
    assert ring.find(SECRET) == Key("bridge", frozenset({"classify", "metrics"}))
    for wrong in ("", SECRET[:-1], SECRET + " ", DIGEST, f"sha256:{DIGEST}", "ä" * 20, "\udcff"):
        assert ring.find(wrong) is None


def test_plain_keys_with_commas_are_named_by_their_digests() -> None:
    ring = KeyRing(f"{SECRET},{OTHER}", default_scopes={"camio"})
    assert ring.find(SECRET) == Key(f"key-{DIGEST[:8]}", frozenset({"camio"}))
    other = ring.find(OTHER)
    assert other is not None
    assert other.name != f"key-{DIGEST[:8]}"


def test_scopes_of_an_entry_win_over_the_usual_ones() -> None:
    ring = KeyRing(f"office {OTHER} metrics, bridge {SECRET}", default_scopes=["classify"])
    assert ring.find(OTHER) == Key("office", frozenset({"metrics"}))
    assert ring.find(SECRET) == Key("bridge", frozenset({"classify"}))


def test_no_keys() -> None:
    for empty in ("", " ,\n, # nobody"):
        ring = KeyRing(empty)
        assert not ring
        assert ring.find("") is None


def test_a_hash_sign_within_a_key_is_part_of_it() -> None:
    assert KeyRing("a#key#of#sixteen#characters").find("a#key#of#sixteen#characters")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("short", "at least 16"),
        ("bridge short-too", "at least 16"),
        ("bridge ünicode-is-not-for-headers", "ASCII"),
        ("bridge sha256:abc", "64 hexadecimal digits"),
        (f"the/bridge {SECRET}", "a name is"),
        (f"bridge {OTHER} {SECRET}", "scopes only: classify, metrics, camio"),
        (f"a {SECRET}, b {SECRET}", "the same key is 'a' and 'b'"),
        (f"a {SECRET} classify, a sha256:{DIGEST} metrics", "two sets of scopes"),
    ],
)
def test_a_malformed_entry_is_refused_without_being_shown(entry: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        KeyRing(entry)
    for word in (SECRET, OTHER, DIGEST, "short-too"):
        assert word not in str(caught.value)


def test_an_error_names_the_line_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"bridge {SECRET}\n\n# next\noffice short\n")
    with pytest.raises(UsageError, match=r"keys: line 4: .*deckwatch gateway key NAME"):
        KeyRing("", file)


@pytest.mark.parametrize("kind", ["missing", "folder", "binary", "huge"])
def test_a_file_that_is_none_is_refused(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    if kind == "folder":
        file.mkdir()
    elif kind == "binary":
        file.write_bytes(b"\xff\xfe\x00")
    elif kind == "huge":
        file.write_bytes(b"#" * 2_000_000)
    with pytest.raises(UsageError, match="keys"):
        KeyRing("", file)


def test_keys_of_the_setting_and_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"office {OTHER}\n")
    ring = KeyRing(f"bridge {SECRET}", file)
    assert ring.find(SECRET) == Key("bridge", frozenset())
    assert ring.find(OTHER) == Key("office", frozenset())


def test_a_rotation(tmp_path: Path, look: Callable[[KeyRing], None]) -> None:
    """The old key, then both under one name, then the new one alone."""
    file = tmp_path / "keys"
    old, new = hash_entry("bridge", SECRET), hash_entry("bridge", OTHER)
    file.write_text(old)
    ring = KeyRing("", file)
    for content, found in (
        (f"{old}\n{new}\n", (True, True)),
        (new, (False, True)),
        ("# nobody\n", (False, False)),
        (old, (True, False)),
    ):
        file.write_text(content)
        look(ring)
        assert (bool(ring.find(SECRET)), bool(ring.find(OTHER))) == found
        assert bool(ring) is any(found)


def test_the_command_makes_a_key_and_its_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for name, scopes in (("bridge", []), ("prometheus", ["--scope", "metrics"])):
        done = CliRunner().invoke(gateway, ["key", name, *scopes])
        assert done.exit_code == 0
        with file.open("a") as opened:
            opened.write(done.stdout)
        made = done.stderr.split()[-1]
        assert len(made) == 43
        assert made not in file.read_text()
        assert KeyRing("", file).find(made) == Key(name, frozenset(scopes[1:] or ["classify"]))


@pytest.mark.parametrize("arguments", [["the bridge"], ["bridge", "--scope", "everything"]])
def test_the_command_refuses_what_cannot_be(arguments: list[str]) -> None:
    done = CliRunner().invoke(gateway, ["key", *arguments])
    assert isinstance(done.exception, UsageError)
    assert not done.stdout


def test_two_writes_within_one_tick_are_both_seen(
    tmp_path: Path, look: Callable[[KeyRing], None]
) -> None:
    file = tmp_path / "keys"
    file.write_text(SECRET)
    ring = KeyRing("", file)
    stamp = file.stat()
    file.write_text(OTHER + "##")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert file.stat().st_size == stamp.st_size
    look(ring)
    assert ring.find(OTHER + "##") is not None


def test_a_swapped_link_is_seen(tmp_path: Path, look: Callable[[KeyRing], None]) -> None:
    """As Kubernetes replaces a mounted secret; times and sizes are the same."""
    past = time.time() - 1000
    for name, key in (("1", SECRET), ("2", SECRET[::-1])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "keys").write_text(key)
        os.utime(folder / "keys", (past, past))
    (tmp_path / "data").symlink_to("1")
    (tmp_path / "keys").symlink_to("data/keys")
    ring = KeyRing("", tmp_path / "keys")
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").replace(tmp_path / "data")
    look(ring)
    assert ring.find(SECRET) is None
    assert ring.find(SECRET[::-1]) is not None


@pytest.mark.parametrize("slip", ["bridge short", "gone"])
def test_a_slip_of_the_pen_keeps_the_keys(
    slip: str, tmp_path: Path, look: Callable[[KeyRing], None]
) -> None:
    file = tmp_path / "keys"
    file.write_text(f"bridge {SECRET}")
    ring = KeyRing("", file)
    if slip == "gone":
        file.unlink()
    else:
        file.write_text(slip)
    look(ring)
    with capture_logs() as lines:
        assert ring.find(SECRET) == Key("bridge", frozenset())
    assert [line["log_level"] for line in lines] == ["error"]
    assert ring.find("short") is None
    assert ring
    file.write_text(f"bridge {OTHER}")
    look(ring)
    assert ring.find(SECRET) is None
    assert ring.find(OTHER) is not None


def test_the_file_is_looked_at_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    file = tmp_path / "keys"
    file.write_text(SECRET)
    ring = KeyRing("", file)
    file.write_text(OTHER)
    assert ring.find(OTHER) is None
    now += watched.LOOK_EVERY_S
    assert ring.find(OTHER) is not None
