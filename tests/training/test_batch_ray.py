"""`deckwatch batch --engine ray`: the same bytes as in one process; its workers may ask a server.

Here, and not beside the other tests of batch, because Ray is installed where training is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.batch.seasons import command, go, outputs, write_season
from tests.client.tritons import Triton, serving

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tiny_repository: Path) -> Iterator[dict[str, str]]:
    # Ray's sockets lie under this folder, and the path of a socket is limited to 107 bytes.
    home = tempfile.mkdtemp(prefix="dw", dir="/tmp")
    yield os.environ | {
        "DECKWATCH_MODEL_REPOSITORY": str(tiny_repository),
        "RAY_TMPDIR": home,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",  # else it leaves a token in the home folder
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.timeout(400)
def test_on_ray_a_run_gives_the_same_bytes(
    tmp_path: Path,
    tiny_repository: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DECKWATCH_MODEL_REPOSITORY", str(tiny_repository))
    season = tmp_path / "season"
    write_season(season, 12, a_folder=4)
    (season / "torn.jpg").write_bytes((season / "day-000" / "00000.jpg").read_bytes()[:300])
    with serving(Triton()) as triton:
        for out, options in (
            ("ray", ["--local"]), ("asked", ["--server", triton.address]),
        ):  # fmt: skip
            done = subprocess.run(
                command("season", "--out", out, "--engine", "ray", "--workers", "2", *options),
                env=environment, capture_output=True, text=True, timeout=170, check=False,
            )  # fmt: skip
            # The server of the tests looks at no picture, so that it refuses none.
            failed = 1 if out == "ray" else 0
            assert done.returncode == 3 * failed, done.stderr[-3000:]
            assert f"13 pictures, {failed} failed" in done.stdout
        assert triton.inferences == 13
    go("season", out=Path("local"))
    assert outputs(Path("ray")) == outputs(Path("local"))
