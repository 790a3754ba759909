"""Live streams: a camera on loopback that is watched, lost, found again, and slow to be heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from deckwatch_client.video import live, public_name
from deckwatch_client.video.damage import Complaints, Torn
from deckwatch_client.video.frames import Frame, FrameReader, Lost, sample
from deckwatch_client.video.live import Live
from deckwatch_client.video.options import VideoOptions
from deckwatch_client.video.sampling import Passed, Taken
from deckwatch_vision.errors import BrokenVideo
from tests.client.video.rtsp_server import Camera, camera
from tests.client.video.videos import number_in


@pytest.fixture
def deck() -> Iterator[Camera]:
    """A camera with a password."""
    with camera(password="se cr@t") as found:
        yield found


def with_password(deck: Camera, password: str = "se%20cr%40t") -> str:
    """The camera's URL with the password in it."""
    return deck.url.replace("rtsp://", f"rtsp://deck:{password}@")


def watch(url: str, seconds: float, rate_hz: float = 5.0) -> Iterator[Frame | Lost]:
    """A stream for some seconds."""
    return sample(url, VideoOptions(rate_hz=rate_hz, seconds=seconds), after=None)


def test_a_stream_gives_the_newest_frames_with_the_time_of_the_clock(deck: Camera) -> None:
    before = datetime.now(UTC)
    found, late = [], []
    for each in watch(with_password(deck), seconds=4):
        assert isinstance(each, Frame)
        late.append(deck.number - number_in(each.pixels))
        found.append(each)

    assert len(found) >= 5
    times = [each.moment.time_s for each in found]
    assert times == sorted(set(times))
    assert [each.moment.frame for each in found] == sorted({each.moment.frame for each in found})
    # One per point of the grid.
    assert len({int(each * 5 + 1e-3) for each in times}) == len(times)
    # Twenty pictures a second: what is opened with is not handed on as new.
    assert sorted(late)[len(late) // 2] <= 10
    first = found[0].captured_at
    assert first is not None
    assert before < datetime.fromisoformat(first) < datetime.now(UTC)
    assert found[0].moment.video == deck.url
    assert found[0].name.startswith(f"{deck.url}#t=")


def test_a_lost_connection_is_told_and_made_again(deck: Camera) -> None:
    found: list[Frame | Lost] = []
    for each in watch(with_password(deck), seconds=8):
        found.append(each)
        if len(found) == 3:
            deck.hang_up()

    lost = [each for each in found if isinstance(each, Lost)]
    assert len(lost) == 1
    place = found.index(lost[0])
    assert lost[0].until_s == found[place + 1].moment.time_s
    assert found[place - 1].moment.time_s < lost[0].moment.time_s < lost[0].until_s
    assert "the stream was interrupted" in lost[0].error.message
    assert len(found) > place + 3


def test_a_camera_that_goes_off_and_on_is_found_again() -> None:
    with camera() as deck:
        port = deck.port
        stream = watch(deck.url, seconds=20)
        assert isinstance(next(stream), Frame)
    # What was on its way, then nothing while the camera is off.
    found = []
    with camera(port=port) as again:
        for each in stream:
            found.append(each)
            if len([one for one in found if isinstance(one, Lost)]) and len(found) > 5:
                break
        assert again.number > 0

    assert [type(each) for each in found].count(Lost) == 1


def test_whoever_is_slow_gets_what_is_new(deck: Camera) -> None:
    late = []
    for each in watch(with_password(deck), seconds=8, rate_hz=20):
        assert isinstance(each, Frame)
        late.append(deck.number - number_in(each.pixels))
        time.sleep(1.0)

    # One picture waits in the pipe while another is looked at; a queue would grow by 20 a time.
    assert len(late) >= 3
    assert max(late[1:]) < 50


def test_nothing_at_an_address_says_so_without_the_password() -> None:
    with camera() as gone:
        url = with_password(gone)
    with pytest.raises(BrokenVideo, match="nothing can be read from rtsp://127") as caught:
        list(watch(url, seconds=30))

    assert "se%20cr" not in str(caught.value)


def test_a_wrong_password_is_never_repeated(
    deck: Camera, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BrokenVideo, match="user name and password") as caught:
        list(watch(with_password(deck, "wr0ng"), seconds=30))

    captured = capfd.readouterr()
    assert "wr0ng" not in str(caught.value) + captured.out + captured.err


def test_a_camera_that_falls_silent_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "READ_S", 1.0)
    monkeypatch.setattr(live, "OPEN_S", 2.0)
    wanted = threading.Event()
    found: list[Taken | Torn] = []
    with camera() as deck, closing(Complaints()) as complaints:
        speaks_again = threading.Timer(4, deck.silent.clear)
        wanted.set()
        for each in Live(deck.url, VideoOptions(rate_hz=5, seconds=25), complaints, wanted):
            wanted.set()
            if isinstance(each, Passed):
                continue
            found.append(each)
            if len(found) == 2:
                deck.silent.set()
                speaks_again.start()
            if len(found) > 3 and isinstance(found[-1], Taken):
                break

    torn = [each for each in found if isinstance(each, Torn)]
    assert len(torn) == 1
    assert torn[0].until_s is not None
    assert torn[0].until_s - torn[0].time_s > 2


def test_past_frames_of_a_stream_are_gone() -> None:
    with pytest.raises(BrokenVideo, match=r"rtsp://deck/cam is live") as caught:
        FrameReader("rtsp://user:secret@deck/cam")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("rtsp://deck/cam", "rtsp://deck/cam"),
        ("rtsp://u:p@deck:554/cam", "rtsp://deck:554/cam"),
        ("rtsps://u:p@ss@w@deck/c?a=1", "rtsps://deck/c?a=1"),
        ("rtsp://deck/c?user=adm&password=x&channel=2", "rtsp://deck/c?user=...&password=...&channel=2"),
        ("rtsp://deck/at@path", "rtsp://deck/at@path"),
        ("trip/a@b:c.mp4", "trip/a@b:c.mp4"),
    ],
)  # fmt: skip
def test_secrets_are_left_out_of_names(given: str, shown: str) -> None:
    assert public_name(given) == shown
