"""Is there a release on this machine, whole, and how fast does it recognise a picture?"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator

from deckwatch_client.doctor.finding import Finding, Subject
from deckwatch_vision.errors import ServerError
from deckwatch_vision.result import ReleaseInfo, Result

TIMES = 5
# What a picture takes on two ordinary cores, times ten.
SLOW_S = 2.0


def release(subject: Subject) -> Iterator[Finding]:
    """The live release, with the digests of its files."""
    from deckwatch_serving.repository import find_repository, open_release

    repository = find_repository(subject.repository)
    found = open_release(repository)
    subject.release = ReleaseInfo(found.name, found.version)
    yield Finding(
        "ok",
        f"Release {found.name} {found.version} in {repository}; every file matches its digest.",
        facts={"repository": str(repository), "name": found.name, "version": found.version},
    )


def inference(subject: Subject) -> Iterator[Finding]:
    """A generated picture recognised in this process, timed."""
    if subject.release is None:
        return  # told already
    needed = {"numpy", "cv2", "simplejpeg", "onnxruntime"} & subject.broken
    if needed:
        cure = f"First mend {', '.join(sorted(needed))}, as said above."
        yield Finding("problem", "Recognition in this process was not tried.", cure)
        return
    from deckwatch_client.local import LocalBackend
    from deckwatch_serving.repository import find_repository, open_release

    began = time.perf_counter()
    backend = LocalBackend(subject.repository)
    load_s = time.perf_counter() - began
    try:
        median_s = timed(backend.infer)
    finally:
        backend.close()
    from deckwatch_serving.net import choose_runtime

    runtime, precision = choose_runtime(
        open_release(find_repository(subject.repository), verify=False)
    )
    text = (
        f"A test picture takes {median_s:.3f} s in this process after {load_s:.2f} s of loading "
        f"({runtime}, {precision})."
    )
    facts = {"load_s": load_s, "median_s": median_s, "runtime": runtime, "precision": precision}
    if median_s > SLOW_S:
        cure = "Free some cores, raise the container's limit of them, or ask a server (--server)."
        yield Finding("warning", text, cure, facts)
    else:
        yield Finding("ok", text, facts=facts)


def timed(infer: Callable[[bytes], Result]) -> float:
    """Median seconds for a picture, once warm.

    Raises:
        ServerError: the likelihoods do not sum to 1, so numbers are computed wrongly.
    """
    from deckwatch_serving.probe import generated_picture

    picture = generated_picture()
    taken = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        result = infer(picture)
        taken.append(time.perf_counter() - began)
    total = sum(result.likelihoods.values())
    if not math.isclose(total, 1.0, abs_tol=1e-3):
        raise ServerError(
            f"The likelihoods of a test picture sum to {total:g} and not to 1. "
            "Install Deckwatch into a fresh environment, or look into the server's."
        )
    return statistics.median(taken[1:])
