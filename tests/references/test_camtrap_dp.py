"""frictionless holds our packages to the rules of Camtrap DP.

The rules are in camtrap_dp.json, written down from the standard and not from our writer.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from frictionless import Package, system

from deckwatch_client.records import Failure, Record
from tests.client.formats.some_records import INFO, WHERE, some_records, write_run

RULES = json.loads(Path(__file__).with_name("camtrap_dp.json").read_text(encoding="utf-8"))


def table_schema(name: str) -> dict[str, Any]:
    """A Table Schema (https://specs.frictionlessdata.io/table-schema) of the rules."""
    table = RULES["tables"][name]
    fields = []
    for field, rules in table["fields"].items():
        kind = rules["type"]
        constraints = {key: value for key, value in rules.items() if key != "type"}
        form = {"format": RULES["datetime"]} if kind == "datetime" else {}
        fields.append({"name": field, "type": kind, **form, "constraints": constraints})
    keys = [
        {"fields": [field], "reference": {"resource": other, "fields": [field]}}
        for field, other in table.get("refers", {}).items()
    ]
    return {
        "fields": fields,
        "missingValues": RULES["missing"],
        "primaryKey": [table["key"]],
        "foreignKeys": keys,
    }


def errors(folder: Path) -> list[str]:
    """What frictionless objects to in a package, with the rules in the place of their URLs."""
    given = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    jsonschema.validate(given, RULES["package"])
    assert [one["name"] for one in given["resources"]] == list(RULES["tables"])
    resources = [one | {"schema": table_schema(one["name"])} for one in given["resources"]]
    content = {"name": "package", "resources": resources}
    with system.use_context(trusted=True):
        report = Package.from_descriptor(content, basepath=str(folder)).validate()
    return [error.message for task in report.tasks for error in task.errors] + [
        error.message for error in report.errors
    ]


def some_run() -> list[Record]:
    why = Failure("unreadable-image", "there is no such file")
    return [*some_records(), Record("gone.mp4", failure=why)]


@pytest.mark.parametrize("seed", range(2))
def test_a_run_of_pictures_videos_and_failures_is_valid(seed: int, tmp_path: Path) -> None:
    write_run(["camtrap-dp"], [*some_records(seed), some_run()[-1]], tmp_path)
    assert errors(tmp_path / "camtrap-dp") == []


def test_an_empty_run_is_valid(tmp_path: Path) -> None:
    write_run(["camtrap-dp"], [], tmp_path)
    assert errors(tmp_path / "camtrap-dp") == []


def test_columns_are_the_schemas_in_their_order(tmp_path: Path) -> None:
    write_run(["camtrap-dp"], some_run(), tmp_path)
    for name, table in RULES["tables"].items():
        text = (tmp_path / "camtrap-dp" / f"{name}.csv").read_text(encoding="utf-8")
        assert text.splitlines()[0].split(",") == list(table["fields"])


def test_every_species_that_is_named_is_described(tmp_path: Path) -> None:
    write_run(["camtrap-dp"], some_run(), tmp_path)
    package = json.loads((tmp_path / "camtrap-dp" / "datapackage.json").read_text())
    described = {one["scientificName"] for one in package["taxonomic"]}
    assert described == {one.scientific_name for one in INFO.species if one.scientific_name}
    table = (tmp_path / "camtrap-dp" / "observations.csv").read_text(encoding="utf-8")
    assert "Lampris guttatus" in table


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("observations.csv", ",animal,", ",fish,", "enum"),
        ("observations.csv", ",media,animal,", ",,animal,", "required"),
        ("media.csv", ",timeLapse,", ",video,", "enum"),
        ("deployments.csv", "178.4419", "278.4419", "maximum"),
        ("media.csv", "\ntrip 0/img_00001.jpg,", "\nother.jpg,", "foreign key"),
    ],
)
def test_frictionless_would_object(
    file: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    """That it says nothing means something."""
    records = [
        replace(record, name="trip 0/img_00001.jpg") if number == 0 else record
        for number, record in enumerate(one for one in some_run() if one.result)
    ]
    write_run(["camtrap-dp"], records, tmp_path, options=WHERE)
    path = tmp_path / "camtrap-dp" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert any(message in error for error in errors(tmp_path / "camtrap-dp"))
