"""What a command says while it works: on standard error, for people or as JSON lines.

Answers go to standard output and never through here. A command takes the two options that all
commands share and opens its speaker first of all:

    from deckwatch_client.logs import speak
    from deckwatch_client.options import LogFormat, Quiet

    def batch(..., quiet: Quiet = False, log_format: LogFormat = "text") -> None:
        say = speak(quiet=quiet, form=log_format)
        say.info("run continues", f"{done} of {total} pictures are done.", done=done, total=total)
        say.warning("picture failed", f"{name}: {error.message}", image=name, code=error.code)
        with bar() if say.draws else nullcontext():
            ...

Further inside, `speaker()` gives the one that was opened. As JSON each call is one line with the
keys of the gateway's log, and the fields behind them:

    {"timestamp": "2026-05-05T07:30:00.120Z", "level": "warning", "event": "picture failed",
     "message": "trip/torn.jpg: truncated ...", "image": "trip/torn.jpg", "code": "broken-image"}

`event` is a constant that programs may look for; `message` is the sentence people read, and what
the text form prints. An error that ends the command is raised, not said: `deckwatch` says it
through the same speaker.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from deckwatch_vision.errors import DeckwatchError

Form = Literal["text", "json"]

FORMAT_VARIABLE = "DECKWATCH_LOG_FORMAT"

# ANSI: select graphic rendition. Words stay whole without them.
COLOURS = {"red": 31, "green": 32, "yellow": 33, "cyan": 36, "dim": 2}
BY_LEVEL = {"warning": "yellow", "error": "red"}


class Speaker:
    """Says things on standard error, a line each; safe to share between threads.

    quiet: nothing but warnings and errors, and no bars.
    form: "text", or "json" for one JSON object a line.
    """

    def __init__(self, *, quiet: bool = False, form: Form = "text") -> None:
        self.quiet = quiet
        self.form = form
        self._one_at_a_time = threading.Lock()

    @property
    def draws(self) -> bool:
        """Whether a progress bar may be drawn: text, not quiet, on a terminal that can."""
        return self.form == "text" and not self.quiet and is_terminal(sys.stderr)

    def info(self, event: str, message: str = "", **fields: Any) -> None:
        """Something went as it should."""
        if not self.quiet:
            self._say("info", event, message, fields)

    def warning(self, event: str, message: str = "", **fields: Any) -> None:
        """Something that the user may want to change, or that cost one picture."""
        self._say("warning", event, message, fields)

    def error(self, event: str, message: str = "", **fields: Any) -> None:
        """Something for which the command will fail."""
        self._say("error", event, message, fields)

    def failed(self, command: str, error: DeckwatchError) -> None:
        """The error that ends `command`."""
        text = _line(error.message)
        if self.form == "json":
            self._say("error", "command failed", text, {"command": command, "code": error.code})
        else:
            self._write(f"{command}: {text}")

    def _say(self, level: str, event: str, message: str, fields: dict[str, Any]) -> None:
        if self.form == "json":
            told = {"message": message} if message else {}
            line = {"timestamp": _now(), "level": level, "event": event, **told, **fields}
            self._write(json.dumps(line, default=str))
            return
        text = _line(message or _phrase(event, fields))
        if level in BY_LEVEL:
            text = f"{coloured(f'{level}:', BY_LEVEL[level], sys.stderr)} {text}"
        self._write(text)

    def _write(self, line: str) -> None:
        with self._one_at_a_time:
            try:
                # Looked up anew: a bar that is being drawn stands in for it.
                sys.stderr.write(f"{line}\n")
                sys.stderr.flush()
            except (AttributeError, OSError, ValueError):
                pass  # closed or full: what cannot be said must not stop the work


_speaker = Speaker()


def speak(*, quiet: bool = False, form: Form = "text") -> Speaker:
    """Open the speaker of this process, for all of its modules."""
    global _speaker  # standard error is one for the process as well
    _speaker = Speaker(quiet=quiet, form=form)
    return _speaker


def speaker() -> Speaker:
    """The speaker that `speak` opened; before that, one that says everything as text."""
    return _speaker


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person watches the stream, on a terminal that can move its cursor."""
    try:
        watched = stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
    return watched and os.environ.get("TERM") != "dumb"


def has_colours(stream: TextIO | None) -> bool:
    """Whether text for the stream may be coloured.

    A NO_COLOR that is set and not empty forbids it (https://no-color.org); FORCE_COLOR likewise
    allows it, where a program that reads us shows colours. Otherwise terminals are coloured.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return os.environ["FORCE_COLOR"] != "0"
    return is_terminal(stream)


def coloured(text: str, colour: str, stream: TextIO | None) -> str:
    """The text in a colour of COLOURS, or as it is where the stream takes none."""
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if has_colours(stream) else text


def _phrase(event: str, fields: dict[str, Any]) -> str:
    told = ", ".join(f"{name} {value}" for name, value in fields.items())
    return f"{event}: {told}" if told else event


def _line(text: str) -> str:
    """One line, in which what would steer the terminal is escaped."""
    text = " ".join(text.split())
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
