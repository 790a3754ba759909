"""An S3 server on loopback for the tests of buckets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import httpx2
import pytest
from moto.server import ThreadedMotoServer


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch, *buckets: str) -> Iterator[None]:
    """A server with these empty buckets, to which the environment points."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        # Servers of one process share what they hold.
        assert httpx2.post(f"{url}/moto-api/reset", trust_env=False).status_code == 200
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for bucket in buckets:
            boto3.client("s3").create_bucket(Bucket=bucket)
        yield
    finally:
        server.stop()
