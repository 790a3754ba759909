"""Other people's labels to our species codes, by a small YAML file.

    labels:
      Yellowfin tuna: YFT   # their name: our code
      Buoy: drop            # or null: boxes of it are left out
    species:                # only codes that Deckwatch does not know
      - {code: SWO, common_name: swordfish, scientific_name: Xiphias gladius, fao_code: SWO,
         camio_label: swordfish, sensitive: false}

A file without the word `labels:` is taken for the map alone.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deckwatch_training.catalogue import Catalogue
from deckwatch_training.config import read_yaml
from deckwatch_vision.errors import ReleaseCorrupt, UsageError
from deckwatch_vision.species import DEMO, NCFM, NO_FISH, LabelSet, Species

DROP = "drop"
KNOWN: dict[str, Species] = {one.code: one for labels in (NCFM, DEMO) for one in labels}
"""The species that need no description."""


@dataclass(frozen=True)
class LabelMap:
    """Their names to our codes; None drops. Names that are codes already need not be listed."""

    codes: Mapping[str, str | None] = field(default_factory=dict)
    species: Mapping[str, Species] = field(default_factory=lambda: KNOWN)

    def knows(self, name: str) -> bool:
        """Whether something is to be done with a label of that name."""
        return name in self.codes or name in self.species

    def code(self, name: str) -> str | None:
        """Our code for their name; None where it is to be dropped."""
        return self.codes.get(name, name)

    @property
    def added(self) -> list[Species]:
        """Species that the file describes itself."""
        return [one for code, one in self.species.items() if code not in KNOWN]


def load(path: Path | None, more: Iterable[Species] = ()) -> LabelMap:
    """Read a label map; without a file, names must be codes that are known. more: known as well.

    Raises:
        UsageError: the file cannot be read, or a code has no description; the message names it.
    """
    species = KNOWN | {one.code: one for one in more}
    if path is None:
        return LabelMap({}, species)
    document = read_yaml(path)
    given = document["labels"] if isinstance(document.get("labels"), dict) else document
    if given is document and "species" in document:
        raise UsageError(f"{path}: `species` needs `labels:` beside it, their name: our code.")
    species |= {one.code: one for one in described(document.get("species"), str(path))}
    codes: dict[str, str | None] = {}
    for name, code in given.items():
        if isinstance(name, bool):
            raise UsageError(f"{path}: YAML reads a bare yes, no, on or off as {name}. Quote it.")
        if isinstance(code, bool | list | dict):
            raise UsageError(f"{path}: {name}: {code!r} is no code. Write a code, or {DROP}.")
        codes[str(name)] = None if code in (None, DROP) else str(code)
    unknown = sorted({code for code in codes.values() if code and code not in species})
    if unknown:
        raise UsageError(
            f"{path}: no species {', '.join(unknown)}. Known are {', '.join(sorted(species))}. "
            f"Describe others under `species:` with code, common_name, scientific_name, fao_code, "
            "camio_label and sensitive."
        )
    return LabelMap(codes, species)


def described(rows: object, where: str) -> list[Species]:
    """Species from a list of descriptions, as in a label map or a data set's info.

    Raises:
        UsageError: a key is missing, unknown or of the wrong type.
    """
    if rows is None:
        return []
    given = rows if isinstance(rows, list) else [rows]
    codes = [row.get("code") if isinstance(row, dict) else None for row in given]
    # A label set must have "no fish"; here only some species are described.
    rest = [asdict(one) for one in NCFM if one.code not in codes]
    try:
        return [one for one in LabelSet.from_list([*given, *rest]) if one.code in codes]
    except ReleaseCorrupt as error:
        raise UsageError(f"{where}: {error.message.replace('labels', 'species', 1)}.") from None


def species_of(catalogue: Catalogue) -> dict[str, Species]:
    """The species that are known to a data set, by code: Deckwatch's and those it describes.

    Raises:
        UsageError: its descriptions are damaged.
    """
    own = described(catalogue.info.get("species"), str(catalogue.root))
    return KNOWN | {one.code: one for one in own}


def sensitive_codes(catalogue: Catalogue) -> frozenset[str]:
    """Codes of protected and bycatch species of a data set."""
    return frozenset(code for code, one in species_of(catalogue).items() if one.sensitive)


def unmapped(names: Mapping[str, int], species: Mapping[str, Species]) -> UsageError:
    """The error that lists names without a code, with their counts and a YAML to fill in."""
    total = sum(names.values())
    lines = [f"  {yaml_key(name)}: {_guess(name, species)}  # {n}" for name, n in names.items()]
    listed = "\n".join(["labels:", *lines])
    return UsageError(
        f"{len(names)} labels ({total} boxes or pictures) are no species code. Save this as "
        f"labels.yaml, correct it, and give --labels labels.yaml:\n\n{listed}\n\n"
        f"Codes: {', '.join(sorted(species))}; {DROP} leaves boxes out."
    )


def yaml_key(name: str) -> str:
    """A name as YAML reads it back: quoted where that is needed."""
    text: str = yaml.safe_dump({name: 0}, allow_unicode=True, width=1000)
    return text.removesuffix(": 0\n").removeprefix("? ")


def _guess(name: str, species: Mapping[str, Species]) -> str:
    """The most likely code of a name, from codes, common and scientific names; else OTHER."""
    known: dict[str, str] = {}
    for code, one in species.items():
        for text in (code, one.common_name, one.scientific_name, one.camio_label):
            if text:
                known.setdefault(text.casefold(), code)
    plain = name.casefold().replace("_", " ").strip()
    if plain in known:
        return known[plain]
    fish = {text: code for text, code in known.items() if code != NO_FISH}
    # "blue shark", "stingray": the last syllables say what it is; the longest name that fits.
    ends = [text for text in fish if len(text) > 2 and plain.endswith(text)]
    close = difflib.get_close_matches(plain, fish, n=1, cutoff=0.7)
    best = max(ends, key=len, default="") or next(iter(close), "")
    return fish.get(best, "OTHER")


def count(names: Iterable[str]) -> Counter[str]:
    """How often each name occurs, most often first when listed."""
    return Counter(dict(Counter(names).most_common()))


def as_info(species: Iterable[Species]) -> list[dict[str, Any]]:
    """Descriptions as a data set's info keeps them."""
    return [asdict(one) for one in species]
