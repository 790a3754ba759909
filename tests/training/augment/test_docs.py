"""docs/augmentation.md and docs/scale.md say what is so."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml

from deckwatch_training import cli_augment, cli_crop
from deckwatch_training.augment import recipe, steps
from deckwatch_training.augment.samples import Sample
from tests.training.augment.conftest import deck
from tools.docs import table

DOCS = Path(__file__).parents[3] / "docs"
AUGMENTATION = (DOCS / "augmentation.md").read_text()
SCALE = (DOCS / "scale.md").read_text()
COMMANDS: dict[str, Callable[..., None]] = {
    "augment_data": cli_augment.augment,
    "create_fish_images": cli_crop.crop,
}


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _commands(text: str) -> list[list[str]]:
    """Every call of our commands in the examples."""
    lines = "\n".join(_blocks(text, "console")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]
    return [words for words in found if words[0] in COMMANDS]


def _check(words: list[str]) -> None:
    """Parse a call, without running it."""
    app = typer.Typer(add_completion=False)
    app.command()(COMMANDS[words[0]])
    command = typer.main.get_command(app)
    command.make_context(words[0], list(words[1:]))


def test_the_table_of_steps_is_the_register() -> None:
    part = re.search(r"<!-- steps -->\n(.*?)<!-- end steps -->", AUGMENTATION, re.DOTALL)
    assert part
    wanted = table(("step", "parameters and defaults", "what it does"), steps.rows())
    assert part[1].strip() == wanted.strip()


def test_the_recipe_and_the_own_step_of_the_page_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, own = _blocks(AUGMENTATION, "yaml")
    (tmp_path / "first.yaml").write_text(first)
    given = recipe.load(tmp_path / "first.yaml")
    default = recipe.load(None)
    for key in ("least", "most", "min_visible", "min_side", "retries", "quality"):
        assert getattr(given, key) == getattr(default, key)
    (tmp_path / "my_steps.py").write_text(_blocks(AUGMENTATION, "python")[0])
    (tmp_path / "own.yaml").write_text(own)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (ready,) = recipe.Plan(recipe.load("own.yaml")).ready
    sample = Sample(deck(1), [])
    assert ready.run(sample, np.random.default_rng(1))
    assert (sample.pixels == 255).all(2).sum() > (deck(1) == 255).all(2).sum()


@pytest.mark.parametrize("text", [AUGMENTATION, SCALE], ids=["augmentation", "scale"])
def test_every_call_has_options_that_exist(text: str) -> None:
    calls = _commands(text)
    assert calls
    for words in calls:
        _check(words)


def _documents() -> list[dict[str, Any]]:
    return [each for block in _blocks(SCALE, "yaml") for each in yaml.safe_load_all(block)]


def test_the_ray_job_calls_the_command_and_mounts_what_it_reads() -> None:
    (job,) = (each for each in _documents() if each["kind"] == "RayJob")
    words = shlex.split(job["spec"]["entrypoint"])
    _check(words)
    cluster = job["spec"]["rayClusterSpec"]
    import ray

    assert cluster["rayVersion"] == ray.__version__
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounts = {each["mountPath"] for each in container["volumeMounts"]}
        assert all(any(word.startswith(m) for m in mounts) for word in words if word[0] == "/")
        names = {each["name"] for each in container["volumeMounts"]}
        assert names == {each["name"] for each in pod["volumes"]}


def test_the_indexed_job_finds_its_first_pod() -> None:
    service, job = (each for each in _documents() if each["kind"] in ("Service", "Job"))
    spec = job["spec"]
    pod = spec["template"]["spec"]
    assert spec["completionMode"] == "Indexed"
    assert service["spec"]["clusterIP"] == "None"
    assert pod["subdomain"] == service["metadata"]["name"]
    name = job["metadata"]["name"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    arguments = pod["containers"][0]["args"]
    assert f"--rdzv-endpoint={name}-0.{pod['subdomain']}:29500" in arguments
    assert f"--nnodes={spec['completions']}" in arguments
    assert spec["parallelism"] == spec["completions"]
