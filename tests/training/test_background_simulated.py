"""A simulated fixed camera with look-alikes, before the demo release and a background."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import background, report
from benchmarks.fixed_cameras import Amount, Seen, dropped_from, learnt_from, seen_by
from deckwatch_client.background.stage import BackgroundStage
from deckwatch_client.local import LocalBackend

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo() -> LocalBackend:
    return LocalBackend(ROOT / "model_repository")


@pytest.fixture(scope="module")
def seen(demo: LocalBackend, tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    """One camera, two sequences of twelve pictures each."""
    folder = tmp_path_factory.mktemp("simulated") / "deck"
    return seen_by(folder, 12, Amount("test", cameras=1, sequences=2, frames=12, photos=0), demo)


@pytest.mark.parametrize("method", ["median", "mog2"])
def test_false_fish_go_and_real_ones_stay(seen: list[Seen], tmp_path: Path, method: str) -> None:
    stage = learnt_from(seen, tmp_path, method=method)
    false = real = dropped_false = dropped_real = 0
    for each in seen:
        kept, static, unchanged = dropped_from(stage, each)
        hits = each.real((*kept.fish, *static))
        assert len(hits) == len(unchanged) == len(each.result.fish)
        false += len(hits) - sum(hits)
        real += sum(hits)
        dropped_real += sum(each.real(static))
        dropped_false += len(static) - sum(each.real(static))
    assert false >= 20
    assert real >= 4
    assert dropped_false > 0.7 * false
    # Fish lie there for half of the twelve pictures by day: MOG2 takes them for background.
    assert dropped_real == 0 or method == "mog2"


def test_masking_shows_the_release_less(
    seen: list[Seen], tmp_path: Path, demo: LocalBackend
) -> None:
    learnt_from(seen, tmp_path)
    stage = learnt_from(seen, tmp_path, mask=True)
    found = [stage.recognise(each.data, each.entry.camera, demo.infer) for each in seen[::4]]
    assert sum(len(result.fish) + len(static) for result, static, _ in found) < sum(
        len(each.result.fish) for each in seen[::4]
    )
    for (result, _, _), each in zip(found, seen[::4], strict=True):
        assert result.image == each.result.image
    assert isinstance(stage, BackgroundStage)


def test_the_page_shows_what_was_measured() -> None:
    results = json.loads(background.RESULTS.read_text(encoding="utf-8"))
    assert results["mode"] == "full"
    part = report.part("background").search(background.DOCUMENT.read_text(encoding="utf-8"))
    assert part is not None
    assert part[2].strip() == background.render(results).strip()


@pytest.mark.timeout(600)  # other work may share the cores
def test_a_quick_measurement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "background.json"
    assert background.main(["--quick", "--output", str(output)]) == 0
    results: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    assert capsys.readouterr().out.strip() == background.render(results).strip()
    arms = [row["arm"] for row in results["arms"] if row["light"] == "all"]
    assert arms == ["none", "median", "median, mask", "mog2", "mog2, mask"]
    assert all(np.isfinite(cost) and cost > 0 for cost in results["costs_ms"].values())
    assert str(tmp_path) not in output.read_text(encoding="utf-8")
