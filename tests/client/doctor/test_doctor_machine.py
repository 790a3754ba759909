"""What the machine has: cores, memory, room, letters, ports, GPUs; and our variables."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from deckwatch_client.doctor import environment, machine
from deckwatch_client.doctor.finding import Finding
from deckwatch_serving.cores import available_cores

Found = Callable[..., list[Finding]]
Usage = namedtuple("Usage", "total used free")


def test_cores(found: Found) -> None:
    (finding,) = found(machine.cores)
    assert (finding.level, finding.facts["cores"]) == ("ok", available_cores())


def test_memory(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = found(machine.memory)
    assert 0 < finding.facts["free_bytes"] <= finding.facts["total_bytes"]
    info = tmp_path / "meminfo"
    info.write_text("MemTotal:  8388608 kB\nMemFree: 1 kB\nMemAvailable:  4194304 kB\n")
    monkeypatch.setattr(machine, "MEMORY", info)
    monkeypatch.setattr(machine, "MEMORY_LIMIT", tmp_path / "max")
    monkeypatch.setattr(machine, "MEMORY_USED", tmp_path / "current")
    (finding,) = found(machine.memory)
    assert finding.text == "4.0 GiB of memory are free, of 8.0."
    (tmp_path / "max").write_text("max\n")
    assert found(machine.memory) == [finding]
    (tmp_path / "max").write_text(f"{2 * machine.GIB}\n")
    (tmp_path / "current").write_text(f"{machine.GIB + machine.GIB // 2}\n")
    (finding,) = found(machine.memory)
    assert (finding.level, finding.text) == ("warning", "0.5 GiB of memory are free, of 2.0.")
    assert "give the container more" in finding.cure


def test_disk(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, _ = found(machine.disk, folder=tmp_path)
    assert here.facts["folder"] == str(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(9, 9, machine.GIB // 4))
    here, temporary = found(machine.disk, folder=tmp_path)
    assert (here.level, temporary.level) == ("warning", "warning")
    assert "0.2 GiB of disk are free for this folder" in here.text
    assert "TMPDIR" in temporary.cure
    monkeypatch.setattr(os, "access", lambda folder, mode: folder != tmp_path)
    here, _ = found(machine.disk, folder=tmp_path)
    assert here.text == f"{tmp_path} (this folder) cannot be written."
    assert "--out" in here.cure


def test_letters(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    (finding,) = found(machine.letters)
    assert finding.level == "warning"
    assert "LC_ALL=C.UTF-8" in finding.cure


def test_a_port_that_is_taken(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(machine, "PORTS", {port: "the gateway"})
        (finding,) = found(machine.ports)
    assert finding.level == "note"
    assert finding.text == f"Port {port} (the gateway) is taken by another program."
    (finding,) = found(machine.ports)
    assert (finding.level, finding.facts) == ("ok", {"free": [port]})


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "nvidia-smi"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return program


def test_a_gpu(found: Found, nvidia_smi: Path) -> None:
    nvidia_smi.write_text("#!/bin/sh\necho 'NVIDIA L4, 550.54, 23034 MiB'\n")
    (finding,) = found(machine.gpu)
    assert finding.facts == {"gpus": ["NVIDIA L4, 550.54, 23034 MiB"]}


def test_a_driver_without_gpu(found: Found, nvidia_smi: Path) -> None:
    nvidia_smi.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    (finding,) = found(machine.gpu)
    assert finding.level == "note"
    assert "sees no GPU (NVIDIA-SMI has failed)" in finding.text


def test_our_variables(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DECKWATCH")]:
        monkeypatch.delenv(name)
    (finding,) = found(environment.variables)
    assert finding.text.startswith("No variable DECKWATCH_... is set")
    monkeypatch.setenv("DECKWATCH_API_KEY", "open-sesame")
    monkeypatch.setenv("DECKWATCH_RUNTIME", "openvino")
    monkeypatch.setenv("DECKWATCH_APIKEY", "open-sesame")
    monkeypatch.setenv("DECKWATCH_PONY", "open-sesame")
    monkeypatch.setenv("DECKWATCH_SERVICE_HOST", "10.0.0.1")  # from Kubernetes
    findings = found(environment.variables)
    assert [(one.level, one.text, one.cure) for one in findings] == [
        ("ok", "DECKWATCH_API_KEY=(hidden)", ""),
        ("ok", "DECKWATCH_RUNTIME=openvino", ""),
        (
            "warning",
            "DECKWATCH_APIKEY is set, but nothing of Deckwatch reads it.",
            "Did you mean DECKWATCH_API_KEY?",
        ),
        (
            "note",
            "DECKWATCH_PONY is set, but nothing of Deckwatch reads it.",
            "Unset it, if it is not another's.",
        ),
    ]


def test_every_variable_is_known() -> None:
    """Those of the gateway's settings, and those that the gateway leaves to others."""
    from deckwatch_gateway.settings import Settings
    from deckwatch_gateway.settings.listing import is_secret
    from deckwatch_gateway.settings.sources import OTHERS

    fields = Settings.model_fields
    assert {name.upper() for name in fields} == set(environment.GATEWAY)
    assert {name.removeprefix("DECKWATCH_") for name in OTHERS} == set(environment.CLIENT)
    assert {name.upper() for name in fields if is_secret(fields[name])} <= environment.SECRET
    assert {*environment.GATEWAY, *environment.CLIENT} >= environment.SECRET
