"""Write the parts of the documents that the code knows best, so that they cannot drift.

    python -m tools.docs           # `make docs`: rewrites README.md and docs/*.md in place
    python -m tools.docs --check   # exit code 1 where a document is out of date

A generated part stands between two comments, the first naming who writes it:

    <!-- generated: help classify -->
    ...
    <!-- end -->
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tools.install import ROOT

PART = re.compile(
    r"(?P<start><!-- generated: (?P<name>[a-z]+)(?P<words>(?: [a-z_-]+)*) -->\n)"
    r"(?P<text>.*?)(?P<end><!-- end -->)",
    re.DOTALL,
)


def documents() -> list[Path]:
    """The documents that may hold generated parts."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def render(text: str) -> str:
    """Return a document with every generated part written anew.

    Raises:
        KeyError: a part names a writer that is not in WRITERS.
    """

    def write(part: re.Match[str]) -> str:
        lines = WRITERS[part["name"]](*part["words"].split())
        return f"{part['start']}{lines.rstrip()}\n{part['end']}"

    return PART.sub(write, text)


def write_help(*words: str) -> str:
    """The help page of a command, as a reader with an 80-column terminal sees it."""
    command, *rest = words
    program = Path(sys.executable).with_name(command)
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    page = subprocess.run(
        [str(program), *rest, "--help"], capture_output=True, text=True, check=True, env=environment
    )
    lines = (line.rstrip() for line in page.stdout.strip().splitlines())
    return "```console\n$ " + " ".join([*words, "--help"]) + "\n" + "\n".join(lines) + "\n```"


def write_settings() -> str:
    """Every setting of the gateway with its variable, default and meaning."""
    from deckwatch_gateway.settings import PREFIX, Settings

    rows = [
        (f"`{PREFIX}{name.upper()}`", f"`{field.default}`", field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return table(("variable", "default", "meaning"), rows)


def write_scorecard() -> str:
    """The scorecard of the release that ships, as in its model card."""
    from deckwatch_serving.repository import find_repository, open_release
    from deckwatch_training.model_card import scorecard_table

    release = open_release(find_repository(ROOT / "model_repository"), verify=False)
    return "\n".join(scorecard_table(release.scorecard["valid"]))


def write_retrain() -> str:
    """Every key of a retraining's configuration; what a candidate holds is in training.md."""
    from deckwatch_training import retrain_config as config

    lists: dict[str, type[BaseModel]] = {
        "sources": config.SourceConfig,
        "detectors": config.CandidateConfig,
        "augment": config.AugmentConfig,
        "crop": config.CropConfig,
        "split": config.SplitConfig,
        "select": config.SelectConfig,
        "promote": config.PromoteConfig,
    }
    rows = []
    for name, field in config.RetrainConfig.model_fields.items():
        inner = lists.get(name)
        rows.append((f"`{name}`", "" if inner else _default(field), field.description or ""))
        for key, each in inner.model_fields.items() if inner else ():
            rows.append((f"`{name}.{key}`", _default(each), each.description or ""))
    return table(("key", "default", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel):
        return "see training.md"
    return "" if field.default in (None, "", []) else f"`{field.default}`"


def write_routes() -> str:
    """Every route of the gateway with what it answers."""
    from deckwatch_gateway.app import create_app
    from deckwatch_gateway.settings import Settings

    paths = create_app(Settings()).openapi()["paths"]
    rows = [
        (
            f"`{method.upper()} {path}`",
            operation["summary"],
            ", ".join(f"{status}" for status in operation["responses"]),
        )
        for path, operations in paths.items()
        for method, operation in operations.items()
    ]
    return table(("route", "what", "statuses"), rows)


def write_metrics() -> str:
    """Every metric of the gateway, by the name that queries use."""
    from tools.metrics_table import gateway_metrics, queried_name

    rows = [
        (
            f"`{queried_name(family)}`",
            family.type,
            ", ".join(f"`{label}`" for label in labels),
            family.documentation,
        )
        for family, labels in gateway_metrics()
    ]
    return table(("metric", "type", "labels", "meaning"), rows)


def write_errors() -> str:
    """Every error that Deckwatch raises on purpose, in the order of its tree."""
    from deckwatch_vision.errors import DeckwatchError

    def leaves(kind: type[DeckwatchError]) -> Iterator[type[DeckwatchError]]:
        kinds = [each for each in kind.__subclasses__() if each.__module__ == kind.__module__]
        if not kinds:
            yield kind
        for each in kinds:
            yield from leaves(each)

    rows = [
        (f"`{each.code}`", f"`{each.__name__}`", str(each.status), (each.__doc__ or "").strip())
        for each in leaves(DeckwatchError)
    ]
    return table(("code", "class", "status", "meaning"), rows)


def write_extras() -> str:
    """Every extra with what it is for, from the comments of pyproject.toml, and its packages."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    rows = []
    for name, packages in extras.items():
        found = re.search(rf"((?:^# .*\n)+)^{name} = ", text, re.MULTILINE)
        meaning = " ".join(re.findall(r"^# (.*)$", found[1], re.MULTILINE)) if found else ""
        names = (re.split(r"[<>=;]", package)[0].strip() for package in packages)
        rows.append((f"`{name}`", meaning, ", ".join(names)))
    return table(("extra", "for", "brings"), rows)


def write_formats(*words: str) -> str:
    """The formats of results: what each is, or with `losses` what comes back from it."""
    from deckwatch_client.formats.parts import PARTS
    from deckwatch_client.formats.table import FORMATS

    if "losses" not in words:
        rows = [
            (
                f"`{one.name}`",
                one.summary,
                ", ".join(f"`{path}`" if "." in path else f"`{path}/`" for path in one.writes),
                one.programs,
            )
            for one in FORMATS.values()
        ]
        return table(("format", "what", "written under DIR", "who reads it"), rows)
    rows = []
    for one in FORMATS.values():
        if not one.reads:
            continue
        kept = [name for part, name in PARTS.items() if one.keeps.get(part) == ""]
        notes: dict[str, list[str]] = {}
        for part, name in PARTS.items():
            if note := one.keeps.get(part):
                notes.setdefault(note, []).append(name)
        noted = [f"{', '.join(names)}: {note}" for note, names in notes.items()]
        lost = [name for part, name in PARTS.items() if part not in one.keeps]
        everything = ", ".join(kept) if lost or noted else "everything"
        rows.append((f"`{one.name}`", everything, "; ".join(noted), ", ".join(lost)))
    return table(("format", "comes back", "comes back otherwise", "is lost"), rows)


def write_targets() -> str:
    """What `make help` prints."""
    page = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    return "```console\n$ make help\n" + page.stdout.rstrip() + "\n```"


WRITERS: dict[str, Callable[..., str]] = {
    "help": write_help,
    "settings": write_settings,
    "routes": write_routes,
    "errors": write_errors,
    "metrics": write_metrics,
    "extras": write_extras,
    "formats": write_formats,
    "retrain": write_retrain,
    "scorecard": write_scorecard,
    "targets": write_targets,
}


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; line breaks in cells become spaces."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in row)} |" for row in lines)


def main(arguments: list[str] | None = None) -> int:
    """Write or check the documents and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, only compare")
    options = parser.parse_args(arguments)
    changed = []
    for document in documents():
        old = document.read_text(encoding="utf-8")
        new = render(old)
        if new != old:
            changed.append(document.relative_to(ROOT))
            if not options.check:
                document.write_text(new, encoding="utf-8")
    for name in changed:
        print(f"{name}: {'out of date, run make docs' if options.check else 'written'}")
    return 1 if changed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
