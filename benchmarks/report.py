"""The results as tables, for the terminal and for docs/bench.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.serving import PHASES
from tools.docs import table

# Against the arm `bare`: the most that one client may wait, the least that eight may get.
MOST_P50 = 1.08
LEAST_THROUGHPUT = 0.95
# Of the arm `fastapi`'s throughput, where a faster runtime was proven and this processor has it.
LEAST_FASTER = 1.3
MOST_CLASSIFY_S = 0.6
MOST_UP_S = 12.0

_FIGURES = ("p50 ms", "p10 ms", "pictures/s")
_PHASES = tuple(each.replace("_", " ") for each in PHASES)


def render(results: dict[str, Any]) -> str:
    """All tables in Markdown."""
    parts = [
        _machine(results),
        "### Targets",
        table(("target", "measured", "met"), _targets(results)),
        "### The arms",
        table(
            ("picture", "clients", "arm", *_FIGURES, *(f"{each} to bare" for each in _FIGURES)),
            map(_arm, results["serving"]),
        ),
        "### Where the time goes",
        "One picture in process, one thread, in milliseconds:",
        _stages(results["stages"]),
        "Triton's own statistics of the arm `triton`, milliseconds a request (`deckwatch` is the "
        "whole ensemble):",
        table(
            ("picture", "clients", "step", "total", *_PHASES, "requests in one execution"),
            map(_step, results["triton_steps"]),
        ),
        "### Runtimes",
        _hardware(results["runtimes"]),
        table(
            ("net", "runtime", "precision", "ms", "to onnxruntime", "outputs apart by"),
            map(_runtime, results["runtimes"]["rows"]),
        ),
        "### Start",
        table(("command", "seconds to its answer (median)", "runs"), _starts(results["start"])),
    ]
    return "\n\n".join(parts)


def write_into(document: Path, results: dict[str, Any]) -> None:
    """Put the tables between the marks of `document`.

    Raises:
        ValueError: the document has no such marks.
    """
    write_part(document, "serving", lambda: render(results))


def write_part(document: Path, name: str, tables: Callable[[], str]) -> None:
    """Put what `tables` gives between the marks `measured: NAME` and `measured end`.

    Raises:
        ValueError: the document has no such marks.
    """
    text = document.read_text(encoding="utf-8")
    marks = part(name)
    if not marks.search(text):
        raise ValueError(
            f"{document} has no part to write: put the lines <!-- measured: {name} --> and "
            "<!-- measured end --> where the tables shall stand."
        )
    document.write_text(
        marks.sub(lambda found: f"{found[1]}{tables()}\n{found[3]}", text), encoding="utf-8"
    )


def part(name: str) -> re.Pattern[str]:
    """The marks of a part that is written by measuring, and what stands between them."""
    return re.compile(rf"(<!-- measured: {name} -->\n)(.*?)(<!-- measured end -->)", re.DOTALL)


def _machine(results: dict[str, Any]) -> str:
    machine, release = results["machine"], results["release"]
    flags = ", ".join(name for name, there in machine["flags"].items() if there) or "none"
    missing = ", ".join(name for name, there in machine["flags"].items() if not there)
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items() if found)
    before, after = (", ".join(map(str, results[key])) for key in ("load_before", "load_after"))
    return (
        f"Measured on {results['began'][:10]} ({results['mode']} mode, "
        f"{results['rounds']} rounds, {results['took_s']:.0f} s): "
        f"{machine['processor']}, {machine['cores_used']} of {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB; has {flags}; lacks {missing}. Load average {before} before "
        f"and {after} after. Release {release['name']} {release['version']}. "
        f"Python {machine['python']}, {packages}."
    )


def _targets(results: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    serving = results["serving"]
    for row in serving:
        if row["arm"] not in ("triton", "gateway"):
            continue
        where = f"`{row['arm']}`, {row['size']}, {row['clients']} at once"
        if row["clients"] == 1:
            ratio = row["p50_ratio"]["median"]
            yield (
                f"{where}: p50 at most {MOST_P50} of bare",
                _ratio(row["p50_ratio"]),
                yes(ratio <= MOST_P50),
            )
        if row["clients"] == 8:
            ratio = row["throughput_ratio"]["median"]
            yield (
                f"{where}: throughput at least {LEAST_THROUGHPUT} of bare",
                _ratio(row["throughput_ratio"]),
                yes(ratio >= LEAST_THROUGHPUT),
            )
    yield from _faster(serving)
    for name, limit in (("classify", MOST_CLASSIFY_S), ("up", MOST_UP_S)):
        took = results["start"][name]["median_s"]
        yield f"`{name}` answers within {limit:g} s", f"{took:.2f} s", yes(took <= limit)


def _faster(serving: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    plain = {
        (row["size"], row["clients"]): row["throughput"]
        for row in serving
        if row["arm"] == "fastapi"
    }
    for row in serving:
        if row["arm"].startswith("gateway-") and row["clients"] == 8:
            ratio = row["throughput"] / plain[row["size"], 8]
            yield (
                f"`{row['arm']}`, {row['size']}, 8 at once: throughput at least {LEAST_FASTER} of "
                "`fastapi`",
                f"{ratio:.2f}",
                yes(ratio >= LEAST_FASTER),
            )


def _arm(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["size"],
        str(row["clients"]),
        f"`{row['arm']}`",
        f"{row['p50_ms']:.1f}",
        f"{row['p10_ms']:.1f}",
        f"{row['throughput']:.1f}",
        *(_ratio(row[f"{name}_ratio"]) for name in ("p50", "p10", "throughput")),
    )


def _stages(rows: list[dict[str, Any]]) -> str:
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    found = {(row["stage"], row["size"]): row["ms"] for row in rows}
    names = list(dict.fromkeys(row["stage"] for row in rows))
    totals = {size: sum(found[name, size] for name in names) for size in sizes}
    cells: Iterable[tuple[str, ...]] = [
        (
            name,
            *(
                f"{found[name, each]:.2f} ({found[name, each] / totals[each]:.0%})"
                for each in sizes
            ),
        )
        for name in names
    ]
    total = ("all", *(f"{totals[each]:.2f}" for each in sizes))
    return table(("stage", *sizes), [*cells, total])


def _step(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["size"],
        str(row["clients"]),
        f"`{row['step']}`",
        *(f"{row[f'{name}_ms']:.2f}" for name in ("total", *PHASES)),
        f"{row['requests_per_execution']:.2f}",
    )


def _hardware(runtimes: dict[str, Any]) -> str:
    if runtimes["bfloat16_in_hardware"]:
        return "One thread. This processor multiplies bfloat16 in hardware."
    return (
        "One thread. This processor has neither avx512_bf16 nor amx_bf16, so the last rows show "
        "what OpenVINO makes of the bfloat16 hint without them; Deckwatch does not use it here."
    )


def _runtime(row: dict[str, Any]) -> tuple[str, ...]:
    name = (row["net"], row["runtime"], row["precision"])
    if "refused" in row:
        return (*name, f"refused ({row['refused']})", "", "")
    return (*name, f"{row['ms']:.2f}", _ratio(row["ratio"]), f"{row['max_difference']:.1e}")


def _starts(starts: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, text in (("classify", "`classify --image PHOTO`"), ("up", "`deckwatch up`")):
        yield text, f"{starts[name]['median_s']:.2f}", str(len(starts[name]["runs_s"]))


def _ratio(spread: dict[str, float]) -> str:
    return f"{spread['median']:.2f} ({spread['low']:.2f} to {spread['high']:.2f})"


def yes(met: bool) -> str:
    """What the tables say of a target."""
    return "yes" if met else "**no**"
