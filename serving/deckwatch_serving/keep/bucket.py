"""An S3 prefix of kept pictures: `s3://bucket/prefix`, any service that speaks S3.

Credentials, region and endpoint are those of the environment (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, or a role). How much is kept there is bounded
by the bucket's lifecycle rules, not by us. Near duplicates and what was seldom seen are known
within one process only: a bucket has no index that several could share.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deckwatch_serving.keep.index import MAX_CELLS
from deckwatch_serving.keep.likes import Like, camera_of
from deckwatch_serving.keep.record import Kept
from deckwatch_serving.keep.store import Stored, Tell, parsed
from deckwatch_vision.errors import MissingExtra, UsageError

# Of how many pictures the looks are remembered.
REMEMBERED = 20_000
_BUCKET = re.compile(r"s3://([^/]+)/?(.*)")


class _Bucket:
    """A bucket and a prefix in it."""

    def __init__(self, url: str) -> None:
        found = _BUCKET.fullmatch(url)
        if not found:
            raise UsageError(f"{url!r} names no bucket. Give s3://bucket/prefix.")
        self.url, self.name = url, found[1]
        self.prefix = found[2].strip("/") + "/" if found[2].strip("/") else ""
        with self._explained("use"):
            self.client = _client()

    def put(self, key: str, data: bytes, kind: str) -> None:
        with self._explained("write to"):
            self.client.put_object(
                Bucket=self.name, Key=self.prefix + key, Body=data, ContentType=kind
            )

    def get(self, key: str) -> bytes:
        with self._explained(f"read {key} of"):
            answer = self.client.get_object(Bucket=self.name, Key=self.prefix + key)
            return bytes(answer["Body"].read())

    def names(self) -> Iterator[str]:
        """Names below the prefix, in order."""
        with self._explained("list"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=self.prefix
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    yield each["Key"].removeprefix(self.prefix)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError, ValueError) as error:
            raise UsageError(
                f"Cannot {doing} {self.url}: {error}. Check the bucket's name and the "
                "environment's AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, for a "
                "service other than Amazon's, AWS_ENDPOINT_URL."
            ) from None


class BucketStore:
    """Keeps pictures below an S3 prefix.

    It is first reached when a picture is kept: a service must start while its bucket is away.

    Raises:
        UsageError: the URL or the environment's settings cannot be used.
        MissingExtra: boto3 is not installed.
    """

    def __init__(self, url: str) -> None:
        _need_boto3()
        self._bucket = _Bucket(url)
        self._seen: Counter[str] = Counter()
        # How the latest pictures look, with their camera and answer, in the order they came.
        self._likes: OrderedDict[str, tuple[tuple[str, str], tuple[int, str]]] = OrderedDict()

    def notice(self, cells: Sequence[str]) -> dict[str, int]:
        """See `Store.notice`."""
        before = {cell: self._seen[cell] for cell in cells}
        self._seen.update(cells)
        if len(self._seen) > MAX_CELLS:
            self._seen = Counter(dict(self._seen.most_common(MAX_CELLS // 2)))
        return before

    def keep(self, kept: Kept, data: bytes) -> Stored:
        """See `Store.keep`; nothing is ever outranked in a bucket."""
        where = (camera_of(kept), kept.answer)
        like = Like.of(kept)
        likes = [each for place, each in self._likes.values() if place == where]
        if kept.sha256 in self._likes or like.near_any(likes):
            return "duplicate"
        self._bucket.put(kept.picture, data, f"image/{kept.format}")
        self._bucket.put(kept.record, kept.to_json(), "application/json")
        self._likes[kept.sha256] = (where, (like.likeness, like.packed))
        if len(self._likes) > REMEMBERED:
            self._likes.popitem(last=False)
        return "kept"

    def close(self) -> None:
        """Close the connections."""
        self._bucket.client.close()


class BucketSource:
    """Reads what was kept below an S3 prefix.

    Raises:
        UsageError: there is no such bucket, or it may not be read.
        MissingExtra: boto3 is not installed.
    """

    def __init__(self, url: str) -> None:
        _need_boto3()
        self._bucket = _Bucket(url)

    def records(self, tell: Tell | None = None) -> Iterator[Kept]:
        """See `Source.records`."""
        for key in self._bucket.names():
            if key.endswith(".json"):
                where = f"{self._bucket.url.rstrip('/')}/{key}"
                yield from parsed(self._bucket.get(key), where, tell)

    def read(self, kept: Kept) -> bytes:
        """See `Source.read`."""
        data = self._bucket.get(kept.picture)
        if hashlib.sha256(data).hexdigest() != kept.sha256:
            raise UsageError(
                f"{kept.picture} in {self._bucket.url} was changed. Delete it and its record."
            )
        return data


def _need_boto3() -> None:
    try:
        import boto3  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra(
            "Keeping pictures in S3 needs boto3, which is not installed. Install it with: "
            "pip install 'deckwatch[s3]'"
        ) from None


def _client() -> Any:
    import boto3
    from botocore.config import Config

    # A store that does not answer must not hold the keeper up for minutes: it has a queue to work
    # through, and what does not fit is dropped.
    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})
    return boto3.client("s3", config=config)
