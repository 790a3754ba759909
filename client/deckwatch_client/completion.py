"""Completion in bash, zsh and fish, of `deckwatch` and the three short commands.

The shell's function asks `deckwatch` itself, with the words so far in the environment, so that
there is one truth for options and nothing to renew after an upgrade. The short commands are asked
as the commands that they also are: `classify --j` as `deckwatch classify --j`.

An answer is the kind of what may follow ("plain", "file", "dir") and then, for "plain", a line for
each candidate with its help behind a tab.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Literal, get_args

from typer import Context
from typer._click.shell_completion import CompletionItem, ShellComplete, add_completion_class
from typer.completion import shell_complete as answer_shell
from typer.main import get_command

from deckwatch_client.cli import app
from deckwatch_vision.errors import UsageError

Shell = Literal["bash", "zsh", "fish"]

SHELLS: tuple[Shell, ...] = get_args(Shell)
VARIABLE = "_DECKWATCH_COMPLETE"

BASH = r"""
_deckwatch_completion() {
    local IFS=$'\n' word kind="" line
    local deckwatch="${1%"${1##*/}"}deckwatch" words
    case "${1##*/}" in
        classify) words=(deckwatch classify) ;;
        augment_data) words=(deckwatch augment) ;;
        create_fish_images) words=(deckwatch crop) ;;
        *) words=(deckwatch) ;;
    esac
    # Bash cuts --option=value into three words.
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        [ "$word" = "=" ] || words+=("$word")
    done
    [ "$word" != "=" ] || words+=("")
    COMPREPLY=()
    {
        read -r kind
        while read -r line; do COMPREPLY+=("${line%%$'\t'*}"); done
    } < <(_DECKWATCH_COMPLETE=complete_bash _DECKWATCH_WORDS="${words[*]}" "$deckwatch" 2>/dev/null)
    case "$kind" in
        file) compopt -o default ;;
        dir) compopt -o dirnames ;;
    esac
}
complete -F _deckwatch_completion deckwatch classify augment_data create_fish_images
"""

ZSH = r"""
#compdef deckwatch classify augment_data create_fish_images
_deckwatch_completion() {
    local deckwatch="${words[1]%${words[1]:t}}deckwatch" line value
    local -a asked answer described
    case "${words[1]:t}" in
        classify) asked=(deckwatch classify) ;;
        augment_data) asked=(deckwatch augment) ;;
        create_fish_images) asked=(deckwatch crop) ;;
        *) asked=(deckwatch) ;;
    esac
    asked+=("${(@)words[2,CURRENT]}")
    answer=("${(@f)$(_DECKWATCH_COMPLETE=complete_zsh _DECKWATCH_WORDS="${(pj:\n:)asked}" \
        "$deckwatch" 2>/dev/null)}")
    [[ $PREFIX == --*=* ]] && compset -P '*='
    case "$answer[1]" in
        file) _files ;;
        dir) _files -/ ;;
        *)
            for line in "${(@)answer[2,-1]}"; do
                value="${${line%%$'\t'*}//:/\\:}"
                [[ $line == *$'\t'* ]] && value+=":${line#*$'\t'}"
                described+=("$value")
            done
            _describe 'deckwatch' described
            ;;
    esac
}
if [ "$funcstack[1]" = "_deckwatch" ]; then
    _deckwatch_completion "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _deckwatch_completion deckwatch classify augment_data create_fish_images
fi
"""

FISH = r"""
function __deckwatch_completion
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l asked deckwatch
    switch (basename $typed[1])
        case classify
            set asked deckwatch classify
        case augment_data
            set asked deckwatch augment
        case create_fish_images
            set asked deckwatch crop
    end
    set -l words $asked[1]
    for each in $asked[2..-1] $typed[2..-1] "$current"
        set words "$words"\n"$each"
    end
    set -l deckwatch (string replace -r '[^/]*$' '' -- $typed[1])deckwatch
    set -l answer (begin
        set -lx _DECKWATCH_COMPLETE complete_fish
        set -lx _DECKWATCH_WORDS $words
        $deckwatch 2>/dev/null
    end)
    # Fish takes --option=value for one word, so that candidates begin with the option.
    set -l option (string match -r '^--[^=]*=' -- "$current")
    set -l value (string replace -r '^--[^=]*=' '' -- "$current")
    switch "$answer[1]"
        case file
            set answer '' (__fish_complete_path "$value")
        case dir
            set answer '' (__fish_complete_directories "$value")
    end
    for each in $answer[2..-1]
        printf '%s\n' "$option$each"
    end
end
for each in deckwatch classify augment_data create_fish_images
    complete -c $each -f -a '(__deckwatch_completion)'
end
"""

SCRIPTS: dict[Shell, str] = {"bash": BASH, "zsh": ZSH, "fish": FISH}


class _Answer(ShellComplete):
    """What may follow the words in the environment's _DECKWATCH_WORDS, the last one unfinished."""

    name = "deckwatch"
    source_template = ""

    def source_vars(self) -> dict[str, str]:
        return {}

    def get_completion_args(self) -> tuple[list[str], str]:
        _, *words = os.environ.get("_DECKWATCH_WORDS", "deckwatch\n").split("\n")
        *before, last = map(_unquoted, words or [""])
        return before, last

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        if not args and not incomplete.startswith("-"):
            # The most frequent question; to parse nothing, Typer would import pydantic.
            return self.cli.shell_complete(Context(self.cli), incomplete)
        return super().get_completions(args, incomplete)

    def complete(self) -> str:
        try:
            items = self.get_completions(*self.get_completion_args())
        except Exception:
            # A command whose extra is missing, or a broken package: it says so when it is run.
            return "plain"
        kinds = {item.type for item in items}.difference({"plain"})
        if kinds or not items:
            return kinds.pop() if kinds else "file"
        return "\n".join(["plain", *map(self.format_completion, items)])

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.value}\t{' '.join((item.help or '').split())}".rstrip("\t")


def answer() -> int:
    """Print what may follow; the exit status."""
    for shell in SHELLS:
        add_completion_class(_Answer, shell)
    instruction = os.environ.get(VARIABLE, "")
    return answer_shell(get_command(app), {}, "deckwatch", VARIABLE, instruction)


def script(shell: Shell) -> str:
    """The script that teaches a shell all four commands."""
    return SCRIPTS[shell].lstrip("\n")


def own_shell() -> Shell:
    """The user's shell, from the environment's SHELL. Raises UsageError."""
    name = Path(os.environ.get("SHELL", "")).name
    for shell in SHELLS:
        if shell == name:
            return shell
    raise UsageError(
        f"The environment's SHELL ({name or 'not set'}) is none of {', '.join(SHELLS)}. "
        "Name one of them, for instance: deckwatch completion bash"
    )


def install(shell: Shell) -> list[Path]:
    """Write the script into the user's home and have the shell read it; the files that changed.

    bash and zsh read it from their start-up file, which gets one line more; fish finds it.
    """
    home = Path.home()
    if shell == "fish":
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return _write(folder / "fish" / "conf.d" / "deckwatch.fish", script(shell))
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    path = data / "deckwatch" / f"completion.{shell}"
    changed = _write(path, script(shell))
    start = home / ".bashrc"
    if shell == "zsh":
        start = Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
    line = f"source {shlex.quote(str(path))}"
    before = start.read_text(encoding="utf-8") if start.is_file() else ""
    if line not in before.splitlines():
        with start.open("a", encoding="utf-8") as file:
            file.write(("" if not before or before.endswith("\n") else "\n") + line + "\n")
        changed.append(start)
    return changed


def _write(path: Path, text: str) -> list[Path]:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return [path]


def _unquoted(word: str) -> str:
    """A word as the shell would hand it on; an open quote is taken as it is."""
    try:
        return "".join(shlex.split(word))
    except ValueError:
        return word.lstrip("'\"")
