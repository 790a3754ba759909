"""What the README shows without a server is what happens."""

import itertools
import re
import tomllib

import pytest

from tests.house.project import ROOT
from tools import transcripts

README = (ROOT / "README.md").read_text(encoding="utf-8")
STEPS = list(transcripts.steps(README))


def of(program: str) -> list[transcripts.Step]:
    return [step for step in STEPS if re.search(rf"(^|\| ){program}\b", step.command)]


def test_every_command_is_looked_at_here_or_with_the_stack() -> None:
    programs = ("make", "pip", "classify", "curl", "deckwatch")
    known = [step for program in programs for step in of(program)]
    assert sorted(step.command for step in known) == sorted(step.command for step in STEPS)


@pytest.mark.parametrize("step", of("classify"), ids=lambda step: step.command)
def test_classify_prints_what_is_shown(step: transcripts.Step) -> None:
    assert transcripts.IN_PROCESS.match(step.command)
    seen = transcripts.run(step.command, {"DECKWATCH_SERVER": "", "DECKWATCH_MODEL_REPOSITORY": ""})
    assert transcripts.agree(step.output, seen), f"shown:\n{step.output}seen:\n{seen}"


@pytest.mark.parametrize("step", of("make"), ids=lambda step: step.command)
def test_make_has_the_targets_that_are_shown(step: transcripts.Step) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in step.command.split()[1:]:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("step", of("deckwatch"), ids=lambda step: step.command)
def test_deckwatch_has_the_commands_and_options_that_are_shown(step: transcripts.Step) -> None:
    words = step.command.split()
    names = list(itertools.takewhile(lambda word: re.fullmatch(r"[a-z]+", word), words))
    page = transcripts.run(" ".join([*names, "--help"]))
    command = re.match(r"Usage: ([a-z ]+?) (?=\[|[A-Z])", page)
    assert command is not None
    assert f"{' '.join(names)} ".startswith(f"{command[1]} ")  # an argument may follow
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[\w-]+", page))
    for word in words:
        if word.startswith("training/"):
            assert (ROOT / word).exists()


@pytest.mark.parametrize("step", of("pip"), ids=lambda step: step.command)
def test_pip_is_given_extras_that_there_are(step: transcripts.Step) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = re.fullmatch(r"pip install '?\.(?:\[([\w,]+)\])?'?", step.command)
    assert found is not None
    assert set((found[1] or "local").split(",")) <= set(project["optional-dependencies"])


def test_the_python_example_without_a_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = [block for block in python_blocks() if "tritonclient" not in block]
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("DECKWATCH_SERVER", raising=False)
    monkeypatch.delenv("DECKWATCH_MODEL_REPOSITORY", raising=False)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("".join(f"{line}\n" for line in promised(code)))


def python_blocks() -> list[str]:
    """The Python examples of the README."""
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def promised(code: str) -> list[str]:
    """The output that an example promises in comments behind its print calls."""
    return re.findall(r"^print\(.*\)  # (.+)$", code, re.MULTILINE)
