"""`Client`: fish and species from a picture, wherever it is recognised."""

from __future__ import annotations

import os
from typing import Self

from deckwatch_client.backends import open_backend, server_address
from deckwatch_client.pictures import naming, read_picture
from deckwatch_client.served import Served
from deckwatch_vision.result import Result

Picture = bytes | str | os.PathLike[str]


class Client:
    """Recognises fish in pictures; safe to share between threads.

    Args:
        server: "grpc://host:8001" (Triton) or "http://host:8080" (the gateway). None takes the
            environment's DECKWATCH_SERVER and, without it, recognises in this process. A gateway
            that asks for a key gets the one in DECKWATCH_API_KEY.
        repository: the model repository for recognition in this process; None looks for it.
        timeout_s: longest wait for a server's answer, in seconds.

    Raises:
        UsageError: `server` is no such address.
        ReleaseNotFound, ReleaseCorrupt: in process, the models are missing or damaged.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        repository: str | os.PathLike[str] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._backend = open_backend(
            server_address(server), repository=repository, timeout_s=timeout_s
        )

    def classify(self, image: Picture, *, file: str | None = None) -> Result:
        """Recognise the fish in one picture.

        Args:
            image: the path of a JPEG, PNG, WebP, BMP or TIFF file, or its content as bytes.
            file: the name to note in the result; a path stands for itself.

        Raises:
            ImageError: this picture cannot be read or recognised; the next one may well be.
            ServerError: the server is away, overloaded or too late.
        """
        name = picture_name(image, file)
        with naming(name):
            data = image if isinstance(image, bytes) else read_picture(image)
            return self._backend.infer(data, file=name)

    def served(self) -> Served:
        """The release that answers now: its name and version, classes, species and model card.

        Raises:
            ServerError: the server is away, overloaded or too late.
        """
        return self._backend.served()

    def close(self) -> None:
        """Close connections; the client is of no further use."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def picture_name(image: Picture, file: str | None) -> str | None:
    """The name to note in a result and in an error: `file`, or the path as given."""
    if file is None and not isinstance(image, bytes):
        return os.fsdecode(image)
    return file
