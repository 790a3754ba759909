"""Which pictures are of one camera, told from the background where nobody noted it.

Two pictures of a fixed camera agree where nothing moves, by day and by night: their layouts (see
`looks.layout_of`) are compared cell by cell, and only the cells that agree best count, so that crew
and fish in the others do not matter. Pictures are then clustered by average linkage. The clusters
are a proposal: they go into a CSV that people correct.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deckwatch_serving.pages import Page
from deckwatch_serving.progress import track
from deckwatch_training.catalogue import Catalogue
from deckwatch_training.looks import BINS, CELLS, Look
from deckwatch_training.thumbnails import thumbnail
from deckwatch_vision.errors import ImageError

# The share of the cells that counts, and how far apart they may be on average. Chosen on simulated
# vessels for the fewest that a split by guessed cameras leaves on both sides: farther, cameras
# become one; nearer, the night of a camera becomes another.
STILL, APART = 0.4, 0.08
# Pictures that are clustered at once: distances grow with the square, 16 MB for these.
AT_ONCE = 2000
# Pictures of a cluster that others are compared with, and most clusters and pictures on the page.
_EXAMPLES, _SHOWN, _EACH = 12, 80, 6

Layouts = NDArray[np.float32]


def find(
    looks: Sequence[Look | ImageError], which: Sequence[int], apart: float = APART
) -> dict[int, str]:
    """Camera names of those of the pictures `which` that look like at least one other.

    Pictures of different size are of different cameras. Names count up from the largest cluster.
    More than `AT_ONCE` pictures are clustered in turns: what is like a cluster found before joins
    it, so memory stays bounded.
    """
    by_size: dict[tuple[int, int], list[int]] = {}
    for i in which:
        look = looks[i]
        if isinstance(look, Look) and not look.flat:
            by_size.setdefault((look.width, look.height), []).append(i)
    clusters: list[list[int]] = []
    for members in by_size.values():
        layouts = np.stack([_layout(looks[i]) for i in members])
        found = _clusters(layouts, apart)
        clusters += [[members[k] for k in cluster] for cluster in found]
    clusters.sort(key=lambda cluster: (-len(cluster), cluster[0]))
    several = [cluster for cluster in clusters if len(cluster) > 1]
    digits = max(2, len(str(len(several))))
    return {i: f"camera-{n:0{digits}}" for n, each in enumerate(several, start=1) for i in each}


def _layout(look: Look | ImageError) -> Layouts:
    if isinstance(look, ImageError):
        raise TypeError(look)
    cells = np.frombuffer(look.layout, np.uint8).reshape(CELLS * CELLS, BINS)
    return np.asarray(cells.astype(np.float32) / 255)


def _clusters(layouts: Layouts, apart: float) -> list[list[int]]:
    """Positions that belong together, of pictures of one size."""
    left = np.arange(len(layouts))
    clusters: list[list[int]] = []
    while len(left):
        # Spread over the whole, so that every camera is likely to be among them.
        step = max(1, -(-len(left) // AT_ONCE))
        chosen = left[::step]
        labels = np.array(_linked(layouts[chosen], apart))
        clusters += [[int(i) for i in chosen[labels == number]] for number in np.unique(labels)]
        rest = np.setdiff1d(left, chosen)
        joined = _join(layouts, rest, clusters, apart)
        left = rest[~joined]
    return clusters


def _linked(layouts: Layouts, apart: float) -> list[int]:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(layouts) < 2:
        return [0] * len(layouts)
    rows = track(range(len(layouts)), "comparing backgrounds", len(layouts))
    distances = np.stack([distance(layouts[i], layouts) for i in rows])
    tree = linkage(squareform(distances, checks=False), "average")
    return [int(n) - 1 for n in fcluster(tree, apart, "distance")]


def _join(
    layouts: Layouts, rest: NDArray[np.intp], clusters: list[list[int]], apart: float
) -> NDArray[np.bool_]:
    """Put each of `rest` into the cluster that it is like; whether there was one, for each."""
    nearest = np.full(len(rest), np.inf, np.float32)
    best = np.full(len(rest), -1)
    for number, cluster in enumerate(clusters) if len(rest) else ():
        examples = cluster[:: max(1, -(-len(cluster) // _EXAMPLES))]
        away = np.mean([distance(layouts[i], layouts[rest]) for i in examples], axis=0)
        closer = away < nearest
        nearest[closer], best[closer] = away[closer], number
    joined = nearest <= apart
    for i, number in zip(rest[joined], best[joined], strict=True):
        clusters[number].append(int(i))
    return np.asarray(joined)


def distance(one: Layouts, others: Layouts) -> NDArray[np.float32]:
    """How far a background [cells, bins] is from others [N, cells, bins]: 0 is the same."""
    apart = ((others - one) ** 2).sum(axis=2)
    still = max(1, round(STILL * apart.shape[1]))
    return np.asarray(np.partition(apart, still - 1, axis=1)[:, :still].mean(axis=1), np.float32)


def write_csv(path: Path, data: Catalogue, cameras: Mapping[int, str]) -> None:
    """Write `image,camera` for people to correct; pictures that are like no other have none."""
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", "camera"))
        for i, entry in enumerate(data.entries):
            if not entry.vessel and (not entry.camera or i in cameras):
                writer.writerow((entry.file, cameras.get(i, "")))
    part.replace(path)


def write_page(path: Path, data: Catalogue, cameras: Mapping[int, str], csv_name: str) -> None:
    """Write a page that shows some pictures of every camera that was found."""
    sizes = Counter(cameras.values())
    page = Page(
        "Cameras", f"{len(sizes)} cameras found by their background, {len(cameras)} pictures"
    )
    page.text(
        f"These are guesses. Correct the column camera of {csv_name} where pictures of two cameras "
        "are together, or one camera has two names, and split again with --cameras. Pictures that "
        "are like no other have no camera and are not shown."
    )
    for name, size in list(sizes.items())[:_SHOWN]:
        page.heading(f"{name}: {size} pictures")
        page.pictures(list(_examples(data, [i for i, each in cameras.items() if each == name])))
    if len(sizes) > _SHOWN:
        page.text(f"{len(sizes) - _SHOWN} smaller ones are only in {csv_name}.")
    page.write(path)


def _examples(data: Catalogue, members: Sequence[int]) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """A few pictures from first to last, so that a cluster of two cameras shows both."""
    step = max(1, -(-len(members) // _EACH))
    for i in members[::step]:
        pixels = thumbnail(data.path(data.entries[i]), side=220)
        if pixels is not None:
            yield pixels, data.entries[i].file
