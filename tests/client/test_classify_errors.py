"""What `classify` does when something is wrong: one line on standard error, the right status."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deckwatch_vision.images import MAX_BYTES


def test_a_broken_picture(run_classify: Callable, folder: Path) -> None:
    outcome = run_classify("--image", "cut.jpg")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("classify: cut.jpg: truncated")
    assert "Copy or export the file again" in outcome.err
    assert outcome.err.count("\n") == 1


def test_standard_input_is_named(run_classify: Callable) -> None:
    outcome = run_classify(stdin=b"")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("classify: standard input: the picture is empty")


def test_one_bad_picture_does_not_stop_the_others(run_classify: Callable, folder: Path) -> None:
    outcome = run_classify("shark.jpg", "cut.jpg", "missing.jpg", "sea.jpg")
    assert outcome.status == 3
    assert outcome.out == "shark.jpg: ['SHARK']\nsea.jpg: ['NoF']\n"
    assert [line.split(": ")[1] for line in outcome.err.splitlines()] == ["cut.jpg", "missing.jpg"]


def test_nothing_answered_is_a_failure(run_classify: Callable, folder: Path) -> None:
    assert run_classify("cut.jpg", "missing.jpg").status == 1


def test_too_large_a_file_is_not_read(run_classify: Callable, folder: Path) -> None:
    with open("huge.jpg", "wb") as huge:
        huge.truncate(100 * 1024 * 1024)  # a hole: takes no space
    outcome = run_classify("huge.jpg")
    assert outcome.status == 1
    assert "huge.jpg: the picture has 104,857,600 bytes; at most 33,554,432" in outcome.err


def test_too_much_standard_input_is_not_kept(run_classify: Callable) -> None:
    outcome = run_classify(stdin=bytes(MAX_BYTES + 10))
    assert outcome.status == 1
    assert "standard input: the picture has more than 33,554,432 bytes" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--verbose", "--json", "shark.jpg"],
        ["--colour", "shark.jpg"],
        ["--image"],
        ["--timeout", "soon", "shark.jpg"],
        ["--timeout", "0", "shark.jpg"],
        ["--verb", "shark.jpg"],
    ],
)
def test_wrong_usage_shows_examples(
    run_classify: Callable, folder: Path, arguments: list[str]
) -> None:
    outcome = run_classify(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert "usage: classify" in outcome.err
    assert "classify deck.jpg" in outcome.err


@pytest.mark.parametrize(
    "server", ["localhost:8001", "ftp://host", "grpc://", "grpc://host", "grpc://host:eight"]
)
def test_what_is_no_server_address(run_classify: Callable, folder: Path, server: str) -> None:
    outcome = run_classify("--server", server, "shark.jpg")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith(f"classify: {server.rstrip('/')!r}")
    assert "Give grpc://host:port" in outcome.err


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_an_absent_server_fails_once_for_all(
    run_classify: Callable, folder: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # bound but not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        address = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("DECKWATCH_SERVER", address)
        outcome = run_classify("shark.jpg", "sea.jpg")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith(f"classify: {address} ")
    assert "Start it with `deckwatch up`, or check the address." in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_damaged_release_is_refused(
    run_classify: Callable, folder: Path, tiny_repository: Path, tmp_path: Path
) -> None:
    damaged = shutil.copytree(tiny_repository, tmp_path / "damaged")
    with (damaged / "classifier/1/model.onnx").open("ab") as net:
        net.write(b"\0")
    outcome = run_classify("--repository", str(damaged), "shark.jpg")
    assert (outcome.status, outcome.out) == (1, "")
    assert "classifier/1/model.onnx" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_terminal_without_a_path_is_wrong_usage(
    spawn: Callable[..., subprocess.Popen[str]],
) -> None:
    keyboard, terminal = os.openpty()
    try:
        process = spawn("-m", "deckwatch_client.classify", stdin=terminal)
        out, err = process.communicate(timeout=60)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert (process.returncode, out) == (2, "")
    assert "no picture given" in err
    assert "cat deck.jpg | classify" in err


def test_interrupted(spawn: Callable[..., subprocess.Popen[str]], folder: Path) -> None:
    os.mkfifo("pipe.jpg")
    process = spawn("-m", "deckwatch_client.classify", "pipe.jpg")
    with open("pipe.jpg", "wb"):  # returns when the command is reading
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    command = [sys.executable, "-m", "deckwatch_client.classify", *["shark.jpg"] * 3]
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (process.returncode, process.stderr) == (1, b"")


def test_closed_standard_input(folder: Path) -> None:
    command = f"exec '{sys.executable}' -m deckwatch_client.classify <&-"
    process = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert process.returncode == 1
    assert process.stderr.startswith("classify: standard input: it is closed.")
