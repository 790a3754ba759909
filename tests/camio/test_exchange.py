"""The whole exchange: a fake Camio, a real gateway, and the real Triton with the tiny release."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import httpx2
import pytest

from deckwatch_gateway.camio.sqlite_store import SqliteStore
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.images import encode_jpeg
from tests.camio.fake import FakeCamio, Reply, image
from tests.gateway.conftest import running_gateway, wait_for
from tests.tiny_release import tiny_picture

KEY = "correct-horse-battery-staple"
WHEN = "2017-05-05T01:31:13.738647"
NOTHING: dict[str, Any] = {}


@dataclass
class Exchange:
    """A gateway, the Camio that calls it, and an HTTP client."""

    camio: FakeCamio
    http: httpx2.Client

    def post(
        self, body: bytes | dict[str, Any], key: str = KEY, content_type: str | None = None
    ) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {} if content_type is None else {"Content-Type": content_type}
        return self.http.post(f"/tasks/{key}", content=content, headers=headers)

    def send(self, *images: dict[str, Any], **fields: Any) -> str:
        """Send an event that is accepted; the path of its callback."""
        event = self.camio.event(images, **fields)
        answer = self.post(event)
        assert (answer.status_code, answer.text) == (200, "ok")
        assert answer.headers["content-type"].startswith("text/plain")
        path: str = event["callback_url"].removeprefix(self.camio.url)
        return path

    def answers(self, path: str, times: int = 1) -> list[dict[str, Any]]:
        """The bodies of the first `times` callbacks to `path`."""
        wait_for(lambda: len(self.calls(path)) >= times)
        return [json.loads(body) for body in self.calls(path)]

    def calls(self, path: str) -> list[bytes]:
        return [one.body for one in list(self.camio.callbacks) if one.path == path]

    def labels(self, path: str) -> dict[str, list[str]]:
        """The names of the labels by timestamp, sorted."""
        [answer] = self.answers(path)
        assert answer["status"] == "success"
        assert answer.keys() == {"status", "labels"}
        for found in answer["labels"].values():
            for one in found.values():
                assert one.keys() == {"probability", "polygon"}
                assert 0.5 <= one["probability"] <= 1
                assert one["polygon"] == []
        return {when: sorted(found) for when, found in answer["labels"].items()}

    def waiting(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.http.get(f"/tasks/{KEY}").json()["events"]
        return events

    def metric(self, line: str) -> float:
        for each in self.http.get("/metrics").text.splitlines():
            if each.startswith(f"deckwatch_gateway_{line} "):
                return float(each.rpartition(" ")[2])
        return 0.0


@contextmanager
def exchanging(triton: str, folder: Path, **settings: Any) -> Iterator[Exchange]:
    given = {
        "camio_keys": f"office {KEY}",
        "camio_queue": str(folder / "camio.sqlite"),
        "camio_allow_loopback": True,
        "camio_retry_first_s": 0.05,
        "camio_retry_longest_s": 0.1,
    } | settings
    with (
        FakeCamio() as camio,
        running_gateway(triton=triton, **given) as running,
        httpx2.Client(base_url=running.server.url, timeout=20, trust_env=False) as http,
    ):
        yield Exchange(camio, http)


@pytest.fixture(scope="module")
def exchange(
    tiny_server: EmbeddedTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Exchange]:
    """One for all tests that leave it as it was."""
    with exchanging(tiny_server.grpc_url, tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture
def patient(exchange: Exchange) -> Iterator[Exchange]:
    """The same, for tests that change how callbacks are answered."""
    yield exchange
    exchange.camio.reply = Reply()
    exchange.camio.replies.clear()


def photograph(*species: str, seed: int = 0) -> bytes:
    return encode_jpeg(tiny_picture(fish=len(species), species=species or ("OTHER",), seed=seed))


SHARK = photograph("SHARK")
EMPTY = photograph()
BOTH = photograph("SHARK", "RAY")


def test_an_event_without_images(exchange: Exchange) -> None:
    path = exchange.send()
    assert exchange.answers(path) == [{"status": "success", "labels": {}}]


def test_an_event_with_one_image(exchange: Exchange) -> None:
    path = exchange.send(image(SHARK, WHEN, size=[320, 240]))
    assert exchange.labels(path) == {WHEN: ["shark"]}
    [callback] = [one for one in exchange.camio.callbacks if one.path == path]
    assert callback.headers["Content-Type"] == "application/json"
    assert "Authorization" not in callback.headers


def test_an_event_with_three_images_one_without_fish(exchange: Exchange) -> None:
    whens = [f"2017-05-05T01:31:1{second}" for second in range(3)]
    pictures = (BOTH, EMPTY, photograph("RAY"))
    path = exchange.send(*map(image, pictures, whens))
    assert exchange.labels(path) == {
        whens[0]: ["ray", "shark"],
        whens[1]: [],
        whens[2]: ["ray"],
    }


@pytest.mark.parametrize("digits", ["", ".738", ".738647"])
@pytest.mark.parametrize("older", [False, True])
def test_every_form_of_timestamp(exchange: Exchange, digits: str, older: bool) -> None:
    when = f"2017-05-05T01:31:13{digits}"
    given = {"meta_class": "datetime.datetime", "date": when} if older else when
    path = exchange.send(image(SHARK, given))
    assert exchange.labels(path) == {when: ["shark"]}


def test_one_corrupt_image_among_good_ones(exchange: Exchange) -> None:
    """Base64 that is none, a text for a picture, a cut picture: each keeps its key, unlabelled."""
    whens = [f"2017-05-05T01:31:13.{number}00" for number in range(6)]
    images = [
        image(SHARK, whens[0]),
        image(b"", whens[1]) | {"image_b64": "%%%"},
        image(b"This is no picture.", whens[2]),
        image(SHARK[: len(SHARK) // 2], whens[3]),
        image(b"", whens[4]) | {"image_b64": None},
        image(photograph("RAY"), whens[5]),
    ]
    path = exchange.send(*images)
    assert exchange.labels(path) == {
        whens[0]: ["shark"],
        whens[1]: [],
        whens[2]: [],
        whens[3]: [],
        whens[4]: [],
        whens[5]: ["ray"],
    }


def test_a_png_whatever_its_type_says(exchange: Exchange) -> None:
    pixels = tiny_picture(fish=1, species=("RAY",))
    encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
    path = exchange.send(
        image(encoded, "2017-05-05T01:31:13", "image/png"),
        image(encoded, "2017-05-05T01:31:14", "image/jpeg"),
    )
    assert [*exchange.labels(path).values()] == [["ray"], ["ray"]]


def test_images_of_one_timestamp(exchange: Exchange) -> None:
    path = exchange.send(image(SHARK, WHEN), image(EMPTY, WHEN), image(photograph("RAY"), WHEN))
    assert exchange.labels(path) == {WHEN: ["ray", "shark"]}


def test_unknown_fields_are_ignored(exchange: Exchange) -> None:
    path = exchange.send(image(SHARK, WHEN, zone=7, tags=[{}]), version=3, extra={"a": None})
    assert exchange.labels(path) == {WHEN: ["shark"]}


@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/json", "text/plain; charset=utf-8", "application/octet-stream",
     "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"],
)  # fmt: skip
def test_any_content_type(exchange: Exchange, content_type: str | None) -> None:
    event = exchange.camio.event([image(SHARK, WHEN)])
    answer = exchange.post(event, content_type=content_type)
    assert (answer.status_code, answer.text) == (200, "ok")
    path = event["callback_url"].removeprefix(exchange.camio.url)
    assert exchange.labels(path) == {WHEN: ["shark"]}


@pytest.mark.parametrize(
    "key", ["x", KEY[:-1], KEY + "x", KEY.upper(), "%20", "..%2f", "%00", "%ff", "a" * 5000]
)
def test_a_wrong_key(exchange: Exchange, key: str) -> None:
    event = exchange.camio.event([image(SHARK, WHEN)])
    for answer in (exchange.post(event, key), exchange.http.get(f"/tasks/{key}")):
        assert (answer.status_code, answer.text) == (400, "Invalid API Key")
        assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("body", [b"", b"  \r\n"])
def test_an_empty_body(exchange: Exchange, body: bytes) -> None:
    answer = exchange.post(body)
    assert (answer.status_code, answer.text) == (200, "ok")
    assert exchange.waiting() == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "expected a JSON object"),
        (b"null", "expected a JSON object"),
        (b"{}", "no callback_url"),
        (b'{"callback_url": 7}', "callback_url is a number"),
        (b'{"callback_url": "http://127.0.0.1/", "images": 7}', "images is a number"),
        (b'{"callback_url": "http://127.0.0.1/", "images": [{}]}', "no timestamp"),
        (b'{"x": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"x": NaN}', "not finite"),
    ],
)
def test_malformed_events(exchange: Exchange, body: bytes, reason: str) -> None:
    answer = exchange.post(body)
    assert answer.status_code == 400
    assert reason in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert exchange.waiting() == []


def test_health(exchange: Exchange) -> None:
    for path in ("/", "/tasks", "/tasks/"):
        assert exchange.http.get(path).status_code == 200


def test_a_callback_that_fails_twice_then_succeeds(patient: Exchange) -> None:
    patient.camio.replies.extend([Reply(drop=True), Reply(503, headers={"Retry-After": "0"})])
    path = patient.send(image(SHARK, WHEN))
    wait_for(lambda: len(patient.calls(path)) == 3)
    assert len({*patient.calls(path)}) == 1, "each time the very same bytes"
    wait_for(lambda: patient.waiting() == [])
    assert len(patient.calls(path)) == 3


def test_an_event_sent_twice_is_answered_twice_and_labelled_once(exchange: Exchange) -> None:
    event = exchange.camio.event([image(BOTH, WHEN)])
    path = event["callback_url"].removeprefix(exchange.camio.url)
    recognised = 'camio_images_total{outcome="recognised"}'
    before = exchange.metric(recognised)
    assert exchange.post(event).text == "ok"
    wait_for(lambda: len(exchange.calls(path)) == 1 and exchange.waiting() == [])
    again = json.dumps(dict(reversed(event.items())), indent=2).encode()
    assert exchange.post(again).text == "ok"
    wait_for(lambda: len(exchange.calls(path)) == 2)
    assert len({*exchange.calls(path)}) == 1
    assert exchange.metric(recognised) == before + 1


def dead(folder: Path) -> Sequence[str]:
    """The reasons of the events that were put aside."""

    async def run() -> Sequence[str]:
        store = SqliteStore(folder / "camio.sqlite", create=False)
        try:
            return [one.reason for one in await store.entries(["dead"])]
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(302, headers={"Location": "/labels/elsewhere"}), "redirects are not followed"),
        (Reply(410, b"gone"), "answered 410 Gone: gone"),
    ],
)
def test_a_callback_that_is_refused_is_put_aside_at_once(
    tiny_server: EmbeddedTriton, tmp_path: Path, reply: Reply, reason: str
) -> None:
    with exchanging(tiny_server.grpc_url, tmp_path) as exchange:
        exchange.camio.reply = reply
        path = exchange.send(image(SHARK, WHEN))
        wait_for(lambda: [reason in each for each in dead(tmp_path)] == [True])
        assert exchange.waiting() == []
        assert len(exchange.calls(path)) == len(exchange.camio.callbacks) == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://evil.com/labels", "evil.com"),
        ("http://camio.com/labels", "https"),
        ("https://camio.com:8443/labels", "8443"),
        ("https://user:secret@camio.com/labels", "user name"),
        ("https://10.0.0.1/labels", "10.0.0.1"),
        ("file:///etc/passwd", "https"),
        ("nonsense", "https"),
    ],
)
def test_a_callback_host_that_is_not_allowed_is_refused_at_once(
    exchange: Exchange, url: str, reason: str
) -> None:
    answer = exchange.post(exchange.camio.event([image(SHARK, WHEN)], callback_url=url))
    assert answer.status_code == 400
    assert reason in answer.text
    assert "secret" not in answer.text
    assert exchange.waiting() == []


def test_a_callback_host_that_leads_to_a_private_address(
    tiny_server: EmbeddedTriton, tmp_path: Path
) -> None:
    """Allowed by its name, and `localhost` by the system's resolver: nothing is sent."""
    with FakeCamio() as inside:
        hosts = f"localhost:{inside.port}"
        settings = {"camio_allow_loopback": False, "camio_callback_hosts": hosts}
        with exchanging(tiny_server.grpc_url, tmp_path, **settings) as exchange:
            exchange.send(
                image(SHARK, WHEN), callback_url=f"https://localhost:{inside.port}/labels/1"
            )
            wait_for(lambda: len(dead(tmp_path)) == 1)
            assert dead(tmp_path) == ["The name localhost leads to an address that is not public."]
        assert not inside.callbacks


def test_without_keys_the_exchange_is_off(tiny_server: EmbeddedTriton, tmp_path: Path) -> None:
    with exchanging(tiny_server.grpc_url, tmp_path, camio_keys="") as exchange:
        answer = exchange.post(exchange.camio.event([image(SHARK, WHEN)]))
        assert (answer.status_code, answer.text) == (400, "Invalid API Key")
        assert exchange.http.get("/tasks/").status_code == 200
    assert not (tmp_path / "camio.sqlite").exists()


def test_names_threshold_and_polygons_of_the_settings(
    tiny_server: EmbeddedTriton, tmp_path: Path
) -> None:
    settings = {"camio_labels": "SHARK=requin,OTHER=", "camio_polygons": True}
    picture = photograph("SHARK", "OTHER")
    with exchanging(tiny_server.grpc_url, tmp_path, **settings) as exchange:
        path = exchange.send(image(picture, WHEN, size=[320, 240]))
        [answer] = exchange.answers(path)
        result = exchange.http.post("/v1/classify", content=picture).json()
    [label] = answer["labels"][WHEN].items()
    shark = max(result["fish"], key=lambda fish: fish["score"] * fish["likelihoods"]["SHARK"])
    x1, y1, x2, y2 = shark["box"]
    left, right, bottom, top = x1 / 320, x2 / 320, 1 - y2 / 240, 1 - y1 / 240
    ring = [[left, bottom], [right, bottom], [right, top], [left, top]]
    assert label[0] == "requin"
    assert label[1]["polygon"] == [pytest.approx(corner, abs=1e-3) for corner in ring]


def test_the_fake_camio_speaks_as_camio_does() -> None:
    """What the tests rely on: its event has the documented form."""
    with FakeCamio() as camio:
        event = camio.event([image(b"abc", WHEN, size=[640, 480])])
    assert event.keys() == {"user_id", "camera", "callback_url", "images"}
    assert event["images"] == [
        {
            "type": "image/jpeg",
            "size": [640, 480],
            "timestamp": WHEN,
            "image_b64": base64.b64encode(b"abc").decode(),
        }
    ]
