"""The embedded Triton server: NVIDIA's own binary, on loopback, for a laptop, tests and CI.

    with EmbeddedTriton(repository) as triton:
        print(triton.grpc_url)

In production a current NVIDIA container serves the same model repository.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from deckwatch_serving import probe
from deckwatch_serving.child import Child, new_log
from deckwatch_serving.leash import SHARED_MEMORY
from deckwatch_serving.ports import LOOPBACK, free_ports, require_free
from deckwatch_serving.repository import ENSEMBLE, find_repository, open_release
from deckwatch_serving.running import RunningTriton
from deckwatch_serving.settling import settle_if_free
from deckwatch_serving.wheel import find_wheel
from deckwatch_vision.errors import DeckwatchError, LauncherError

# Triton gives its models this long to finish what they are at; a stub needs about 2 s to go.
_EXIT_TIMEOUT_S = 5
_GRACE_S = 10.0
# The launcher waits this long for what Triton says of itself, not longer.
_LOOK_TIMEOUT_S = 2.0
# Each instance of a python step maps this much at first and grows by itself where a picture needs
# more; only pages that were touched take memory.
_SHARED_MEMORY_BYTES = 16 * 1024 * 1024
_LEAST_SHARED_MEMORY_BYTES = 128 * 1024 * 1024

_PORT_OPTIONS = ("--triton-http-port", "--triton-grpc-port", "--triton-metrics-port")


class EmbeddedTriton:
    """One tritonserver with the ensemble of a model repository.

    Args:
        repository: the model repository; None looks for it (see `find_repository`).
        http_port: 0 takes a free one, as for the other two.
        grpc_port: the port of `grpc_url`.
        metrics_port: Prometheus metrics, at `metrics_url`.
        profile: "gpu" takes configs/gpu.pbtxt where a step has one; None the CPU profile.
        options: further options of tritonserver, for instance `--trace-config=...`.

    Raises:
        ReleaseNotFound, ReleaseCorrupt: no release there, or damaged.
        MissingExtra: the extra `local` is not installed.
        LauncherError: the server cannot run on this machine; the message says what to do.
    """

    name = "triton"

    def __init__(
        self,
        repository: str | os.PathLike[str] | None = None,
        *,
        http_port: int = 0,
        grpc_port: int = 0,
        metrics_port: int = 0,
        profile: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.repository = find_repository(repository)
        settle_if_free(self.repository)
        self.release = open_release(self.repository)
        wheel = find_wheel()
        _require_shared_memory()
        given = (http_port, grpc_port, metrics_port)
        free = iter(free_ports(len(given)))
        self.http_port, self.grpc_port, self.metrics_port = (each or next(free) for each in given)
        self._stubs: int | None = None  # processes of python steps, once all are there
        # Its own prefix: tidying up must never touch the memory of another server.
        self.shared_memory_prefix = f"deckwatch-{os.getpid()}-{secrets.token_hex(3)}-"
        self.child = Child(
            [*self._command(wheel.server, wheel.runtime_folder(), profile), *options],
            environment=wheel.environment(os.environ),
            log=new_log(self.name),
            shared_memory=self.shared_memory_prefix,
            grace_s=_GRACE_S,
        )

    @property
    def url(self) -> str:
        """`grpc_url`: where our own clients find it."""
        return self.grpc_url

    @property
    def grpc_url(self) -> str:
        """Address for `deckwatch_client.Client` and, without the scheme, for tritonclient."""
        return f"grpc://{LOOPBACK}:{self.grpc_port}"

    @property
    def http_url(self) -> str:
        """Address of Triton's HTTP endpoint (KServe protocol)."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def metrics_url(self) -> str:
        """Address of Triton's Prometheus metrics."""
        return f"http://{LOOPBACK}:{self.metrics_port}/metrics"

    def start(self) -> None:
        """Start the server; returns at once (see `wait_ready`).

        Raises:
            LauncherError: one of its ports is taken.
            ReleaseNotFound, ReleaseCorrupt: the live release is gone or damaged by now.
        """
        # Another one may have been promoted since the last start.
        settle_if_free(self.repository)
        self.release = open_release(self.repository)
        ports = (self.http_port, self.grpc_port, self.metrics_port)
        for port, option in zip(ports, _PORT_OPTIONS, strict=True):
            # After a crash the old server may still be letting go of them.
            require_free(LOOPBACK, port, option, wait_s=_GRACE_S if self.child.pid else 0.0)
        self._stubs = None
        self.child.start()

    def wait_ready(self, timeout_s: float = 60.0) -> float:
        """Wait until a generated picture was recognised; the milliseconds that took.

        Raises:
            LauncherError: the server ended or did not answer in time; with its last words.
            ServerError: it answers, but not what it should.
        """
        deadline = time.monotonic() + timeout_s
        error = probe.poll(self.check_ready, alive=lambda: self.child.running, deadline=deadline)
        if error is not None:
            raise self.child.failure(self.name, timeout_s)
        start = time.perf_counter()
        self.check_answers()
        return (time.perf_counter() - start) * 1000

    def check_ready(self) -> None:
        """Ask Triton once whether the ensemble is loaded.

        Raises:
            ServerUnavailable: not yet, or no longer.
        """
        status, _ = probe.request(self.http_port, "GET", f"/v2/models/{ENSEMBLE}/ready")
        if status != 200:
            raise probe.not_ready(f"Triton at {self.http_url}", status)

    def check_answers(self) -> None:
        """Let Triton recognise a generated picture.

        Raises:
            ServerError: it does not answer what it should.
        """
        outputs = probe.infer(self.http_port, probe.generated_picture())
        version = int(outputs["RELEASE"][0]) if outputs.get("RELEASE") else 0
        if version != self.release.version:  # promoted while the server was starting
            self.release = open_release(self.repository, version, verify=False)
        probe.check_answer(outputs, len(self.release.labels))
        if self._stubs is None:
            self._stubs = self.child.helpers()

    def broken(self) -> str | None:
        """What a server that still runs cannot mend itself, None where all is well.

        This Triton goes on without a stub that crashed and refuses every request that would have
        been its own, for ever ("Stub process is not healthy"). Only a new start helps.
        """
        running = self.child.helpers()
        if running is None or self._stubs is None or running == self._stubs:
            return None
        # Promoting another release starts steps and ends others: ask what there should be.
        wanted = self._wanted_stubs()
        running = self.child.helpers()
        if wanted is None or running is None or wanted != self._wanted_stubs():
            return None  # at it right now; look again
        if running < wanted:
            return f"{wanted - running} of its {wanted} steps crashed"
        if running == wanted:
            self._stubs = running
        return None

    def _wanted_stubs(self) -> int | None:
        """Processes of all python steps that Triton holds ready; None where it does not say."""
        triton = RunningTriton(self.http_url, timeout_s=_LOOK_TIMEOUT_S)
        try:
            ready = [(name, version) for name, version in triton.versions() if name != ENSEMBLE]
            configs = {name: triton.config(name) for name, _ in ready}
        except DeckwatchError:
            return None
        groups = [configs[name].get("instance_group", []) for name, _ in ready]
        return sum(int(each["count"]) for group in groups for each in group)

    def stop(self, *, at_once: bool = False) -> None:
        """End the server and everything it left; may be called twice."""
        self.child.stop(at_once=at_once)

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop(at_once=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self, server: Path, runtime: Path, profile: str | None) -> list[str]:
        command = [
            str(server),
            f"--model-repository={self.repository}",
            f"--backend-directory={runtime / 'backends'}",
            f"--cache-directory={runtime / 'caches'}",
            f"--http-address={LOOPBACK}",
            f"--grpc-address={LOOPBACK}",
            f"--metrics-address={LOOPBACK}",
            f"--http-port={self.http_port}",
            f"--grpc-port={self.grpc_port}",
            f"--metrics-port={self.metrics_port}",
            "--allow-gpu-metrics=false",
            "--pinned-memory-pool-byte-size=0",
            f"--exit-timeout-secs={_EXIT_TIMEOUT_S}",
            "--model-control-mode=explicit",
            f"--load-model={ENSEMBLE}",
            # Our configs are complete. Completing them would start every stub twice: 2 s a step.
            "--disable-auto-complete-config",
            f"--backend-config=python,shm-default-byte-size={_SHARED_MEMORY_BYTES}",
            f"--backend-config=python,shm-region-prefix-name={self.shared_memory_prefix}",
        ]
        return command if profile is None else [*command, f"--model-config-name={profile}"]


def _require_shared_memory() -> None:
    try:
        state = os.statvfs(SHARED_MEMORY)
    except OSError as error:
        raise LauncherError(
            f"The embedded Triton server needs shared memory at {SHARED_MEMORY}: "
            f"{error.strerror}. Mount it (mount -t tmpfs shm {SHARED_MEMORY})."
        ) from None
    free = state.f_bavail * state.f_frsize
    if free < _LEAST_SHARED_MEMORY_BYTES:
        raise LauncherError(
            f"The embedded Triton server needs {_LEAST_SHARED_MEMORY_BYTES >> 20} MiB of shared "
            f"memory; {SHARED_MEMORY} has {free >> 20} MiB free. In a container start it with "
            "--shm-size=256m; elsewhere remove what fills it."
        )
