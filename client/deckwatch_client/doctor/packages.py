"""Is everything installed, and does it fit together?"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, version

from deckwatch_client.commands import KNOWN
from deckwatch_client.doctor.finding import Finding, Subject
from deckwatch_client.version import installed_version
from deckwatch_vision.errors import DeckwatchError

OURS = "deckwatch"
# Module and the distribution that brings it.
LIBRARIES = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "simplejpeg": "simplejpeg",
    "onnxruntime": "onnxruntime",
    "tritonclient.grpc": "tritonclient",
    "httpx2": "httpx2",
    "rich": "rich",
    "jinja2": "jinja2",
    "tenacity": "tenacity",
}
# All of them write the one folder cv2.
OPENCV = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)
# Extras that nobody needs who only uses Deckwatch.
DEVELOPMENT = {"test", "dev"}
# The embedded server's wheel asks for numpy 1 on behalf of Python code that is never imported.
UNFOUNDED = {("nvidia-pytriton", "numpy")}
AGAIN = "pip install --force-reinstall deckwatch"
_IMPORT = """
import importlib, json, sys
for name in sys.argv[1:]:
    sys.stdout.write(name + "\\n")
    sys.stdout.flush()
    try:
        importlib.import_module(name)
    except BaseException as error:
        sys.stdout.write(json.dumps(f"{type(error).__name__}: {error}") + "\\n")
"""


def python(_: Subject) -> Iterator[Finding]:
    """Which Python, and which Deckwatch in it."""
    text = f"Deckwatch {installed_version()}, Python {platform.python_version()}"
    yield Finding("ok", f"{text} ({sys.executable})", facts={"python": platform.python_version()})


def libraries(subject: Subject) -> Iterator[Finding]:
    """Whether what is always needed can be imported.

    In a process of its own: a library built for another processor takes the whole process down.
    """
    child = subprocess.run(
        [sys.executable, "-P", "-c", _IMPORT, *LIBRARIES],
        capture_output=True, text=True, timeout=120, errors="replace",
    )  # fmt: skip
    tried = ""
    for line in child.stdout.splitlines():
        if line in LIBRARIES:
            tried = line
        elif line.startswith('"'):
            subject.broken.add(tried)
            yield _cannot_import(tried, json.loads(line))
    if child.returncode != 0:
        subject.broken.add(tried)
        yield _cannot_import(tried, f"Python ends with status {child.returncode}")
    found = {module: _version(name) for module, name in LIBRARIES.items()}
    told = (f"{LIBRARIES[each]} {found[each]}" for each in found if each not in subject.broken)
    yield Finding("ok", ", ".join(told), facts={LIBRARIES[each]: found[each] for each in found})


def _cannot_import(module: str, reason: str) -> Finding:
    name = LIBRARIES.get(module, module)
    cure = f"Install it again: pip install --force-reinstall --no-deps {name}"
    if "libGL" in reason or "libgthread" in reason:
        cure = (
            "This is OpenCV for desktops. Replace it: pip uninstall opencv-python, then "
            f"pip install --force-reinstall --no-deps {name}"
        )
    return Finding("problem", f"{name} cannot be imported ({reason}).", cure, {"module": module})


def opencv(_: Subject) -> Iterator[Finding]:
    """Whether one OpenCV is installed, and not two on top of each other."""
    there = [name for name in OPENCV if _version(name)]
    if len(there) > 1:
        yield Finding(
            "warning",
            f"{' and '.join(there)} are installed together; they overwrite each other's files.",
            f"Keep one: pip uninstall {' '.join(there)}, then pip install opencv-python-headless",
            {"installed": there},
        )


def requirements(_: Subject) -> Iterator[Finding]:
    """Whether the installed versions are those that Deckwatch and its libraries ask for."""
    misfits = list(_misfits())
    for needed_by, wanted, found in misfits:
        yield Finding(
            "warning",
            f"{needed_by} asks for {wanted}; installed is {found}.",
            f"Install what fits: pip install '{wanted}'",
            {"needed_by": needed_by, "wanted": wanted, "installed": found},
        )
    if not misfits:
        yield Finding("ok", "The installed versions fit together.")


def _misfits() -> Iterator[tuple[str, str, str]]:
    """Who needs it, what it asks for, and the version that is there instead."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    waiting: list[tuple[str, str]] = [(OURS, ""), *((OURS, extra) for extra in _extras())]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        try:
            asked = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for each in map(Requirement, asked):
            if each.marker and not each.marker.evaluate({"extra": extra}):
                continue
            needed = canonicalize_name(each.name)
            found = _version(needed)
            # What is missing is told where it matters: as a library or as an extra.
            if not found or (name, needed) in UNFOUNDED:
                continue
            if not each.specifier.contains(found, prereleases=True):
                yield name, f"{needed}{each.specifier}", found
            new = {(needed, part) for part in ("", *each.extras)} - seen
            seen |= new
            waiting.extend(sorted(new))


def extras(_: Subject) -> Iterator[Finding]:
    """Which extras are installed, and which commands lack theirs."""
    there = _extras()
    have = [name for name, missing in there.items() if not missing]
    if have:
        yield Finding("ok", f"Extras installed: {', '.join(have)}.", facts={"extras": have})
    unused = []
    for name, missing in there.items():
        commands = [each for each, known in KNOWN.items() if name in known.extra.split(",")]
        if missing and commands:
            yield Finding(
                "note",
                f"Without the extra {name} these do not run: deckwatch {', '.join(commands)} "
                f"(missing: {_first(missing)}).",
                f"If you need them: pip install 'deckwatch[{name}]'",
                {"extra": name, "missing": missing},
            )
        elif missing:
            unused.append(name)
    if unused:
        yield Finding(
            "note",
            f"Extras not installed: {', '.join(unused)}.",
            f"If you need one: pip install 'deckwatch[{unused[0]}]'; the README says what each "
            "is for.",
            {"extras": unused},
        )


def _first(names: list[str]) -> str:
    """Three of the names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def _extras() -> dict[str, list[str]]:
    """Every extra for users, with the distributions that it lacks here."""
    from packaging.requirements import Requirement

    try:
        ours = distribution(OURS)
    except PackageNotFoundError:
        return {}
    asked = [Requirement(each) for each in ours.requires or []]
    found: dict[str, list[str]] = {}
    for extra in sorted(set(ours.metadata.get_all("Provides-Extra") or ()) - DEVELOPMENT):
        wanted = (
            each.name
            for each in asked
            if each.marker
            and each.marker.evaluate({"extra": extra})
            and not each.marker.evaluate({"extra": ""})
        )
        found[extra] = [name for name in wanted if not _there(name)]
    return found


def _there(name: str) -> bool:
    # `local` names `deckwatch[openvino]`, which stands in the list by itself.
    return name == OURS or bool(_version(name))


def embedded(_: Subject) -> Iterator[Finding]:
    """Whether the embedded Triton server could run here."""
    from deckwatch_serving.wheel import find_wheel, glibc_version

    glibc = ".".join(map(str, glibc_version() or ())) or "none"
    if not _version("nvidia-pytriton"):
        return
    try:
        find_wheel()
    except DeckwatchError as error:
        yield Finding.of(error)
    else:
        text = f"The embedded Triton server can run here (glibc {glibc})."
        yield Finding("ok", text, facts={"glibc": glibc})


def _version(name: str) -> str:
    """The installed version; "" where it is not."""
    try:
        return re.sub(r"\+.*", "", version(name))
    except PackageNotFoundError:
        return ""
