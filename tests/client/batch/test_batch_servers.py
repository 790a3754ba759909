"""Servers in bad moments: away and back, changing their release, full, late, more than one."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from deckwatch_client import retrying
from deckwatch_client.batch import patience
from deckwatch_client.batch.patience import Balanced, Patient, ServerGone
from deckwatch_client.batch.run import ReleaseChanged
from deckwatch_client.batch.work import Connection
from deckwatch_client.served import Served
from deckwatch_vision.errors import (
    BrokenImage,
    DeadlineExceeded,
    DeckwatchError,
    KeyRefused,
    RateLimited,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    UsageError,
)
from deckwatch_vision.result import ImageInfo, ReleaseInfo, Result
from tests.client.batch.seasons import called, command, go, lines, results
from tests.client.tritons import Triton, serving
from tests.serving.processes import wait_until


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE_S", 0.01)
    monkeypatch.setattr(retrying, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(retrying, "LONGEST_PAUSE_S", 0.02)


def at(*tritons: Triton, patience_s: float = 60.0, timeout_s: float = 20.0) -> Connection:
    return Connection(tuple(each.address for each in tritons), None, timeout_s, patience_s)


@pytest.fixture
def triton() -> Iterator[Triton]:
    with serving(Triton()) as found:
        yield found


def test_several_pictures_are_at_a_server_at_once(season: Path, triton: Triton) -> None:
    meeting = threading.Barrier(4)
    triton.before = lambda *_: meeting.wait(timeout=30)
    assert go("season", out=Path("out"), connection=at(triton), workers=4).status == 0
    assert triton.inferences == 12


def test_a_server_that_goes_away_and_comes_back_costs_no_picture(
    season: Path, triton: Triton, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave(number: int, context: grpc.ServicerContext) -> None:
        if number == 4:
            threading.Thread(target=restart).start()
            context.abort(grpc.StatusCode.UNAVAILABLE, "shutting down")

    def restart() -> None:
        triton.die()
        time.sleep(0.3)
        triton.start()

    triton.before = leave
    summary = go("season", out=Path("out"), connection=at(triton))
    assert (summary.status, summary.tally.failed) == (0, 0)
    said = capsys.readouterr().err
    # While it dies it may still answer one picture and not the next.
    waits = said.count("Waiting for it, up to 60 s.")
    assert 1 <= waits < 12
    assert said.count("The server answers again.") == waits


def test_a_server_that_stays_away_ends_the_run_and_the_same_goes_on(
    season: Path, triton: Triton
) -> None:
    def vanish(number: int, context: grpc.ServicerContext) -> None:
        if number > 5:
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    triton.before = vanish
    with pytest.raises(ServerGone, match="the same command goes on where it was"):
        go("season", out=Path("out"), connection=at(triton, patience_s=0.2), workers=1)
    assert len(lines(Path("out"))) == 5
    assert not Path("out/results.jsonl").exists()
    triton.before = lambda *_: None
    summary = go("season", out=Path("out"), connection=at(triton))
    assert (summary.taken_over, summary.done, summary.status) == (5, 7, 0)


def test_a_server_that_is_not_there_is_told_at_once(season: Path, triton: Triton) -> None:
    triton.die()
    before = time.monotonic()
    with pytest.raises(ServerUnavailable):
        go("season", out=Path("out"), connection=at(triton, patience_s=600.0))
    assert time.monotonic() - before < 60
    assert not Path("out/run.json").exists()
    triton.start()


def test_a_release_that_changes_meanwhile_ends_the_run(season: Path, triton: Triton) -> None:
    triton.answering = [1, 1, 1, 2]
    triton.configured = [1, 1, 2]
    with pytest.raises(ReleaseChanged, match=r"answers with release release 2 2; .* release 1 1"):
        go("season", out=Path("out"), connection=at(triton), workers=1)
    assert len(lines(Path("out"))) == 3
    # It goes on with the old one only, or anew.
    triton.answering = triton.configured = [2]
    with pytest.raises(UsageError, match="its release is release 1 1, now it would be release 2 2"):
        go("season", out=Path("out"), connection=at(triton))
    summary = go("season", out=Path("out"), connection=at(triton), again=True)
    assert summary.done == 12
    assert {each["release"]["version"] for each in results(Path("out"))} == {2}


def test_several_servers_share_the_work_and_stand_in_for_each_other(
    season: Path, triton: Triton
) -> None:
    with serving(Triton()) as other:
        assert go("season", out=Path("out"), connection=at(triton, other)).status == 0
        assert triton.inferences > 0
        assert other.inferences > 0
        other.refusal = (grpc.StatusCode.UNAVAILABLE, "draining")
        summary = go("season", out=Path("second"), connection=at(triton, other), workers=2)
        assert (summary.status, summary.tally.failed) == (0, 0)
        joined = Connection((f"{triton.address},{other.host}",))
        assert go("season", out=Path("third"), connection=joined).status == 0


def test_servers_of_different_releases_are_refused(season: Path, triton: Triton) -> None:
    with serving(Triton([2], [2])) as other, pytest.raises(UsageError, match="different releases"):
        go("season", out=Path("out"), connection=at(triton, other))


def test_a_picture_that_never_gets_an_answer_fails_alone(season: Path, triton: Triton) -> None:
    """One that the server chokes on, while it answers others."""
    poison = (season / "day-001" / "00005.jpg").read_bytes()
    infer = triton.ModelInfer

    def choke(request: Any, context: grpc.ServicerContext) -> Any:
        if request.raw_input_contents[0] == poison:
            context.abort(grpc.StatusCode.INTERNAL, "onnxruntime ran out of something")
        return infer(request, context)

    triton.ModelInfer = choke  # type: ignore[method-assign]
    triton.die()
    triton.start()
    summary = go("season", out=Path("out"), connection=at(triton), workers=4)
    assert (summary.status, summary.tally.failures) == (3, {"server-error": 1})
    (failed,) = (each for each in results(Path("out")) if "failure" in each)
    assert failed["image"]["file"] == "season/day-001/00005.jpg"


def test_the_command_asks_the_server_of_the_environment(season: Path, triton: Triton) -> None:
    done = called("season", "--out", "out", DECKWATCH_SERVER=triton.address)
    assert done.returncode == 0, done.stderr
    assert triton.inferences == 12
    done = called("season", "--out", "here", "--local", DECKWATCH_SERVER=triton.address)
    assert done.returncode == 0, done.stderr
    assert triton.inferences == 12
    done = called("season", "--out", "there", "--server", triton.address, "--server", "nonsense")
    assert done.returncode == 2
    assert "'nonsense' is no server address" in done.stderr
    done = called("season", "--out", "there", "--server", triton.address, "--local")
    assert done.returncode == 2
    assert "exclude each other" in done.stderr


RELEASE = ReleaseInfo("tiny", 1)
RESULT = Result("NoF", {"NoF": 1.0}, (), ImageInfo(None, 1, 1, None), RELEASE)


class Scripted:
    """A backend that answers as it was told, one after the other; None is a result."""

    def __init__(self, *answers: DeckwatchError | None) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.closed = False

    def infer(self, data: bytes, *, file: str | None = None, **_: Any) -> Result:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer
        return RESULT

    def served(self) -> Served:
        return Served(RELEASE, ("NoF",))

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    "error",
    [
        ServerUnavailable("gone"),
        ServerOverloaded("full", 0),
        RateLimited("slower", 0),
        DeadlineExceeded("late"),
        ServerError("strange"),
    ],
)
def test_what_is_the_servers_fault_is_waited_out(error: DeckwatchError) -> None:
    backend = Scripted(*[error] * 5, None)
    assert Patient(backend, patience_s=60.0).infer(b"picture") == RESULT
    assert backend.asked == 6
    lost = Patient(Scripted(error), patience_s=0.05)
    with pytest.raises(ServerGone, match="Mend the server"):
        lost.infer(b"picture")


@pytest.mark.parametrize("error", [BrokenImage("torn"), KeyRefused("no key")])
def test_what_is_not_the_servers_fault_is_told_at_once(error: DeckwatchError) -> None:
    backend = Scripted(error)
    with pytest.raises(type(error)):
        Patient(backend, patience_s=60.0).infer(b"picture")
    assert backend.asked == 1


def test_a_closed_one_waits_no_longer() -> None:
    backend = Scripted(ServerUnavailable("gone"))
    patient = Patient(backend, patience_s=600.0)
    threading.Timer(0.1, patient.close).start()
    with pytest.raises(ServerGone):
        patient.infer(b"picture")
    assert backend.closed


def test_balanced_prefers_those_that_were_not_gone() -> None:
    gone, there = Scripted(ServerUnavailable("gone")), Scripted(None)
    both = Balanced([gone, there])
    for _ in range(5):
        assert both.infer(b"picture") == RESULT
    assert (gone.asked, there.asked) == (1, 5)
    there.answers = [ServerUnavailable("gone")]
    with pytest.raises(ServerUnavailable):
        both.infer(b"picture")


def test_a_run_that_waits_for_its_server_can_be_interrupted(season: Path, triton: Triton) -> None:
    def vanish(number: int, context: grpc.ServicerContext) -> None:
        if number > 5:
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    triton.before = vanish
    process = subprocess.Popen(
        command("season", "--out", "out", "--server", triton.address, "--workers", "1"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(lambda: triton.inferences > 6, "the first refusal")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Waiting for it" in said
    assert "Stopped: 5 pictures are done." in said
    assert "Traceback" not in said
