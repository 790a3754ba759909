"""The same results from this process, from the embedded Triton, and through a gateway before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deckwatch_client.batch.work import Connection
from deckwatch_client.video.options import VideoOptions
from deckwatch_serving.triton import EmbeddedTriton
from tests.client.batch.seasons import go, results
from tests.client.video.videos import write_video
from tests.serving.processes import running_gateway
from tests.tiny_release import tiny_picture


def test_every_way_gives_the_same_results(season: Path, tiny_server: EmbeddedTriton) -> None:
    (season / "torn.jpg").write_bytes((season / "day-000" / "00001.jpg").read_bytes()[:300])
    write_video(season / "haul.mkv", [tiny_picture(fish=2, seed=number) for number in range(10)])
    each = VideoOptions(rate_hz=5)
    summary = go("season", out=Path("here"), video=each)
    assert (summary.tally.pictures, summary.tally.failed) == (12 + 1 + 5, 1)
    triton = Connection((tiny_server.grpc_url,))
    assert go("season", out=Path("triton"), connection=triton, video=each).status == 3
    with running_gateway(tiny_server.grpc_url) as gateway:
        asked = Connection((gateway.url, tiny_server.grpc_url))
        assert go("season", out=Path("both"), connection=asked, video=each).status == 3
        through = Connection((gateway.url,))
        assert go("season", out=Path("gateway"), connection=through, video=each).status == 3
    for way in ("triton", "gateway", "both"):
        for found, expected in zip(results(Path(way)), results(Path("here")), strict=True):
            assert_same(found, expected)
        assert Path(way, "run.json").read_bytes() == Path("here", "run.json").read_bytes()


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """All is equal but for what rounding in the nets leaves, which depends on batches."""
    for key in ("image", "label", "release", "moment", "looks"):
        assert found.get(key) == expected.get(key)
    assert found.get("failure", {}).get("code") == expected.get("failure", {}).get("code")
    assert found.get("likelihoods") == pytest.approx(expected.get("likelihoods"), abs=1e-4)
    for ours, theirs in zip(found.get("fish", ()), expected.get("fish", ()), strict=True):
        assert ours["box"] == pytest.approx(theirs["box"], abs=0.02)
        assert ours.get("track") == theirs.get("track")
        assert ours["likelihoods"] == pytest.approx(theirs["likelihoods"], abs=1e-4)
