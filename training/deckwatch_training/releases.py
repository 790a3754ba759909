"""Making releases: two runs in, a calibrated, checked, measured and described release out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deckwatch_serving import configs
from deckwatch_serving.adopt import write_release
from deckwatch_serving.repository import ENSEMBLE, live_version, versions
from deckwatch_training import config, export
from deckwatch_training.making import NETS, Making, Trained, label_set
from deckwatch_training.model_card import model_card
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import Release, sha256_file

__all__ = ["Trained", "label_set", "make", "make_from", "write"]


def make(
    path: Path,
    repository: Path,
    version: int | None = None,
    *,
    quantise: Sequence[str] = (),
    overwrite: bool = False,
) -> Release:
    """Export the runs that the configuration at `path` names into a model repository.

    version: None takes the configuration's, else the next free one. For the rest see `make_from`.
    """
    given = config.load_release(path)
    if version is None and "version" in given.model_fields_set:
        version = given.version
    return make_from(
        name=given.name,
        version=version,
        detector=(config.load(path.parent / given.detector), given.detector_run),
        classifier=(config.load(path.parent / given.classifier), given.classifier_run),
        repository=repository,
        card=given.card,
        labels=given.labels,
        max_fish=given.max_fish,
        parity_pictures=given.parity_pictures,
        quantise=quantise,
        overwrite=overwrite,
    )


def make_from(
    *,
    name: str,
    detector: Trained,
    classifier: Trained,
    repository: Path,
    card: str,
    version: int | None = None,
    labels: Sequence[dict[str, Any]] = (),
    max_fish: int = 48,
    parity_pictures: int = 50,
    quantise: Sequence[str] = (),
    overwrite: bool = False,
) -> Release:
    """Make a release from a trained detector and a trained classifier.

    Both nets are written as ONNX and proven equal to torch, every free number is chosen on the
    held-back pictures, the scorecard is measured on the valid set, and release.json, labels.txt and
    MODEL_CARD.md are written. The first release of an empty repository is live at once; others
    wait to be promoted.

    Args:
        name: of the release.
        detector: the configuration and the folder of the detector's run.
        classifier: likewise.
        repository: model repository to write into; made where it is missing.
        card: the model card's own words on use and limits.
        version: None takes the next free one.
        labels: descriptions of species that Deckwatch does not know.
        max_fish: boxes in one picture at most.
        parity_pictures: on so many ONNX is compared with torch.
        quantise: which of `making.NETS` the release uses in INT8, see `quantise`.
        overwrite: write a version that is there already anew; not while a server serves it.

    Raises:
        UsageError: the version is taken, a run is unfinished, the two runs do not fit together, or
            parity fails.
    """
    making = Making(
        name, _number(repository, version, overwrite), detector, classifier, repository, labels,
        max_fish, parity_pictures,
    )  # fmt: skip
    if unknown := [each for each in quantise if each not in NETS]:
        raise UsageError(f"No net {unknown[0]!r} to quantise; there are: {', '.join(NETS)}.")
    held_back = making.held_back()
    draft = making.draft()
    # Until the new release.json is written the version is not there, whatever happens before.
    (repository / ENSEMBLE / str(making.version) / "release.json").unlink(missing_ok=True)
    parity = making.write_nets(draft)
    release = making.measured(draft, held_back)
    if quantise:
        release = making.in_int8(quantise, draft, release, held_back)
    notes = export.as_json(release.scorecard | {"parity": parity})
    return write(replace(release, scorecard=notes), repository, card)


def _number(repository: Path, version: int | None, overwrite: bool) -> int:
    there = versions(repository)
    free = max(there, default=0) + 1
    if version in there and not overwrite:
        raise UsageError(
            f"{repository} has a version {version} already. Write the next free one with --version "
            f"{free}, or this one anew with --overwrite (not while a server serves it)."
        )
    return version or free


def write(release: Release, repository: Path, words: str) -> Release:
    """Write labels.txt, the steps' model.py, MODEL_CARD.md and release.json with every digest.

    Triton's configs are written, which makes the release live, where the repository has no other
    or this version was live before.
    """
    others = [version for version in versions(repository) if version != release.version]
    live = not others or live_version(repository) == release.version
    labels = "".join(code + "\n" for code in release.labels.codes)
    texts = [(configs.labels_file(release), labels), *configs.render_models(release)]
    configs.write_texts(repository, texts)
    files = {name: sha256_file(repository / name) for name in release.files}
    release = replace(release, files=files)
    card = model_card(release, words)
    configs.write_texts(repository, [(configs.model_card_file(release), card)])
    write_release(repository, release)
    if live:
        configs.write_configs(repository, release)
    return release
