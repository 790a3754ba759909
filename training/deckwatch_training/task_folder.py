"""A folder of labelling tasks: pictures, and the files that Label Studio and CVAT import.

images/00001-<sha256>.jpg    the pictures, the most interesting first
label-studio.json, .xml      tasks to import, and the labelling config
cvat.xml, cvat-labels.json   annotations to upload, and the labels
predicted.json               the model's answers as a data set; `data import` reads vessels here
ranking.csv, ranking.html    what was picked and why
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from deckwatch_serving import picture_files
from deckwatch_serving.keep import FolderSource, Kept, Source
from deckwatch_serving.progress import track
from deckwatch_training import catalogue as catalogues
from deckwatch_training.catalogue import Catalogue
from deckwatch_training.importers.collected import NAME, PICTURES, PREDICTED
from deckwatch_training.tasks import cvat, label_studio
from deckwatch_training.tasks.task import Task, labels_of
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import decode, encode_jpeg

FORMATS = ("label-studio", "cvat")
RANKING = "ranking.csv"
# Browsers do not show TIFF, so these are asked for as JPEG; the kept original stays as it is.
_NOT_SHOWN = "tiff"


def check_free(folder: Path) -> None:
    """Before anything is fetched: whether tasks may be written there.

    Raises:
        UsageError: there are tasks already, or a file lies there.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file. Give a folder for the tasks with --out.")
    if (folder / PREDICTED).exists():
        raise UsageError(
            f"{folder} holds tasks already, and somebody may be labelling them. Give another --out."
        )


def fetch(
    source: Source, picked: Sequence[Kept], folder: Path, *, link: bool = False
) -> tuple[list[Task], list[str]]:
    """Copy (or link) the picked pictures into the folder; what is there already is not fetched.

    Returns:
        The tasks, and what could not be fetched and why.

    Raises:
        UsageError: pictures of a bucket are to be linked.
    """
    if link and not isinstance(source, FolderSource):
        raise UsageError("--link needs a folder of kept pictures. Leave it out for a bucket.")
    pictures = folder / PICTURES
    tasks: list[Task] = []
    problems: list[str] = []
    for kept in track(picked, "fetching pictures", len(picked)):
        name = f"{len(tasks) + 1:05d}-{Path(kept.picture).name}"
        if kept.format == _NOT_SHOWN:
            name = Path(name).with_suffix(".jpg").name
        target = pictures / name
        try:
            if not target.exists():
                _place(source, kept, target, link=link)
        except UsageError as error:
            problems.append(str(error))
            continue
        tasks.append(Task(len(tasks) + 1, name, kept))
    _sweep(pictures, {task.file for task in tasks})
    return tasks, problems


def write(
    tasks: Sequence[Task],
    folder: Path,
    *,
    formats: Collection[str] = FORMATS,
    labels: Sequence[str] = (),
    picture_url: str | None = None,
) -> None:
    """Write the files of the tasks; `predicted.json` last, because it says that they are whole.

    labels: codes beyond those of the release. picture_url: what Label Studio puts before the name
    of a picture; by default its local file serving, with the folder above `folder` as its root.
    """
    codes = labels_of(tasks, labels)
    if picture_url is None:
        picture_url = f"/data/local-files/?d={folder.resolve().name}/{PICTURES}/"
    if "label-studio" in formats:
        _write_json(folder / "label-studio.json", label_studio.tasks(tasks, picture_url))
        picture_files.write(folder / "label-studio.xml", label_studio.config(codes).encode())
    if "cvat" in formats:
        xml = cvat.annotations_xml(tasks, codes, folder.resolve().name)
        picture_files.write(folder / "cvat.xml", xml)
        _write_json(folder / "cvat-labels.json", cvat.labels_json(codes))
    picture_files.write(folder / RANKING, _ranking(tasks))
    releases = sorted({task.release for task in tasks})
    info = {
        "description": "answers of a model, not labels of people",
        "release": ", ".join(releases),
    }
    entries = tuple(task.entry for task in tasks)
    catalogues.write(Catalogue(folder / PICTURES, entries, info), folder / PREDICTED)


def _place(source: Source, kept: Kept, target: Path, *, link: bool) -> None:
    if kept.format == _NOT_SHOWN:
        picture_files.write(target, encode_jpeg(decode(source.read(kept)), 95))
    elif link and isinstance(source, FolderSource):
        source.read(kept)  # is it there, and what was kept?
        picture_files.link(source.folder / kept.picture, target)
    else:
        picture_files.write(target, source.read(kept))


def _sweep(pictures: Path, wanted: Collection[str]) -> None:
    """Remove what an interrupted run fetched and this one did not pick."""
    for path in pictures.glob("*"):
        if path.name not in wanted and NAME.fullmatch(path.name):
            path.unlink()


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1)
    picture_files.write(path, f"{text}\n".encode())


def _ranking(tasks: Sequence[Task]) -> bytes:
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(
        ("rank", "image", "interest", "why", "label", "likelihood", "fish", "vessel", "camera",
         "captured_at", "night", "release", "kept_at")
    )  # fmt: skip
    for task in tasks:
        kept, result = task.kept, task.kept.result
        writer.writerow(
            (task.rank, task.file, f"{kept.score:.4f}", task.why, result.label,
             f"{result.likelihoods[result.label]:.4f}", len(result.fish), kept.origin.vessel or "",
             kept.origin.camera or "", kept.origin.captured_at or "", "yes" if kept.night else "no",
             task.release, kept.kept_at)
        )  # fmt: skip
    return held.getvalue().encode()
