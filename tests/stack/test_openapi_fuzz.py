"""schemathesis over the OpenAPI document: no 5xx, and no answer that is not documented."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.conftest import KEY

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)


@pytest.mark.parametrize("door", ["open", "guarded"])
def test_no_server_error_and_nothing_undocumented(
    request: pytest.FixtureRequest, tmp_path: Path, door: str
) -> None:
    if door == "open":
        url, key = request.getfixturevalue("gateway_url"), []
    else:
        url = request.getfixturevalue("guarded_url")
        key = ["--header", f"Authorization: Bearer {KEY}"]
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")), "run", f"{url}/openapi.json",
            "--seed", "1", "--max-examples", "40", "--phases", "examples,coverage,fuzzing",
            "--checks", ",".join(CHECKS), "--no-color", *key,
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=280,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases, done.stdout
    assert int(cases[1]) == int(cases[2]) > 100
