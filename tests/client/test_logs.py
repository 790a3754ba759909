"""What commands say on standard error: text or JSON lines, quiet, in colour where it is wanted."""

from __future__ import annotations

import io
import json
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

from deckwatch_client import logs
from deckwatch_client.logs import Speaker, coloured, has_colours, speak, speaker
from deckwatch_vision.errors import ReleaseNotFound


class Terminal(io.StringIO):
    """A terminal that somebody watches."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(logs, "_speaker", Speaker())


def test_text_is_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    say = Speaker()
    say.info("begun", "Three pictures\nwait.")
    say.info("done", pictures=3, of=4)
    say.warning("picture failed", "a.jpg: truncated")
    say.error("disk full", "No room is left.")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Three pictures wait.",
        "done: pictures 3, of 4",
        "warning: a.jpg: truncated",
        "error: No room is left.",
    ]


def test_json_has_the_keys_of_the_gateways_log(capsys: pytest.CaptureFixture[str]) -> None:
    say = Speaker(form="json")
    say.warning("picture failed", "é.jpg: truncated", image=Path("é.jpg"), code="broken-image")
    say.info("done", pictures=3)
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert datetime.fromisoformat(first.pop("timestamp")).utcoffset() is not None
    assert first == {
        "level": "warning",
        "event": "picture failed",
        "message": "é.jpg: truncated",
        "image": "é.jpg",
        "code": "broken-image",
    }
    del second["timestamp"]
    assert second == {"level": "info", "event": "done", "pictures": 3}


def test_quiet_leaves_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    say = Speaker(quiet=True)
    say.info("begun")
    say.warning("odd")
    say.error("worse")
    assert capsys.readouterr().err == "warning: odd\nerror: worse\n"


def test_a_file_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Speaker().info("found", "a\x1b[2Jb.jpg")
    assert capsys.readouterr().err == "a\\x1b[2Jb.jpg\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_error_that_ends_a_command(form: logs.Form, capsys: pytest.CaptureFixture[str]) -> None:
    Speaker(quiet=True, form=form).failed("deckwatch", ReleaseNotFound("nothing\nthere. Fetch it."))
    err = capsys.readouterr().err
    if form == "text":
        assert err == "deckwatch: nothing there. Fetch it.\n"
    else:
        line = json.loads(err)
        assert (line["message"], line["code"]) == ("nothing there. Fetch it.", "release-not-found")


def test_one_speaker_for_all_modules() -> None:
    assert not speaker().quiet
    opened = speak(quiet=True, form="json")
    assert speaker() is opened


def test_bars_are_for_people_at_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert Speaker().draws
    assert not Speaker(quiet=True).draws
    assert not Speaker(form="json").draws
    monkeypatch.setenv("TERM", "dumb")
    assert not Speaker().draws
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not Speaker().draws


def test_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    file, terminal = io.StringIO(), Terminal()
    assert has_colours(terminal)
    assert not has_colours(file)
    assert not has_colours(None)
    monkeypatch.setenv("NO_COLOR", "")
    assert has_colours(terminal)  # empty counts as not set
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert has_colours(file)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colours(terminal)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "0")
    assert not has_colours(terminal)
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not has_colours(terminal)
    assert coloured("word", "red", terminal) == "word"
    monkeypatch.setenv("TERM", "xterm")
    assert coloured("word", "red", terminal) == "\x1b[31mword\x1b[0m"


def test_the_level_is_coloured_and_the_sentence_not(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    Speaker().warning("odd", "This is odd.")
    assert terminal.getvalue() == "\x1b[33mwarning:\x1b[0m This is odd.\n"


def test_a_closed_standard_error_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        Speaker().error("lost")
        assert not Speaker().draws


def test_lines_of_threads_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    say = Speaker(form="json")

    def work(number: int) -> None:
        for _ in range(50):
            say.info("done", picture=number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert sorted(line["picture"] for line in lines) == sorted(list(range(8)) * 50)
