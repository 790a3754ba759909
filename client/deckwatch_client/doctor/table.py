"""All checks in the order of the report, and how they are run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deckwatch_client.doctor import environment, machine, packages, release, server
from deckwatch_client.doctor.finding import Check, Finding, Subject, without_password
from deckwatch_vision.errors import DeckwatchError

CHECKS = (
    Check("Installed", "python", packages.python),
    Check("Installed", "libraries", packages.libraries),
    Check("Installed", "opencv", packages.opencv),
    Check("Installed", "requirements", packages.requirements),
    Check("Installed", "extras", packages.extras),
    Check("Installed", "embedded-server", packages.embedded),
    Check("Machine", "cores", machine.cores),
    Check("Machine", "memory", machine.memory),
    Check("Machine", "disk", machine.disk),
    Check("Machine", "letters", machine.letters),
    Check("Machine", "ports", machine.ports),
    Check("Machine", "gpu", machine.gpu),
    Check("Environment", "variables", environment.variables),
    Check("Release", "release", release.release),
    Check("Release", "inference", release.inference),
    Check("Server", "server", server.named),
    Check("Server", "reachable", server.reachable),
    Check("Server", "served", server.served),
    Check("Server", "clock", server.clock),
)


def examine(subject: Subject, checks: Sequence[Check] = CHECKS) -> Iterator[tuple[Check, Finding]]:
    """What the checks find, each with its check, as it is found; without passwords."""
    for check in checks:
        try:
            for finding in check.find(subject):
                yield check, _discreet(finding)
        except DeckwatchError as error:
            yield check, _discreet(Finding.of(error))
        except Exception as error:
            # An odd machine is what a doctor is called to; the other checks go on.
            text = f"The check {check.name!r} broke off ({type(error).__name__}: {error})."
            cure = "Please report it, with the output of `deckwatch doctor --json`."
            yield check, Finding("warning", text, cure, {"error": type(error).__name__})


def _discreet(finding: Finding) -> Finding:
    facts = {
        name: without_password(value) if isinstance(value, str) else value
        for name, value in finding.facts.items()
    }
    text, cure = without_password(finding.text), without_password(finding.cure)
    return Finding(finding.level, text, cure, facts)
