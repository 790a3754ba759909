"""`make bench` in its short form: every arm really runs; what it stores and prints is complete."""

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import batches, overload, report, workbench
from benchmarks.__main__ import RESULTS
from benchmarks.part import DOCUMENT
from benchmarks.settings import CLIENTS, QUICK, SIZES
from benchmarks.stages import STAGES
from tests.house.project import ROOT

ARMS = {"bare", "triton", "gateway", "fastapi", "litserve"}


def quick_run(module: str, output: Path, *more: str) -> tuple[dict[str, Any], str]:
    """What a quick run stores, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--quick", "--output", str(output), *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    assert results["mode"] == "quick"
    return results, done.stdout


def finite(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value > 0


@pytest.mark.stack
@pytest.mark.timeout(600)  # it starts every server, and other work may share the cores
def test_a_quick_run(tmp_path: Path) -> None:
    output, document = tmp_path / "results" / "serving.json", tmp_path / "bench.md"
    document.write_text(DOCUMENT.read_text(encoding="utf-8"), encoding="utf-8")
    results, printed = quick_run("benchmarks", output, "--document", str(document))
    assert results["rounds"] == QUICK.rounds

    rows = {(row["size"], row["clients"], row["arm"]): row for row in results["serving"]}
    equal = {key for key in rows if key[2] in ARMS}
    assert equal == set(itertools.product(SIZES, CLIENTS, ARMS))
    for row in rows.values():
        assert all(finite(row[name]) for name in ("p50_ms", "p10_ms", "throughput"))
        assert row["p10_ms"] <= row["p50_ms"]
        for name in ("p50_ratio", "p10_ratio", "throughput_ratio"):
            spread = row[name]
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]
            assert row["arm"] != "bare" or set(spread.values()) == {1.0}

    steps = {(row["size"], row["clients"], row["step"]): row for row in results["triton_steps"]}
    assert len(steps) == len(SIZES) * len(CLIENTS) * 4
    assert all(row["total_ms"] > 0 for row in steps.values())
    assert [row["stage"] for row in results["stages"]] == [*STAGES] * len(SIZES)
    assert all(finite(row["ms"]) for row in results["stages"])

    runtimes = results["runtimes"]["rows"]
    assert len(runtimes) == 6
    assert all(row["precision"] == "bfloat16" or finite(row["ms"]) for row in runtimes)
    assert len(results["start"]["classify"]["runs_s"]) == QUICK.cold_starts
    assert len(results["start"]["up"]["runs_s"]) == QUICK.ups

    tables = report.render(results)
    assert tables.strip() == printed.strip()
    assert tables in document.read_text(encoding="utf-8")
    assert str(tmp_path) not in output.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "stored", "render"),
    [
        ("serving", RESULTS, report.render),
        ("training", workbench.RESULTS, workbench.render),
        ("overload", overload.RESULTS, overload.render),
        ("batch", batches.RESULTS, batches.render),
    ],
)
def test_the_document_shows_what_is_stored(
    name: str, stored: Path, render: Callable[[dict[str, Any]], str]
) -> None:
    part = report.part(name).search(DOCUMENT.read_text(encoding="utf-8"))
    assert part is not None
    if stored.exists():
        results = json.loads(stored.read_text(encoding="utf-8"))
        assert results["mode"] == "full"
        assert part[2].strip() == render(results).strip()
    else:
        assert part[2].strip() == "Nothing is stored for this version."


@pytest.mark.timeout(600)
def test_a_quick_run_of_the_workbench(tmp_path: Path) -> None:
    results, tables = quick_run("benchmarks.workbench", tmp_path / "workbench.json")
    ratio = results["augmentation"]["ratio"]
    assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
    assert all(arm["ratio"] > 0 for arm in results["training"]["arms"].values())
    assert results["memory"]["peak_mib"] > 0
    assert workbench.render(results).strip() == tables.strip()


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_a_quick_run_of_the_overload(tmp_path: Path) -> None:
    results, tables = quick_run("benchmarks.overload", tmp_path / "overload.json")
    rows = {row["load"]: row for row in results["loads"]}
    assert {"half", "twice", *(f"{count} clients in turn" for count in overload.CLIENTS)} == set(
        rows
    )
    for row in rows.values():
        assert all(finite(row[name]) for name in ("results_per_s", "p50_ms", "p99_ms"))
        assert row["p50_ms"] <= row["p99_ms"]
        assert row["refused"] == row["refused_with_retry_after"] < row["offered"]
    assert results["best_per_s"] == max(
        row["results_per_s"] for row in results["loads"] if row["callers_per_s"] is None
    )
    assert abs(results["overhead"]["bytes"] - 200_000) < 10_000
    assert overload.render(results).strip() == tables.strip()


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_a_quick_run_of_the_batches(tmp_path: Path) -> None:
    results, tables = quick_run("benchmarks.batches", tmp_path / "batch.json")
    ways = results["pictures_per_s"]
    assert set(ways) == {"one_by_one", "pool", "pipelined", "batch", "batch, server"}
    assert all(map(finite, ways.values()))
    assert all(finite(each["median"]) for each in results["ratios"].values())
    assert batches.render(results).strip() == tables.strip()


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "other.md"
    document.write_text("# Other\n")
    with pytest.raises(ValueError, match="measured: serving"):
        report.write_into(document, {})
    assert document.read_text() == "# Other\n"
