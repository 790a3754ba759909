"""An S3 prefix as the place for kept pictures, against a server on loopback."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import boto3
import pytest

from deckwatch_serving.keep import Keeper, Origin, Policy, open_source, open_store
from deckwatch_vision.errors import MissingExtra, UsageError
from tests.s3 import s3_server
from tests.serving.keeping import kept, picture, shark, sure


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 server with an empty bucket `catch`."""
    with s3_server(monkeypatch, "catch"):
        yield


@pytest.mark.parametrize("prefix", ["", "/", "/north/2026/"])
def test_kept_and_read_back(s3: None, prefix: str) -> None:
    record, data = kept(1, origin=Origin("Aurora"))
    store = open_store(f"s3://catch{prefix}")
    assert store.keep(record, data) == "kept"
    assert store.keep(record, data) == "duplicate"
    assert store.notice(["vessel:a"]) == {"vessel:a": 0}
    assert store.notice(["vessel:a"]) == {"vessel:a": 1}
    store.close()
    source = open_source(f"s3://catch{prefix}")
    assert list(source.records()) == [record]
    assert source.read(record) == data
    listed = boto3.client("s3").list_objects_v2(Bucket="catch")["Contents"]
    start = prefix.strip("/") + "/" if prefix.strip("/") else ""
    assert {each["Key"] for each in listed} == {start + record.picture, start + record.record}


def test_a_changed_object_is_noticed(s3: None) -> None:
    record, data = kept(1)
    store = open_store("s3://catch/x")
    store.keep(record, data)
    store.close()
    boto3.client("s3").put_object(Bucket="catch", Key=f"x/{record.picture}", Body=b"other")
    with pytest.raises(UsageError, match="was changed"):
        open_source("s3://catch/x").read(record)


def test_the_keeper_goes_on_when_the_bucket_comes_back(s3: None) -> None:
    errors: list[Exception | None] = []
    outcomes: list[str] = []
    keeper = Keeper(
        open_store("s3://later/kept"), Policy(),
        count=lambda outcome, reasons: outcomes.append(outcome), tell=errors.append,
    )  # fmt: skip
    for seed in range(2):
        keeper.offer(picture(seed), shark(picture(seed)))
    while len(outcomes) < 2:
        pass
    boto3.client("s3").create_bucket(Bucket="later")
    keeper.offer(picture(2), shark(picture(2)))
    keeper.offer(picture(3), sure(picture(3)))
    keeper.close(60)
    assert outcomes == ["failed", "failed", "kept", "dull"]
    assert [type(each) for each in errors] == [UsageError, type(None)]
    assert "s3://later/kept" in str(errors[0])
    assert "AWS_ENDPOINT_URL" in str(errors[0])


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix"])
def test_a_url_without_a_bucket_is_refused(url: str) -> None:
    for opened in (open_store, open_source):
        with pytest.raises(UsageError, match="Give s3://bucket/prefix"):
            opened(url)


def test_a_bucket_that_is_not_there_is_named(s3: None) -> None:
    with pytest.raises(UsageError, match=r"s3://nowhere/x.*AWS_ACCESS_KEY_ID"):
        list(open_source("s3://nowhere/x").records())


def test_without_boto3_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r"pip install 'deckwatch\[s3\]'"):
        open_store("s3://catch/kept")
