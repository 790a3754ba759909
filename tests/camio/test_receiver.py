"""What Camio is answered: the table of the contract, word for word, and what it never is told."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.gateway.test_process import process

from .conftest import Start
from .fake import FakeCamio
from .gateways import (
    KEY,
    OTHER_KEY,
    OTHER_KEY_QUOTED,
    TIMESTAMP,
    FastTriton,
    Hooked,
    environment,
    hook_settings,
    photo,
    settled,
)
from .queues import DEADLINE_S, RedisServer

WRONG = (400, "Invalid API Key")


def told(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    return answer.status_code, answer.text


def test_a_right_key_is_answered_ok_and_the_labels_follow(hooked: Hooked, jpeg: bytes) -> None:
    event = hooked.camio.event([photo(jpeg)])
    assert told(hooked.send(event)) == (200, "ok")
    assert hooked.camio.wait(callbacks=1)
    [callback] = hooked.camio.callbacks
    assert event["callback_url"].endswith(callback.path)
    assert callback.headers["Content-Type"] == "application/json"
    assert "Authorization" not in callback.headers
    labels = json.loads(callback.body)
    assert labels["status"] == "success"
    [shark] = labels["labels"].pop(TIMESTAMP).items()
    assert shark[0] == "shark"
    assert shark[1]["polygon"] == []
    assert shark[1]["probability"] > 0.5
    assert labels == {"status": "success", "labels": {}}


@pytest.mark.parametrize("key", ["", "wrong", KEY + "x", KEY[:-1], "a/b/c", "%00", "é", KEY + "/"])
def test_a_wrong_key(hooked: Hooked, key: str) -> None:
    assert told(hooked.caller.post(f"/tasks/{key}", content=b"{}")) == WRONG
    if key:
        assert told(hooked.caller.get(f"/tasks/{key}")) == WRONG
    assert hooked.metric('events_total{outcome="wrong-key"}') >= 1


def test_camio_needs_no_key_but_that_in_its_path(start: Start) -> None:
    hooked = start(api_keys="office a-key-for-everything-else")
    assert hooked.caller.post("/classifyfish", content=b"x").status_code == 401
    hooked.send(hooked.camio.event([]))
    assert hooked.camio.wait(callbacks=1)


def test_who_guesses_keys_is_slowed_down(start: Start) -> None:
    hooked = start(wrong_keys_a_minute=3)
    answers = [hooked.caller.post(f"/tasks/guess-{number}", content=b"") for number in range(4)]
    assert [told(one)[0] for one in answers] == [400, 400, 400, 429]
    assert int(answers[3].headers["retry-after"]) >= 1
    assert told(hooked.caller.get(f"/tasks/{KEY}"))[0] == 429, "or he would know that it is right"


def test_a_key_that_was_withdrawn_locks_nobody_out(start: Start) -> None:
    """Camio goes on sending with it, from the same addresses as with all others."""
    hooked = start(wrong_keys_a_minute=3)
    for _ in range(20):
        assert told(hooked.caller.post("/tasks/withdrawn-key-of-old", content=b"{}")) == WRONG
    hooked.send(hooked.camio.event([]))


def test_a_key_of_odd_characters_is_found_behind_their_percent_signs(hooked: Hooked) -> None:
    assert "/" in OTHER_KEY
    assert "%2F" in OTHER_KEY
    hooked.send(hooked.camio.event([]), OTHER_KEY_QUOTED)
    assert hooked.camio.wait(callbacks=1)


def test_too_many_images_and_too_many_bytes(start: Start, jpeg: bytes) -> None:
    hooked = start(camio_max_images=2, camio_max_body_bytes=20_000)
    three = hooked.camio.event([photo(jpeg, f"2017-05-05T01:31:1{number}") for number in range(3)])
    answer = hooked.caller.post(f"/tasks/{KEY}", content=json.dumps(three).encode())
    assert told(answer)[0] == 400
    assert "at most 2" in answer.text
    answer = hooked.caller.post(f"/tasks/{KEY}", content=b"x" * 20_001)
    status, text = told(answer)
    assert status == 413
    assert "20,000" in text

    def chunks() -> Iterator[bytes]:
        yield b"x" * 15_000
        yield b"x" * 15_000

    assert told(hooked.caller.post(f"/tasks/{KEY}", content=chunks()))[0] == 413


def test_an_event_larger_than_a_picture_may_be(start: Start, jpeg: bytes) -> None:
    """Events have a limit of their own, and large ones are parsed in a thread."""
    hooked = start(max_body_bytes=10_000)
    padding = "x" * 300_000
    hooked.send(hooked.camio.event([photo(jpeg)], padding=padding))
    assert hooked.camio.wait(callbacks=1)


def test_a_slow_body_is_not_waited_for(start: Start) -> None:
    hooked = start(body_timeout_s=0.2)
    head = f"POST /tasks/{KEY} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{"
    with socket.create_connection((hooked.server.host, hooked.server.port), DEADLINE_S) as bare:
        bare.sendall(head.encode())
        answer = bare.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "text/plain" in answer
    assert "arrived within 0.2 s" in answer


@pytest.mark.parametrize("queue", ["sqlite"], indirect=True)
def test_a_full_queue_says_when_to_come_again(start: Start, jpeg: bytes, queue: str) -> None:
    hooked = start(camio_max_events=2, retry_after_s=7)
    hooked.camio.reply.status = 503
    events = [hooked.camio.event([photo(jpeg)]) for _ in range(3)]
    hooked.send(events[0])
    hooked.send(events[1])
    answer = hooked.caller.post(f"/tasks/{KEY}", content=json.dumps(events[2]).encode())
    assert told(answer)[0] == 503
    assert answer.headers["retry-after"] == "7"
    hooked.send(events[1])
    hooked.camio.reply.status = 200
    settled(hooked)
    hooked.send(events[2])


def test_pending_events_are_listed_without_secrets(hooked: Hooked, jpeg: bytes) -> None:
    hooked.camio.reply.status = 503
    event = hooked.camio.event([photo(jpeg), photo(jpeg, "2017-05-05T01:31:14")], camera="deck")
    event["callback_url"] += "?token=hush"
    hooked.send(event)
    assert hooked.camio.wait(callbacks=1)
    [shown] = hooked.waiting()
    assert (shown["camera"], shown["images"]) == ("deck", 2)
    assert shown["state"] in ("received", "labelled")
    assert set(shown) == {
        "id", "camera", "images", "state", "received_at", "attempts", "due_at", "reason"
    }  # fmt: skip
    assert shown["received_at"].endswith("+00:00")
    answer = hooked.caller.get(f"/tasks/{KEY}").text
    assert "hush" not in answer
    assert "/labels/" not in answer
    assert hooked.waiting(OTHER_KEY_QUOTED) == [], "another customer's"


@pytest.mark.parametrize("queue", ["sqlite"], indirect=True)
def test_without_keys_the_hooks_are_off(start: Start, tmp_path: Path, queue: str) -> None:
    hooked = start(camio_keys="")
    assert told(hooked.caller.post(f"/tasks/{KEY}", content=b"{}")) == WRONG
    assert told(hooked.caller.get(f"/tasks/{KEY}")) == WRONG
    assert hooked.caller.get("/tasks/").status_code == 200
    assert not Path(queue).exists()


@pytest.mark.parametrize("queue", ["sqlite"], indirect=True)
def test_keys_in_a_file_are_exchanged_while_it_runs(
    start: Start, tmp_path: Path, queue: str, wait_for: Callable[[Callable[[], bool]], None]
) -> None:
    file = tmp_path / "keys"
    file.write_text("")
    hooked = start(camio_keys="", camio_keys_file=file)
    event = json.dumps(hooked.camio.event([])).encode()
    assert told(hooked.caller.post(f"/tasks/{KEY}", content=event)) == WRONG
    file.write_text(f"aurora {KEY}\n")
    wait_for(lambda: hooked.caller.post(f"/tasks/{KEY}", content=event).status_code == 200)
    file.write_text("aurora another-secret-of-the-sea\n")
    wait_for(lambda: hooked.caller.post(f"/tasks/{KEY}", content=event).status_code == 400)


@pytest.mark.parametrize("queue", ["sqlite"], indirect=True)
def test_a_key_for_something_else_does_not_open_the_hooks(start: Start, queue: str) -> None:
    hooked = start(camio_keys=f"viewer {KEY} classify")
    assert told(hooked.caller.post(f"/tasks/{KEY}", content=b"")) == WRONG


def test_a_lost_redis_is_never_answered_ok(
    tmp_path: Path, start: Start, jpeg: bytes, wait_for: Callable[[Callable[[], bool]], None]
) -> None:
    server = RedisServer(tmp_path)
    try:
        hooked = start(camio_queue=server.url)
        event = json.dumps(hooked.camio.event([photo(jpeg)])).encode()
        server.kill()
        answer = hooked.caller.post(f"/tasks/{KEY}", content=event)
        assert told(answer)[0] == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "127.0.0.1" not in answer.text
        assert told(hooked.caller.get(f"/tasks/{KEY}"))[0] == 503
        wait_for(lambda: hooked.metric("queue_up") == 0)
        server.start()
        hooked.send(event)
        assert hooked.camio.wait(callbacks=1), "the worker found the server again as well"
    finally:
        server.kill()


def test_the_key_is_in_no_log_no_metric_and_no_answer(
    tmp_path: Path, camio: FakeCamio, triton: FastTriton, jpeg: bytes
) -> None:
    settings = hook_settings(str(tmp_path / "camio.sqlite"), triton.address, log_level="debug")
    with process(**environment(settings)) as running:
        url = running.first_line()["url"]
        with httpx2.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as caller:
            event = json.dumps(camio.event([photo(jpeg)])).encode()
            answers = [
                caller.post(f"/tasks/{KEY}", content=event),
                caller.get(f"/tasks/{KEY}"),
                caller.post(f"/tasks/{KEY}", content=b"{"),
                caller.put(f"/tasks/{KEY}", content=b"{}"),
                caller.get(f"/tasks/{KEY}/deeper"),
                caller.get(f"/tasks/{KEY}?{KEY}"),
            ]
            assert camio.wait(callbacks=1)
            answers.append(caller.get("/metrics"))
        running.popen.send_signal(signal.SIGTERM)
        status, lines = running.finish()
    assert status == 0
    assert [one.status_code for one in answers] == [200, 200, 400, 405, 400, 200, 200]
    told = "".join(one.text + repr(one.headers) for one in answers)
    logged = json.dumps(lines)
    assert "event delivered" in logged
    assert "/tasks/{api_key" in told
    assert KEY not in told
    assert KEY not in logged


def test_the_document_describes_the_routes(hooked: Hooked) -> None:
    paths = hooked.caller.get("/openapi.json").json()["paths"]
    posted = paths["/tasks/{api_key}"]["post"]
    assert {"200", "400", "408", "413", "429", "503"} <= set(posted["responses"])
    assert posted["responses"]["200"]["content"]["text/plain"]["example"] == "ok"
    listed: dict[str, Any] = paths["/tasks/{api_key}"]["get"]["responses"]["200"]
    assert "application/json" in listed["content"]
    assert paths["/tasks/"]["get"]


def test_metrics_of_an_event(hooked: Hooked, jpeg: bytes) -> None:
    event = hooked.camio.event([photo(jpeg), photo(b"no picture", "2017-05-05T01:31:14")])
    hooked.send(event)
    assert hooked.camio.wait(callbacks=1)
    settled(hooked)
    hooked.send(event)
    assert hooked.camio.wait(callbacks=2)
    settled(hooked)
    assert hooked.metric('events_total{outcome="accepted"}') == 1
    assert hooked.metric('events_total{outcome="duplicate"}') == 1
    assert hooked.metric('callbacks_total{outcome="delivered"}') == 2
    assert hooked.metric('images_total{outcome="recognised"}') == 1
    assert hooked.metric('images_total{outcome="unreadable"}') == 1
    assert hooked.metric("seconds_count") == 2
    assert hooked.metric("queue_up") == 1
    assert isinstance(hooked.triton, FastTriton)
