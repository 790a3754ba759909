"""Completion of command lines: what is offered, and that a real bash takes it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deckwatch_client.commands import KNOWN
from deckwatch_client.formats.table import FORMATS

# Ahead of all else, so that `deckwatch` on PATH is the one under test.
BIN = Path(sys.executable).parent


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("_DECKWATCH")}
    return {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", **more}


def offered(*words: str, shell: str = "bash") -> tuple[str, dict[str, str]]:
    """The kind of what may follow `words`, the last one unfinished, and the candidates' help."""
    process = subprocess.run(
        [str(BIN / "deckwatch")],
        env=environment(_DECKWATCH_COMPLETE=f"complete_{shell}", _DECKWATCH_WORDS="\n".join(words)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (process.returncode, process.stderr) == (0, "")
    kind, *lines = process.stdout.splitlines()
    return kind, {value: told for value, _, told in (line.partition("\t") for line in lines)}


def test_commands_with_their_help() -> None:
    kind, found = offered("deckwatch", "")
    assert kind == "plain"
    assert found.keys() == {*KNOWN, "classify", "completion"}
    assert all(found[name] == known.summary for name, known in KNOWN.items())
    assert offered("deckwatch", "re")[1].keys() == {"report", "retrain", "releases"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_options_of_a_command_that_is_loaded_late(shell: str) -> None:
    assert offered("deckwatch", "rollback", "--re", shell=shell) == (
        "plain",
        {
            "--repository": "Model repository [default: the one in use]",
            "--reason": "Why; recorded in the history.",
        },
    )


def test_formats_in_a_list_with_commas() -> None:
    kind, found = offered("deckwatch", "batch", "--format", "csv,meg")
    assert kind == "plain"
    assert found == {"csv,megadetector": FORMATS["megadetector"].summary}
    assert "csv,csv" not in offered("deckwatch", "convert", "--to", "csv,")[1]
    readable = {name for name, each in FORMATS.items() if each.reads}
    assert offered("deckwatch", "convert", "--from=")[1].keys() == readable


def test_files_where_a_path_is_expected() -> None:
    assert offered("deckwatch", "releases", "--repository", "") == ("file", {})
    assert offered("deckwatch", "classify", "") == ("file", {})
    assert offered("deckwatch", "classify", "--image", "de") == ("file", {})
    assert offered("deckwatch", "classify", "--", "--im") == ("file", {})
    assert offered("deckwatch", "classify", "--repository", "") == ("dir", {})


def test_classify_itself() -> None:
    kind, found = offered("deckwatch", "classify", "deck.jpg", "--ver")
    assert kind == "plain"
    assert found.keys() == {"--verbose", "--version"}
    assert found["--verbose"] == "print every class, likeliest first"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two more packages with a command each, one of which cannot be imported."""
    folder = tmp_path / "packages"
    metadata = folder / "fleet_tools-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fleet-tools\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[deckwatch.commands]\nfleet = fleet_tools:fleet\nbroken = broken_tools:run\n"
    )
    (folder / "fleet_tools.py").write_text(
        "import typing\n"
        "def fleet(form: typing.Literal['csv', 'coco', 'yolo'] = 'csv'):\n"
        "    '''Count boats.'''\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.usefixtures("packages")
def test_values_of_a_choice() -> None:
    for words in (["--form", "c"], ["--form=c"]):
        assert offered("deckwatch", "fleet", *words) == ("plain", {"csv": "", "coco": ""})
    assert offered("deckwatch", "completion", "")[1].keys() == {"bash", "zsh", "fish"}


@pytest.mark.usefixtures("packages")
def test_a_command_that_cannot_be_loaded() -> None:
    assert offered("deckwatch", "brok")[1] == {"broken": "From the package fleet-tools."}
    assert offered("deckwatch", "broken", "--") == ("plain", {})


class Bash:
    """An interactive bash, as somebody at a terminal has it."""

    def __init__(self, folder: Path) -> None:
        self.process, self.terminal = _start_bash(folder)
        self.type("PS1='> '\n")
        self.type("source <(deckwatch completion bash)\n")

    def type(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def line(self, keys: str) -> str:
        """The command line that `keys` make, with all that Tab completed in it."""
        self.type(keys)
        # Enclosed by the shell and not by what is typed, or the echo would be found.
        self.type("\x01printf '<%s>' \"START\" \x05 'END'\n")
        text = self._read_until("<END>")
        found = re.findall(r"<([^>]*)>", text.rpartition("<START>")[2])
        return " ".join(found[:-1])

    def _read_until(self, mark: str) -> str:
        text = ""
        while mark not in text:
            ready, _, _ = select.select([self.terminal], [], [], 30)
            assert ready, f"bash says nothing more after {text!r}"
            text += os.read(self.terminal, 65536).decode(errors="replace")
        return text

    def close(self) -> None:
        os.close(self.terminal)
        self.process.kill()
        self.process.wait()


def _start_bash(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, start_new_session=True,
        env=environment(TERM="dumb", HISTFILE="", INPUTRC="/dev/null", COLUMNS="200"),
    )  # fmt: skip
    os.close(theirs)
    return process, ours


@contextmanager
def bash_in(folder: Path) -> Iterator[Bash]:
    bash = Bash(folder)
    try:
        yield bash
    finally:
        bash.close()


@pytest.mark.usefixtures("packages")
def test_in_a_real_bash(tmp_path: Path) -> None:
    (tmp_path / "deck 4.jpg").touch()
    (tmp_path / "other.txt").touch()
    with bash_in(tmp_path) as bash:
        assert bash.line("deckwatch rol\t") == "deckwatch rollback"
        assert bash.line("deckwatch rollback --rea\t") == "deckwatch rollback --reason"
        assert bash.line("deckwatch fleet --form=y\t") == "deckwatch fleet --form=yolo"
        assert bash.line("classify --verb\t") == "classify --verbose"
        assert bash.line("classify de\t") == "classify deck 4.jpg"
        assert bash.line("classify --image 'de\t") == "classify --image deck 4.jpg"
        assert bash.line(f"{BIN}/deckwatch prom\t") == f"{BIN}/deckwatch promote"


def test_the_short_commands_ask_deckwatch_beside_them(tmp_path: Path) -> None:
    """Whether or not the extra that they need is installed here."""
    asked = tmp_path / "deckwatch"
    asked.write_text("#!/bin/sh\necho plain\necho $_DECKWATCH_WORDS | tr ' ' '+'\n")
    asked.chmod(0o755)
    with bash_in(tmp_path) as bash:
        for typed, command in {"augment_data": "augment", "create_fish_images": "crop"}.items():
            assert bash.line(f"{tmp_path}/{typed} a b\t") == (
                f"{tmp_path}/{typed} a deckwatch+{command}+a+b"
            )


def run(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "deckwatch"), "completion", *arguments],
        env={**environment(HOME=str(home)), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", **more},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_installing_adds_one_line_once(tmp_path: Path) -> None:
    start = tmp_path / ".bashrc"
    start.write_text("alias ll='ls -l'")
    first = run(tmp_path, "--install", SHELL="/bin/bash")
    assert first.returncode == 0
    assert "Open a new terminal" in first.stderr
    script = tmp_path / ".local/share/deckwatch/completion.bash"
    assert start.read_text() == f"alias ll='ls -l'\nsource {script}\n"
    assert script.read_text() == run(tmp_path, "bash").stdout
    again = run(tmp_path, "bash", "--install")
    assert again.stderr == "It was there already.\n"
    assert start.read_text().count("source") == 1


def test_installing_for_zsh_and_fish(tmp_path: Path) -> None:
    run(tmp_path, "zsh", "--install")
    script = tmp_path / ".local/share/deckwatch/completion.zsh"
    assert (tmp_path / ".zshrc").read_text() == f"source {script}\n"
    assert script.read_text().startswith("#compdef deckwatch classify ")
    run(tmp_path, "fish", "--install")
    assert (tmp_path / ".config/fish/conf.d/deckwatch.fish").is_file()
    assert not (tmp_path / ".bashrc").exists()


def test_an_unknown_shell_and_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    process = run(tmp_path, SHELL="/bin/tcsh")
    assert process.returncode == 2
    assert "SHELL (tcsh) is none of bash, zsh, fish" in process.stderr
    (tmp_path / "file").touch()
    process = run(tmp_path, "bash", "--install", XDG_DATA_HOME=str(tmp_path / "file"))
    assert process.returncode == 1
    assert "cannot be written" in process.stderr
