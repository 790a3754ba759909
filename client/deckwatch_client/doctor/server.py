"""Does the server that was named answer, as whom, how fast, and at the same time of day?"""

from __future__ import annotations

import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deckwatch_client.backends import SERVER_VARIABLE, TRITON, is_loopback, server_address
from deckwatch_client.doctor.finding import Finding, Subject
from deckwatch_client.doctor.release import timed

if TYPE_CHECKING:
    from deckwatch_client.backends import Backend

KEY_VARIABLE = "DECKWATCH_API_KEY"
# A gateway's keys, certificates and times of capture go by the clock.
CLOCK_S = 30.0


def named(subject: Subject) -> Iterator[Finding]:
    """Which server is named, if any."""
    subject.address = server_address(subject.server)
    if not subject.address:
        text = f"No server is named (--server, {SERVER_VARIABLE}): pictures stay on this machine."
        yield Finding("ok", text, facts={"server": ""})
        return
    origin = SERVER_VARIABLE if subject.server is None else "--server"
    yield Finding("ok", f"{subject.address}, by {origin}.", facts={"server": subject.address})
    plain = subject.address.startswith("http://")
    if (
        plain
        and os.environ.get(KEY_VARIABLE)
        and not is_loopback(_endpoints(subject.address)[0][0])
    ):
        yield Finding(
            "warning",
            f"The key in {KEY_VARIABLE} goes over the network where everybody can read it.",
            "Use the gateway's https:// address, or an SSH tunnel.",
        )


def reachable(subject: Subject) -> Iterator[Finding]:
    """Whether its name has an address and something listens there."""
    if not subject.address:
        return
    for host, port in _endpoints(subject.address):
        if (proxy := _proxy(subject.address, host)) and not is_loopback(host):
            subject.reached = True
            yield Finding(
                "note",
                f"{host} is asked through the proxy {proxy}.",
                f"If it should be asked directly, add {host} to the variable NO_PROXY.",
                {"proxy": proxy},
            )
        else:
            finding = _connect(host, port, subject.timeout_s)
            subject.reached |= finding.level == "ok"
            yield finding


def _connect(host: str, port: int, timeout_s: float) -> Finding:
    where = f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        cure = "Correct the name, or look at this machine's DNS and VPN."
        return Finding("problem", f"{host} has no address ({error.strerror}).", cure)
    addresses = sorted({str(address[0]) for *_, address in found})
    if addresses != [host]:
        where = f"{where} ({', '.join(addresses)})"
    began = time.perf_counter()
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except ConnectionRefusedError:
        cure = "Start the server there (`deckwatch up` on this machine), or correct the port."
        return Finding("problem", f"Nothing listens at {where}.", cure)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        cure = "Look whether the server runs, and whether a firewall is in between."
        return Finding("problem", f"{where} cannot be reached ({reason}).", cure)
    taken_s = time.perf_counter() - began
    text = f"{where} takes connections, in {taken_s * 1000:.0f} ms."
    return Finding("ok", text, facts={"addresses": addresses, "connect_s": taken_s})


def served(subject: Subject) -> Iterator[Finding]:
    """Which release answers, whether it takes our key, and a timed picture."""
    if not (subject.address and subject.reached):
        return
    backend = _open(subject)
    try:
        release = backend.served().release
        key = "; it takes the key" if _sends_key(subject.address) else ""
        facts = {"name": release.name, "version": release.version}
        yield Finding(
            "ok", f"It serves release {release.name} {release.version}{key}.", facts=facts
        )
        if subject.release is not None and subject.release != release:
            yield Finding(
                "note",
                f"On this machine it is {subject.release.name} {subject.release.version}: with and "
                "without the server, answers may differ.",
                "`deckwatch promote` changes what is live, `deckwatch releases` lists all.",
            )
        median_s = timed(backend.infer)
        text = f"A test picture takes {median_s:.3f} s there and back."
        yield Finding("ok", text, facts={"median_s": median_s})
    finally:
        backend.close()


def _open(subject: Subject) -> Backend:
    from deckwatch_client.backends import open_backend

    return open_backend(subject.address, repository=None, timeout_s=subject.timeout_s)


def _sends_key(address: str) -> bool:
    return address.startswith("http") and bool(os.environ.get(KEY_VARIABLE))


def clock(subject: Subject) -> Iterator[Finding]:
    """Whether its clock and ours agree; only HTTP tells the time."""
    if not (subject.reached and subject.address.startswith("http")):
        return
    import httpx2

    host = _endpoints(subject.address)[0][0]
    # The certificate was judged above, and a clock that is wrong is what would make it invalid.
    answer = httpx2.get(
        subject.address,
        timeout=subject.timeout_s,
        trust_env=not is_loopback(host),
        verify=False,
    )
    theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    ahead_s = theirs - time.time()
    facts = {"ahead_s": round(ahead_s, 1)}
    if abs(ahead_s) > CLOCK_S:
        word = "ahead of" if ahead_s > 0 else "behind"
        text = f"Its clock is {abs(ahead_s):.0f} s {word} this machine's."
        cure = "Let both set their clocks from the network (timedatectl set-ntp true)."
        yield Finding("warning", text, cure, facts)
    else:
        yield Finding("ok", "Its clock agrees with this machine's.", facts=facts)


def _endpoints(address: str) -> list[tuple[str, int]]:
    """Host and port of every server at the address; of a name for several, the name."""
    if not address.startswith(TRITON):
        parts = urlsplit(address)
        return [(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))]
    from deckwatch_client.replicas_addresses import parse_addresses

    found = parse_addresses(address)
    if found.name:
        return [(found.name, found.port)]
    pairs = (each.rpartition(":") for each in found.fixed)
    return [(host.strip("[]"), int(port)) for host, _, port in pairs]


def _proxy(address: str, host: str) -> str:
    """The proxy of the environment that requests go through; "" for none."""
    if urllib.request.proxy_bypass(host):
        return ""
    proxies = urllib.request.getproxies()
    scheme = "https" if address.startswith(("https", "grpcs")) else "http"
    return proxies.get(scheme, "").rpartition("@")[2]
