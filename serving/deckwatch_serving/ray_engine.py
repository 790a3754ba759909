"""The engine "ray": one function over many items on a Ray cluster; see engines.run."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import islice
from typing import Any, TypeVar

from deckwatch_serving.cores import available_cores
from deckwatch_serving.engines import AHEAD, TRIES, single_threaded
from deckwatch_vision.errors import DeckwatchError, MissingExtra

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def cluster(workers: int = 0) -> Iterator[int]:
    """A Ray to work on, and how many workers it has; what runs meanwhile uses the same.

    The cluster that RAY_ADDRESS names, else one on this machine, which ends with the block. What is
    printed meanwhile goes to standard error.

    Raises:
        MissingExtra: Ray is not installed.
        DeckwatchError: there is no cluster, or none could be started.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtra(
            "--engine ray needs Ray, which is not installed. Install it with: "
            "pip install 'deckwatch[ray]'"
        )
    # Ray reads these when it is imported. It would report its use to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # its default, said aloud it warns less
    import ray

    ours = not ray.is_initialized()
    if ours:
        _connect(address, workers or available_cores())
    try:
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        # Of a worker that died Ray tells on standard output, which is for data.
        with redirect_stdout(sys.stderr):
            yield workers or max(1, int(resources.get("CPU", 1)))
    finally:
        if ours:
            ray.shutdown()


def _connect(address: str | None, cores: int) -> None:
    import ray

    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        settings["address"] = address
    else:
        # Only names, labels and boxes go over Ray; by default it would reserve a third of memory.
        settings |= {
            "num_cpus": cores,
            "include_dashboard": False,
            "object_store_memory": 128 << 20,
        }
    for attempt in range(1, TRIES + 1):
        try:
            with single_threaded():
                ray.init(**settings)
            return
        except Exception as error:  # Ray raises Exception itself where a start takes over 30 s
            ray.shutdown()
            if address or attempt == TRIES:
                where = f"the cluster {address}" if address else "a Ray on this machine"
                raise DeckwatchError(
                    f"Cannot use {where}: {str(error).splitlines()[0]} Check RAY_ADDRESS, or unset "
                    "it to use this machine; --engine local needs no Ray."
                ) from None


def run(
    function: Callable[[Item], Result],
    items: Iterator[Item],
    workers: int,
    window: int | None,
) -> Iterator[Result]:
    """The results of `function` for every item, in order.

    Raises:
        MissingExtra, DeckwatchError: see `cluster`; or Ray lost an item three times over.
    """
    with cluster(workers) as there:
        import ray

        # Also a worker that dies counts as a try; exceptions of the function are final.
        remote = ray.remote(num_cpus=1, max_retries=TRIES, retry_exceptions=False)(_on_ray)
        sent = ray.put(function)
        key = sent.hex()
        waiting: deque[Any] = deque()
        most = window or AHEAD * there
        try:
            while True:
                waiting.extend(
                    # A list hides the reference, so that Ray does not unpack it for every item.
                    remote.remote(key, [sent], item)
                    for item in islice(items, most - len(waiting))
                )
                if not waiting:
                    return
                try:
                    result = ray.get(waiting[0])
                except ray.exceptions.RayTaskError as error:
                    raise getattr(error, "cause", None) or error from None
                except (ray.exceptions.WorkerCrashedError, ray.exceptions.RayError) as error:
                    raise DeckwatchError(
                        f"Ray lost a piece of work: {str(error).splitlines()[0]} Run the same "
                        "command again; it goes on where it stood."
                    ) from None
                waiting.popleft()
                yield result
        finally:
            for each in waiting:
                ray.cancel(each)


def _on_ray(key: str, sent: list[Any], item: Any) -> Any:
    """One item in a Ray worker, which unpacks the function once and keeps it."""
    held = _KEPT.get(key)
    if held is None:
        import cv2
        import ray

        cv2.setNumThreads(1)
        _KEPT.clear()  # a worker may live longer than one run
        held = _KEPT[key] = ray.get(sent[0])
    return held(item)


_KEPT: dict[str, Callable[[Any], Any]] = {}
