"""Pictures worth labelling, kept by a gateway before the real Triton."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from deckwatch_gateway import keeping
from deckwatch_gateway.app import create_app
from deckwatch_gateway.settings import Settings
from deckwatch_serving.keep import FolderSource, FolderStore, Kept, Origin, open_source
from deckwatch_serving.keep.store import Stored
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.result import Result
from tests.tiny_release import tiny_picture

from .conftest import DEADLINE_S, Running, wait_for
from .test_process import process

pytestmark = pytest.mark.stack


def photograph(*species: str, seed: int = 0) -> bytes:
    return encode_jpeg(tiny_picture(fish=len(species), species=species, seed=seed))


@pytest.fixture
def gateway(
    start_gateway: Callable[..., Running], tiny_server: EmbeddedTriton, tmp_path: Path
) -> Running:
    """A gateway that keeps pictures in `tmp_path`, for sensitive species alone."""
    return start_gateway(
        triton=tiny_server.grpc_url, keep=str(tmp_path), keep_below=0, keep_margin=0, keep_faint=0
    )


def outcomes(gateway: Running, outcome: str) -> float:
    return gateway.caller.metric("keep_pictures_total", outcome=outcome)


def test_a_shark_is_kept_with_its_answer_and_where_it_comes_from(
    gateway: Running, tmp_path: Path
) -> None:
    picture = photograph("SHARK")
    where = {"vessel": "Aurora", "camera": "2", "captured_at": "2026-07-01T05:00:00Z"}
    answer = gateway.caller.post("/v1/classify", content=picture, params=where)
    wait_for(lambda: outcomes(gateway, "kept") == 1)
    source = FolderSource(tmp_path)
    (record,) = source.records()
    assert source.read(record) == picture
    assert record.result.as_dict() == answer.json()
    assert record.origin == Origin("Aurora", "2", "2026-07-01T05:00:00+00:00")
    assert set(record.reasons) >= {"sensitive", "vessel", "camera"}
    assert gateway.caller.metric("keep_reasons_total", reason="sensitive") == 1
    assert gateway.caller.metric("keep_reasons_total", reason="unsure") == 0


def test_every_way_of_asking(gateway: Running, tmp_path: Path) -> None:
    ask = gateway.caller.post
    assert ask("/classifyfish?vessel=A", content=photograph("RAY")).json() == ["RAY"]
    files = {"image": ("deck 7.jpg", photograph("SHARK", "RAY"), "image/jpeg")}
    ask("/v1/classify?vessel=B", files=files)
    ask("/v1/classify?vessel=C&overlay=true", content=photograph("SHARK", "SHARK"))
    ask("/classifyfish", content=photograph())
    wait_for(lambda: outcomes(gateway, "kept") == 3 and outcomes(gateway, "dull") == 1)
    answers = {each.origin.vessel: each for each in FolderSource(tmp_path).records()}
    assert {name: set(each.answer.split(",")) for name, each in answers.items()} == {
        "A": {"RAY"},
        "B": {"RAY", "SHARK"},
        "C": {"SHARK"},
    }
    assert answers["B"].result.image.file == "deck 7.jpg"


def test_near_duplicates_and_refused_pictures_are_not_kept(
    gateway: Running, tmp_path: Path
) -> None:
    for quality in (90, 70):
        data = encode_jpeg(tiny_picture(fish=1), quality)
        assert gateway.caller.post("/classifyfish", content=data).status_code == 200
    assert gateway.caller.post("/classifyfish", content=b"nothing").status_code == 415
    wait_for(lambda: outcomes(gateway, "kept") + outcomes(gateway, "duplicate") == 2)
    assert len(list(FolderSource(tmp_path).records())) == 1


def test_a_wrong_time_is_no_reason_to_refuse(gateway: Running, tmp_path: Path) -> None:
    given = {"captured_at": "yesterday", "vessel": "x" * 5000}
    answer = gateway.caller.post("/classifyfish", content=photograph("SHARK"), params=given)
    assert answer.json() == ["SHARK"]
    wait_for(lambda: outcomes(gateway, "kept") == 1)
    (record,) = FolderSource(tmp_path).records()
    assert record.origin == Origin("x" * 100)


def test_nothing_is_kept_unless_asked_for(
    start_gateway: Callable[..., Running], tiny_server: EmbeddedTriton
) -> None:
    plain = start_gateway(triton=tiny_server.grpc_url)
    assert plain.caller.post("/classifyfish", content=photograph("SHARK")).status_code == 200
    assert not any(outcomes(plain, each) for each in ("kept", "dull", "dropped", "failed"))
    assert not [each for each in threading.enumerate() if each.name == "keeper"]


class Stuck(FolderStore):
    """A disk that does not come back until told to."""

    go = threading.Event()

    def keep(self, kept: Kept, data: bytes) -> Stored:
        assert self.go.wait(DEADLINE_S)
        return super().keep(kept, data)


def test_a_store_that_hangs_holds_no_answer_up(
    start_gateway: Callable[..., Running],
    tiny_server: EmbeddedTriton,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Stuck(tmp_path)
    store.go = threading.Event()
    monkeypatch.setattr(keeping, "open_store", lambda *args, **limits: store)
    gateway = start_gateway(triton=tiny_server.grpc_url, keep="elsewhere")
    picture = photograph("SHARK")
    for _ in range(70):  # more than the keeper's queue takes
        assert gateway.caller.post("/classifyfish", content=picture).json() == ["SHARK"]
    assert outcomes(gateway, "dropped") >= 5
    assert outcomes(gateway, "kept") == 0
    store.go.set()
    wait_for(lambda: outcomes(gateway, "kept") == 1)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 server on loopback that knows no bucket yet."""
    # Here, because moto and boto3 are not there where only the tests without servers run.
    from tests.s3 import s3_server

    with s3_server(monkeypatch):
        yield


@pytest.mark.usefixtures("s3")
def test_a_process_keeps_in_s3_and_finishes_before_it_stops(tiny_server: EmbeddedTriton) -> None:
    """Without its bucket it answers all the same, and complains once; what waits at the end is
    kept."""
    import boto3

    with process(triton=tiny_server.grpc_url, keep="s3://catch/north") as running:
        url = running.first_line()["url"]
        with httpx2.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as caller:
            wait_for(lambda: caller.get("/readyz").status_code == 200)
            for seed in range(2):
                picture = photograph("SHARK", seed=seed)
                assert caller.post("/classifyfish", content=picture).json() == ["SHARK"]
            failed = 'keep_pictures_total{outcome="failed"} 2.0'
            wait_for(lambda: failed in caller.get("/metrics").text)
            boto3.client("s3").create_bucket(Bucket="catch")
            last = photograph("SHARK", "RAY", seed=5)
            answer = caller.post("/v1/classify?camera=stern", content=last).json()
        running.popen.send_signal(signal.SIGTERM)
        status, lines = running.finish()
    assert status == 0
    told = [line for line in lines if "kept" in line["event"]]
    assert [line["event"] for line in told] == [
        "pictures cannot be kept",
        "pictures are kept again",
    ]
    assert "s3://catch/north" in told[0]["reason"]
    source = open_source("s3://catch/north")
    (record,) = source.records()
    assert record.result == Result.from_dict(answer)
    assert record.origin.camera == "stern"
    assert source.read(record) == last


def test_a_place_that_cannot_be_used_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with process(keep=str(tmp_path / "file" / "kept")) as running:
        _, err = running.popen.communicate(timeout=DEADLINE_S)
    assert running.popen.returncode == 2
    assert err.count("\n") == 1
    assert "DECKWATCH_KEEP=" in err
    with pytest.raises(UsageError, match=r"DECKWATCH_KEEP='s3://'.*Give s3://bucket/prefix"):
        create_app(Settings(keep="s3://"))


def test_the_origin_is_documented(gateway: Running) -> None:
    document = gateway.caller.get("/openapi.json").json()
    for route in ("/classifyfish", "/v1/classify"):
        parameters = json.dumps(document["paths"][route]["post"]["parameters"])
        for name in ("vessel", "camera", "captured_at"):
            assert f'"name": "{name}"' in parameters
