"""What /metrics says of the pictures, and that callers cannot make it grow."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx2
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from deckwatch_gateway.metrics_pictures import PictureMetrics
from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result
from tests.client.tritons import Triton, serving
from tests.house.project import ROOT
from tools.metrics_table import gateway_metrics, queried_name

from .conftest import DEADLINE_S, Running

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def triton() -> Iterator[Triton]:
    with serving(Triton()) as triton:
        yield triton


@pytest.fixture
def gateway(start_gateway: Callable[..., Running], triton: Triton) -> Running:
    return start_gateway(triton=triton.address, metrics_cameras=3)


def result(label: str = "SHARK", fish: int = 0, release: int = 1) -> Result:
    likelihoods = {"NoF": 0.3, label: 0.7}
    found = tuple(Fish((0.0, 0.0, 1.0, 1.0), 0.55, label, likelihoods) for _ in range(fish))
    return Result(label, likelihoods, found, ImageInfo(None, 1, 1, None), ReleaseInfo("r", release))


def lines(registry: CollectorRegistry, name: str) -> list[str]:
    text = generate_latest(registry).decode()
    return [line for line in text.splitlines() if line.startswith(f"x_{name}")]


def counted(*, cameras: int = 10) -> tuple[PictureMetrics, CollectorRegistry]:
    registry = CollectorRegistry()
    return PictureMetrics(registry, "x_", cameras=cameras), registry


def test_pictures_by_camera_label_and_release() -> None:
    metrics, registry = counted()
    metrics.count(result("SHARK"), "aft")
    metrics.count(result("SHARK"), "aft")
    metrics.count(result("RAY"), None)
    assert lines(registry, "pictures_total") == [
        'x_pictures_total{camera="aft",label="SHARK"} 2.0',
        'x_pictures_total{camera="unnamed",label="RAY"} 1.0',
    ]
    assert lines(registry, "release_pictures_total") == [
        'x_release_pictures_total{name="r",version="1"} 3.0'
    ]


def test_distributions() -> None:
    metrics, registry = counted()
    metrics.count(result("SHARK", fish=0), None)
    metrics.count(result("SHARK", fish=3), None)
    assert 'x_likelihood_bucket{label="SHARK",le="0.6"} 0.0' in lines(registry, "likelihood")
    assert 'x_likelihood_bucket{label="SHARK",le="0.7"} 2.0' in lines(registry, "likelihood")
    assert 'x_fish_per_picture_bucket{le="0.0"} 1.0' in lines(registry, "fish_per_picture")
    assert 'x_fish_per_picture_bucket{le="3.0"} 2.0' in lines(registry, "fish_per_picture")
    assert "x_fish_score_count 3.0" in lines(registry, "fish_score")


def hostile_names(count: int) -> Iterator[str]:
    dice = Random(5)
    letters = string.printable + "äß\u202e\ud800\x00\U0001f41f"
    for _ in range(count):
        yield "".join(dice.choices(letters, k=dice.choice((1, 8, 64, 65, 5000))))


def test_cameras_are_bounded_whatever_they_are_called() -> None:
    metrics, registry = counted(cameras=10)
    for name in hostile_names(3000):
        metrics.count(result(), name)
    written = lines(registry, "pictures_total")
    assert len(written) == 11, "ten, and the others"
    assert max(map(len, written)) < 400
    assert sum(float(line.rpartition(" ")[2]) for line in written) == 3000
    assert len(list(plain_text(generate_latest(registry).decode()))) > 0


def test_no_camera_at_all_has_lines_of_its_own_where_none_may() -> None:
    metrics, registry = counted(cameras=0)
    metrics.count(result(), "aft")
    assert lines(registry, "pictures_total") == [
        'x_pictures_total{camera="other",label="SHARK"} 1.0'
    ]


def test_releases_are_bounded() -> None:
    metrics, registry = counted()
    for version in range(1, 101):
        metrics.count(result(release=version), None)
    versions = [line.partition('version="')[2] for line in lines(registry, "release_pictures_tot")]
    assert versions == [f'{version}"}} 1.0' for version in range(91, 101)]
    metrics.count(result(release=1), None)
    assert len(lines(registry, "release_pictures_total")) == 10


def test_pictures_are_counted_through_the_gateway(gateway: Running, jpeg: bytes) -> None:
    for camera in ("aft", "bow", "aft"):
        gateway.caller.post(f"/v1/classify?camera={camera}", content=jpeg)
    gateway.caller.post("/classifyfish", content=jpeg)
    assert gateway.caller.metric("pictures_total", camera="aft", label="SHARK") == 2
    assert gateway.caller.metric("pictures_total", camera="bow", label="SHARK") == 1
    assert gateway.caller.metric("pictures_total", camera="unnamed", label="SHARK") == 1
    assert gateway.caller.metric("likelihood_count", label="SHARK") == 4
    assert gateway.caller.metric("fish_per_picture_count") == 4
    assert gateway.caller.metric("release_pictures_total", name="release 1", version="1") == 4


def test_what_was_not_recognised_is_not_counted(gateway: Running, jpeg: bytes) -> None:
    gateway.caller.post("/v1/classify?camera=aft", content=b"no picture")
    assert gateway.caller.metric("pictures_total", camera="aft", label="SHARK") == 0
    assert gateway.caller.metric("fish_per_picture_count") == 0


def test_no_caller_makes_the_metrics_grow(gateway: Running, jpeg: bytes) -> None:
    dice = Random(6)

    words: list[str] = []

    def word() -> str:
        words.append("".join(dice.choices(string.ascii_lowercase, k=9)))
        return words[-1]

    def hostile(_: int) -> int:
        headers = {"X-Request-ID": word(), "Content-Type": word(), word(): word()}
        path = dice.choice([f"/{word()}", f"/tasks/{word()}", "/v1/classify", "/classifyfish"])
        query = {word(): word(), "camera": word(), "overlay": dice.choice(["0", word()])}
        body = dice.choice([jpeg, b"", word().encode()])
        method = dice.choice(["GET", "POST", "PUT", "PROPFIND", "SUBSCRIBE"])
        answer = bare.request(method, path, params=query, headers=headers, content=body)
        return answer.status_code

    def series() -> set[str]:
        text = gateway.caller.get("/metrics").text
        names = (line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#")
        return {name for name in names if name.startswith("deckwatch_gateway_")}

    for camera in "abcd":
        gateway.caller.post(f"/v1/classify?camera={camera}", content=jpeg)
    # Not by the fixture's caller: Camio's routes answer in their own way.
    with (
        httpx2.Client(base_url=gateway.server.url, trust_env=False, timeout=DEADLINE_S) as bare,
        ThreadPoolExecutor(4) as pool,
    ):
        statuses = set(pool.map(hostile, range(150)))
        few = series()
        statuses |= set(pool.map(hostile, range(300)))
    grown = series() - few
    assert statuses >= {404, 405, 422}
    # A route may meet a status for the first time, but nothing that callers made up is there.
    assert not [name for name in grown for word in words if word in name]
    assert len(grown) < 100, grown


@pytest.mark.parametrize("camera", ["%ED%A0%80", "%00", "a%0Ab%22%5C", "%F0%9F%90%9F"])
def test_metrics_can_be_read_whatever_a_camera_is_called(
    gateway: Running, jpeg: bytes, camera: str
) -> None:
    assert gateway.caller.post(f"/v1/classify?camera={camera}", content=jpeg).status_code == 200
    assert list(plain_text(gateway.caller.get("/metrics").text))


def test_open_metrics_where_it_is_asked_for(gateway: Running, jpeg: bytes) -> None:
    gateway.caller.post("/v1/classify", content=jpeg)
    plain = gateway.caller.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    opened = gateway.caller.get("/metrics", headers={"Accept": OPEN_METRICS})
    assert opened.headers["content-type"].startswith(OPEN_METRICS)
    families = {family.name for family in open_metrics(opened.text)}
    # The plain format has no better place for the times of creation than families of their own.
    plainly = {
        family.name.removesuffix("_created").removesuffix("_info")
        for family in plain_text(plain.text)
    }
    assert plainly == {name.removesuffix("_info") for name in families}
    ours = {name for name in families if not name.startswith(("process_", "python_"))}
    assert all(name.startswith("deckwatch_gateway_") for name in ours)


def test_build_info(gateway: Running) -> None:
    (line,) = (
        line for line in gateway.caller.get("/metrics").text.splitlines()
        if line.startswith("deckwatch_gateway_build_info{")
    )  # fmt: skip
    assert 'version="' in line
    assert 'python="3.' in line


def test_queries_of_the_documents_name_metrics_there_are() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    known: dict[str, set[str]] = {}
    for family, labels in gateway_metrics():
        known[queried_name(family)] = set(labels)
        if family.type == "histogram":
            known |= {f"{family.name}_{end}": set(labels) for end in ("sum", "count")}
    queries = re.findall(r"```promql\n(.*?)```", text, re.DOTALL)
    assert len(queries) > 10
    for query in queries:
        names = re.findall(r"deckwatch_gateway_\w+", query)
        assert names
        assert set(names) <= known.keys(), query
        asked = re.findall(r"(\w+)=~?\"", query)
        asked += [label.strip() for by in re.findall(r" by \(([^)]*)\)", query)
                  for label in by.split(",")]  # fmt: skip
        assert set(asked) - {"le"} <= set.union(*(known[name] for name in names)), query
