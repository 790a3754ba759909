"""Tasks for Label Studio: its JSON with the model's boxes as predictions, and a labelling config.

Format: https://labelstud.io/guide/predictions and https://labelstud.io/tags/rectanglelabels.
Boxes are x, y, width and height in percent of the upright picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from deckwatch_training.tasks.colours import colours
from deckwatch_training.tasks.task import Task

# Names of the two controls; the importer takes any name.
LABEL, IMAGE = "label", "image"
DIGITS = 8  # of a percentage: a millionth of a pixel


def tasks(given: Sequence[Task], picture_url: str) -> list[dict[str, Any]]:
    """The content of the file to import; `picture_url` comes before each picture's name.

    `data` holds what an annotator may want to see or filter by, `meta` the rest of the answer.
    """
    return [
        {
            "data": _data(task, picture_url),
            "meta": {
                "sha256": task.kept.sha256,
                "release": task.release,
                "kept_at": task.kept.kept_at,
                "reasons": task.kept.reasons,
                "label": task.kept.result.label,
                "likelihoods": task.kept.result.likelihoods,
            },
            "predictions": [
                {
                    "model_version": task.release,
                    "score": max(task.kept.result.likelihoods.values()),
                    "result": [_region(task, place) for place in range(len(task.entry.boxes))],
                }
            ],
        }
        for task in given
    ]


def config(labels: Sequence[str]) -> str:
    """The labelling config: boxes that cannot be turned, on a picture that cannot be either."""
    rows = "\n".join(
        f"    <Label value={quoteattr(label)} background={quoteattr(colour)}/>"
        for label, colour in colours(labels).items()
    )
    return f"""<View>
  <Header value="$title"/>
  <Image name="{IMAGE}" value="$image" zoom="true" zoomControl="true" rotateControl="false"/>
  <RectangleLabels name="{LABEL}" toName="{IMAGE}" canRotate="false" showInline="true">
{rows}
  </RectangleLabels>
</View>
"""


def _data(task: Task, picture_url: str) -> dict[str, Any]:
    entry = task.entry
    where = " ".join(each for each in (entry.vessel, entry.camera, entry.captured_at) if each)
    return {
        IMAGE: picture_url + quote(task.file),
        "file": task.file,
        # The importer asks for these; empty ones are left out there, but the tool shows columns.
        "vessel": entry.vessel or "",
        "camera": entry.camera or "",
        "captured_at": entry.captured_at or "",
        "night": task.kept.night,
        "interest": task.kept.score,
        "why": task.why,
        "title": " | ".join(each for each in (where, task.why, task.release) if each),
    }


def _region(task: Task, place: int) -> dict[str, Any]:
    entry, fish = task.entry, task.kept.result.fish[place]
    box = entry.boxes[place]
    across, down = 100 / entry.width, 100 / entry.height
    return {
        "id": f"{task.kept.sha256[:10]}-{place}",
        "type": "rectanglelabels",
        "from_name": LABEL,
        "to_name": IMAGE,
        "original_width": entry.width,
        "original_height": entry.height,
        "image_rotation": 0,
        "score": fish.score,
        "value": {
            "x": round(box.x * across, DIGITS),
            "y": round(box.y * down, DIGITS),
            "width": round(box.width * across, DIGITS),
            "height": round(box.height * down, DIGITS),
            "rotation": 0,
            "rectanglelabels": [box.label],
        },
        "meta": {"text": [f"{fish.label} {fish.likelihoods[fish.label]:.2f}"]},
    }
