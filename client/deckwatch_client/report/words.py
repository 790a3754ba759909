"""How the page says numbers, species and places."""

from __future__ import annotations

from deckwatch_client.pictures import printable
from deckwatch_client.records import Record
from deckwatch_client.report.tally import camera_of
from deckwatch_vision.species import Species


def named(species: Species) -> str:
    """Code and name, once where they are the same."""
    same = species.common_name.casefold() == species.code.casefold()
    return species.code if same else f"{species.code} ({species.common_name})"


def percent(share: float) -> str:
    """A share in per cent; 100 and 0 only where it is as good as that."""
    if 0 < share < 0.005:
        return "under 1\N{NO-BREAK SPACE}%"
    if 0.995 <= share < 1:
        return "over 99\N{NO-BREAK SPACE}%"
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def whence(record: Record) -> list[str]:
    """File, time and camera in lines for a reader."""
    file, time, camera = columns(record)
    return [file, ", ".join(part for part in (time, camera) if part)]


def others(likelihoods: dict[str, float], code: str) -> str:
    """The two likeliest classes beside one."""
    ranked = sorted(likelihoods.items(), key=lambda pair: -pair[1])
    rest = [(each, likelihood) for each, likelihood in ranked if each != code][:2]
    return ", ".join(f"{each} {percent(likelihood)}" for each, likelihood in rest)


def columns(record: Record) -> tuple[str, str, str]:
    """File, time and camera for a table."""
    return (
        printable(record.name),
        printable((record.origin.captured_at or "").replace("T", " ")) or "no time",
        printable(camera_of(record)),
    )
