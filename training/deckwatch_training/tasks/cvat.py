"""Tasks for CVAT: annotations as "CVAT for images 1.1" XML, and labels for its raw constructor.

Format: https://docs.cvat.ai/docs/dataset_management/formats/xml_format/. Boxes are corners in
pixels of the upright picture.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

from deckwatch_training.tasks.colours import colours
from deckwatch_training.tasks.task import Task

VERSION = "1.1"
# What the model thought of each box; it must be among the labels' attributes, or CVAT drops it.
ATTRIBUTES = ("likelihood", "score")


def annotations_xml(given: Sequence[Task], labels: Sequence[str], name: str) -> bytes:
    """The XML to upload as annotations of a task that has the pictures; `name` is the task's."""
    root = ET.Element("annotations")
    _text(root, "version", VERSION)
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    _text(task, "name", name)
    _text(task, "size", str(len(given)))
    _text(task, "mode", "annotation")
    section = ET.SubElement(task, "labels")
    for label, colour in colours(labels).items():
        row = ET.SubElement(section, "label")
        _text(row, "name", label)
        _text(row, "color", colour)
        _text(row, "type", "rectangle")
        attributes = ET.SubElement(row, "attributes")
        for attribute in ATTRIBUTES:
            cell = ET.SubElement(attributes, "attribute")
            for key, value in _attribute(attribute).items():
                _text(cell, key, str(value) if key != "values" else "")
    # CVAT numbers the frames of a task by the names of its pictures.
    for number, each in enumerate(sorted(given, key=lambda task: task.file)):
        _picture(root, number, each)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def labels_json(labels: Sequence[str]) -> list[dict[str, Any]]:
    """What to paste into the raw constructor of labels."""
    return [
        {
            "name": label,
            "color": colour,
            "type": "rectangle",
            "attributes": [_attribute(each) | {"values": [""]} for each in ATTRIBUTES],
        }
        for label, colour in colours(labels).items()
    ]


def _attribute(name: str) -> dict[str, Any]:
    return {
        "name": name, "mutable": False, "input_type": "text", "default_value": "", "values": [],
    }  # fmt: skip


def _picture(root: ET.Element, number: int, task: Task) -> None:
    entry = task.entry
    image = ET.SubElement(
        root, "image",
        id=str(number), name=task.file, width=str(entry.width), height=str(entry.height),
    )  # fmt: skip
    for fish in task.kept.result.fish:
        x1, y1, x2, y2 = (f"{edge:.2f}" for edge in fish.box)
        box = ET.SubElement(
            image, "box",
            label=fish.label, source="auto", occluded="0", xtl=x1, ytl=y1, xbr=x2, ybr=y2,
            z_order="0",
        )  # fmt: skip
        values = (fish.likelihoods[fish.label], fish.score)
        for name, value in zip(ATTRIBUTES, values, strict=True):
            ET.SubElement(box, "attribute", name=name).text = f"{value:.3f}"


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text
