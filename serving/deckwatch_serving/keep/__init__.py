"""Pictures worth labelling, kept from production with their answers.

    keeper = Keeper(open_store("kept", max_bytes=10**10), Policy())
    keeper.offer(data, result, Origin(vessel="Aurora"))   # returns at once, never raises

A store is a bounded folder or an S3 prefix; `open_source` reads either.
"""

from __future__ import annotations

from deckwatch_serving.keep.folder import FolderSource, FolderStore
from deckwatch_serving.keep.interest import Interest, Policy, judge
from deckwatch_serving.keep.keeper import Keeper
from deckwatch_serving.keep.record import Kept, Origin
from deckwatch_serving.keep.store import MAX_BYTES, MAX_PICTURES, Source, Store

__all__ = [
    "MAX_BYTES",
    "MAX_PICTURES",
    "FolderSource",
    "FolderStore",
    "Interest",
    "Keeper",
    "Kept",
    "Origin",
    "Policy",
    "Source",
    "Store",
    "judge",
    "open_source",
    "open_store",
]

S3 = "s3://"


def open_store(
    location: str, *, max_bytes: int = MAX_BYTES, max_pictures: int = MAX_PICTURES
) -> Store:
    """The store at `location`: a folder, bounded by the two limits, or `s3://bucket/prefix`.

    Raises:
        UsageError: the folder or the bucket cannot be used; the message says why.
        MissingExtra: boto3 is not installed.
    """
    if location.startswith(S3):
        from deckwatch_serving.keep.bucket import BucketStore

        return BucketStore(location)
    return FolderStore(location, max_bytes=max_bytes, max_pictures=max_pictures)


def open_source(location: str) -> Source:
    """What was kept at `location`, to be read; see `open_store`.

    Raises:
        UsageError: there is no such folder or bucket.
        MissingExtra: boto3 is not installed.
    """
    if location.startswith(S3):
        from deckwatch_serving.keep.bucket import BucketSource

        return BucketSource(location)
    return FolderSource(location)
