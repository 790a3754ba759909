"""The parts of a Camtrap DP that are known only at the end: deployments and the description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deckwatch_client.formats.answers import told
from deckwatch_client.formats.contract import FormatOptions
from deckwatch_client.records import Origin
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.species import Species

VERSION = "1.0.2"
_HOME = f"https://raw.githubusercontent.com/tdwg/camtrap-dp/{VERSION}"
VESSEL = "vessel:"

# The tables' columns in the schemas' order.
DEPLOYMENTS = (
    "deploymentID", "locationID", "locationName", "latitude", "longitude",
    "coordinateUncertainty", "deploymentStart", "deploymentEnd", "setupBy", "cameraID",
    "cameraModel", "cameraDelay", "cameraHeight", "cameraDepth", "cameraTilt", "cameraHeading",
    "detectionDistance", "timestampIssues", "baitUse", "featureType", "habitat",
    "deploymentGroups", "deploymentTags", "deploymentComments",
)  # fmt: skip
MEDIA = (
    "mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "filePublic", "fileName",
    "fileMediatype", "exifData", "favorite", "mediaComments",
)  # fmt: skip
OBSERVATIONS = (
    "observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd",
    "observationLevel", "observationType", "cameraSetupType", "scientificName", "count",
    "lifeStage", "sex", "behavior", "individualID", "individualPositionRadius",
    "individualPositionAngle", "individualSpeed", "bboxX", "bboxY", "bboxWidth", "bboxHeight",
    "classificationMethod", "classifiedBy", "classificationTimestamp", "classificationProbability",
    "observationTags", "observationComments",
)  # fmt: skip


@dataclass
class _Deployment:
    """A camera: its first and last time, and whether one of its times is doubtful."""

    origin: Origin
    first: datetime | None = None
    last: datetime | None = None
    doubtful: bool = False


class Deployments:
    """Cameras by vessel and name; there are few of them, however many pictures."""

    def __init__(self, info: RunInfo, options: FormatOptions) -> None:
        self._info = info
        self._options = options
        self._found: dict[str, _Deployment] = {}

    def add(self, origin: Origin, taken: datetime | None, sure: bool) -> None:
        """A picture of a camera."""
        one = self._found.setdefault(self.name(origin), _Deployment(origin))
        one.doubtful = one.doubtful or not sure
        if taken is not None:
            one.first = taken if one.first is None else min(one.first, taken)
            one.last = taken if one.last is None else max(one.last, taken)

    @staticmethod
    def name(origin: Origin) -> str:
        """The deployment's ID, VESSEL/CAMERA; a slash within either is %2F."""
        if not origin.camera and not origin.vessel:
            return "unknown"
        names = (name or "" for name in (origin.vessel, origin.camera))
        return "/".join(name.replace("%", "%25").replace("/", "%2F") for name in names)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The lines of deployments.csv."""
        from deckwatch_client.formats.camtrap import UNKNOWN_TIME, stamp

        for name, one in self._found.items():
            yield {
                "deploymentID": name,
                "latitude": self._options.latitude,
                "longitude": self._options.longitude,
                "deploymentStart": stamp(one.first or UNKNOWN_TIME),
                "deploymentEnd": stamp(one.last or UNKNOWN_TIME),
                "cameraID": one.origin.camera,
                "timestampIssues": one.doubtful,
                "deploymentGroups": f"{VESSEL}{one.origin.vessel}" if one.origin.vessel else None,
            }

    def describe(self, path: Path) -> None:
        """Write datapackage.json."""
        from deckwatch_client.formats.camtrap import UNKNOWN_TIME, moment_of, stamp

        known = [one for one in self._found.values() if one.first and one.last]
        first = min((one.first for one in known if one.first), default=UNKNOWN_TIME)
        last = max((one.last for one in known if one.last), default=UNKNOWN_TIME)
        created = moment_of(self._options.created) if self._options.created else last
        release = self._info.release
        title = f"Fish found by deckwatch {release.name} {release.version}"
        package = {
            "profile": f"{_HOME}/camtrap-dp-profile.json",
            "created": stamp(created),
            "title": title,
            "contributors": [{"title": "Deckwatch", "role": "contributor"}],
            "sources": [{"title": "Deckwatch", "version": self._info.deckwatch or "unknown"}],
            "project": {
                "title": title,
                "samplingDesign": "opportunistic",
                "captureMethod": ["timeLapse"],
                "individualAnimals": False,
                "observationLevel": ["media"],
            },
            "spatial": {
                "type": "Point",
                "coordinates": [self._options.longitude, self._options.latitude],
            },
            "temporal": {
                "start": first.astimezone(UTC).date().isoformat(),
                "end": last.astimezone(UTC).date().isoformat(),
            },
            "taxonomic": [_taxon(one) for one in self._info.species if one.scientific_name],
            "resources": [
                {
                    "name": name,
                    "path": f"{name}.csv",
                    "profile": "tabular-data-resource",
                    "format": "csv",
                    "mediatype": "text/csv",
                    "encoding": "utf-8",
                    "schema": f"{_HOME}/{name}-table-schema.json",
                }
                for name in ("deployments", "media", "observations")
            ],
            # A key of our own, which the profile allows: what comes back as the run.
            "deckwatch": told(self._info),
        }
        path.write_text(f"{json.dumps(package, indent=2)}\n", encoding="utf-8")


def _taxon(one: Species) -> dict[str, Any]:
    taxon: dict[str, Any] = {
        "scientificName": one.scientific_name,
        "vernacularNames": {"eng": one.common_name},
    }
    if one.scientific_name and len(one.scientific_name.split()) == 2:
        taxon["taxonRank"] = "species"
    return taxon
