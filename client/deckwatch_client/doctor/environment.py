"""Which variables of the environment are ours, and which look like a slip of the pen?"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator

from deckwatch_client.doctor.finding import HIDDEN, Finding, Subject

PREFIX = "DECKWATCH_"
# Of the client, the commands for data and the nets.
CLIENT = (
    "API_KEY", "CA_FILE", "DATA", "LOG_FORMAT", "MLFLOW", "MODEL_REPOSITORY", "RUNTIME", "SERVER",
    "SETTINGS", "TRITON_HEADER",
)  # fmt: skip
# The gateway's settings; its extra may be missing here, while its variables are there.
GATEWAY: tuple[str, ...] = (
    "ALLOW_PUBLIC", "API_KEYS", "API_KEYS_FILE", "BODY_TIMEOUT_S", "CAMIO_ALLOW_LOOPBACK",
    "CAMIO_CALLBACK_HOSTS", "CAMIO_CALLBACK_TIMEOUT_S", "CAMIO_KEEP_DEAD_S",
    "CAMIO_KEEP_DELIVERED_S", "CAMIO_KEYS", "CAMIO_KEYS_FILE", "CAMIO_LABELS", "CAMIO_LEASE_S",
    "CAMIO_MAX_AGE_S", "CAMIO_MAX_BODY_BYTES", "CAMIO_MAX_EVENTS", "CAMIO_MAX_IMAGES",
    "CAMIO_MAX_QUEUE_BYTES", "CAMIO_OAUTH_TOKEN", "CAMIO_POLYGONS", "CAMIO_QUEUE",
    "CAMIO_RETRY_FIRST_S", "CAMIO_RETRY_LONGEST_S", "CAMIO_THRESHOLD", "CAMIO_WORKERS", "DRAIN_S",
    "HEADER_TIMEOUT_S", "HOST", "HOSTS", "KEEP", "KEEP_ALIVE_S", "KEEP_BELOW", "KEEP_FAINT",
    "KEEP_LEAST", "KEEP_MARGIN", "KEEP_MAX_BYTES", "KEEP_MAX_PICTURES", "KEEP_SAMPLE",
    "KEEP_SELDOM", "KEEP_SENSITIVE", "LOG_LEVEL", "MAX_BODY_BYTES", "MAX_CONNECTIONS",
    "MAX_CONNECTIONS_PER_ADDRESS", "MAX_HELD_BYTES", "MAX_IN_FLIGHT", "MAX_PIXELS", "MAX_QUEUED",
    "MAX_WAIT_S", "METRICS_CAMERAS", "OTLP_ENDPOINT", "PORT", "RATE_BURST", "RATE_PER_ADDRESS",
    "RATE_PER_KEY", "RETRY_AFTER_S", "SHUTDOWN_TIMEOUT_S", "TLS_CERT", "TLS_KEY", "TRACE_CALLERS",
    "TRACE_SHARE", "TRITON", "TRITON_HEDGE_MS", "TRITON_TIMEOUT_S", "TRUSTED_PROXIES",
    "WRONG_KEYS_A_MINUTE",
)  # fmt: skip
# Shown as (hidden); passwords in others' addresses are as well, as everywhere.
SECRET = {
    "API_KEY", "API_KEYS", "CAMIO_KEYS", "CAMIO_OAUTH_TOKEN", "TRITON_HEADER",
}  # fmt: skip

# Kubernetes gives these to every pod beside a service called deckwatch.
_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP)")


def variables(_: Subject) -> Iterator[Finding]:
    """The variables that are set, and those that nobody reads."""
    known = {*CLIENT, *GATEWAY}
    names = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    ours = [name for name in names if name.removeprefix(PREFIX) in known]
    for name in ours:
        yield Finding("ok", f"{name}={_shown(name)}", facts={"variable": name})
    if not ours:
        yield Finding("ok", f"No variable {PREFIX}... is set; everything is as by default.")
    for name in names:
        if name in ours or _OF_KUBERNETES.search(name):
            continue
        # Names alone: the value may be the secret that was meant for the right one.
        near = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, 1, 0.8)
        cure = f"Did you mean {PREFIX}{near[0]}?" if near else "Unset it, if it is not another's."
        text = f"{name} is set, but nothing of Deckwatch reads it."
        yield Finding("warning" if near else "note", text, cure, {"variable": name})


def _shown(name: str) -> str:
    value = os.environ[name]
    if name.removeprefix(PREFIX) in SECRET:
        return HIDDEN if value else "(empty)"
    return value if value.isprintable() else repr(value)
