"""`Client`: fish and species from a picture, wherever it is recognised."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from datetime import datetime
from typing import Any, Self

from deckwatch_client.backends import open_backend, server_address
from deckwatch_client.pictures import PER_PICTURE, naming, read_picture
from deckwatch_client.records import Origin
from deckwatch_client.retrying import Retrying
from deckwatch_client.served import Served
from deckwatch_vision.errors import DeckwatchError, UsageError
from deckwatch_vision.result import Result

Picture = bytes | str | os.PathLike[str]

# Pictures at once: enough to keep a server's steps busy while others are on their way. In process
# one picture is decoded while another is in the nets, which take every core by themselves.
IN_FLIGHT = 8
IN_FLIGHT_HERE = 2


class Client:
    """Recognises fish in pictures; safe to share between threads.

    Args:
        server: "grpc://host:8001" (Triton) or "http://host:8080" (the gateway); with TLS
            "grpcs://" and "https://"; several Tritons as "grpc://a:8001,b:8001" or
            "dns:///name:8001". None takes the environment's DECKWATCH_SERVER and, without it,
            recognises in this process; "" does so whatever the environment says.
        repository: the model repository for recognition in this process; None looks for it.
        timeout_s: longest wait for a server's answer to one attempt, in seconds.
        patience_s: how long a server that is overloaded, limits the rate or went away is asked
            again, in seconds from the first refusal (see `retrying`); 0 never. A call takes at
            most this and one `timeout_s`.
        api_key: the gateway's key; None takes the environment's DECKWATCH_API_KEY.
        ca_file: the authorities (PEM) that may vouch for a server with TLS; None takes the
            environment's DECKWATCH_CA_FILE and, without it, those that everybody trusts.
        shared_memory: pictures go to a Triton on this host through /dev/shm.

    Raises:
        UsageError: `server` is no such address, or another argument does not suit it.
        ReleaseNotFound, ReleaseCorrupt: in process, the models are missing or damaged.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        repository: str | os.PathLike[str] | None = None,
        timeout_s: float = 30.0,
        patience_s: float = 30.0,
        api_key: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        shared_memory: bool = False,
    ) -> None:
        self._address = server_address(server)
        backend = open_backend(
            self._address,
            repository=repository,
            timeout_s=timeout_s,
            api_key=api_key,
            ca_file=ca_file,
            shared_memory=shared_memory,
        )
        self._backend = Retrying(backend, patience_s=patience_s)

    def classify(
        self,
        image: Picture,
        *,
        file: str | None = None,
        timeout_s: float | None = None,
        camera: str | None = None,
        vessel: str | None = None,
        captured_at: datetime | str | None = None,
    ) -> Result:
        """Recognise the fish in one picture.

        Args:
            image: the path of a JPEG, PNG, WebP, BMP or TIFF file, or its content as bytes.
            file: the name to note in the result; a path stands for itself.
            timeout_s: longest wait for a server's answer; None is the client's own.
            camera: where the picture was taken, noted by a gateway that keeps pictures.
            vessel: the same.
            captured_at: the same, when: a datetime, or ISO 8601.

        Raises:
            ImageError: this picture cannot be read or recognised; the next one may well be.
            ServerError: the server is away, overloaded or too late.
            AccessError: the gateway does not let this client in, or not as often.
            UsageError: `captured_at` is no time.
        """
        call = call_options(self._address, timeout_s, origin_of(camera, vessel, captured_at))
        name = picture_name(image, file)
        with naming(name):
            data = image if isinstance(image, bytes) else read_picture(image)
            return self._backend.infer(data, file=name, **call)

    def classify_many(
        self,
        images: Iterable[Picture],
        *,
        in_flight: int | None = None,
        ordered: bool = True,
        timeout_s: float | None = None,
        camera: str | None = None,
        vessel: str | None = None,
        captured_at: datetime | str | None = None,
    ) -> Generator[tuple[Picture, Result | DeckwatchError], None, None]:
        """Recognise the fish in many pictures, several at a time; memory does not grow with them.

            for image, answer in client.classify_many(Path("trip").rglob("*.jpg")):
                print(image, answer.label if isinstance(answer, Result) else answer)

        `images` is read as pictures are needed. Closing the iterator, or leaving the loop and
        letting go of it, begins no further picture; those at the server (`in_flight` at most) are
        answered unheard.

        Args:
            images: paths or contents, see `classify`.
            in_flight: how many at a time; None is 8 for a server and 2 in this process.
            ordered: in the order given; False yields each as soon as it is answered.
            timeout_s: see `classify`; this and what follows holds for every picture.
            camera: see `classify`.
            vessel: see `classify`.
            captured_at: see `classify`.

        Yields:
            Each picture as given, and its result or why it has none: an `ImageError`, or a
            `DeadlineExceeded`, `ServerOverloaded` or `RateLimited` that outlasted the patience.

        Raises:
            ServerUnavailable, KeyRefused, ...: what would befall every further picture, too.
            UsageError: an argument is wrong.
        """
        from deckwatch_client.many import run

        origin_of(camera, vessel, captured_at)

        def one(image: Picture) -> Result | DeckwatchError:
            try:
                return self.classify(
                    image, timeout_s=timeout_s, camera=camera, vessel=vessel,
                    captured_at=captured_at,
                )  # fmt: skip
            except PER_PICTURE as error:
                return error

        return run(images, one, places(in_flight, self._address), ordered=ordered)

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


def origin_of(camera: str | None, vessel: str | None, captured_at: datetime | str | None) -> Origin:
    """Where and when a picture was taken. Raises UsageError for what is no time."""
    if isinstance(captured_at, str):
        try:
            datetime.fromisoformat(captured_at)
        except ValueError:
            raise UsageError(
                f"captured_at={captured_at!r} is no time. Give a datetime, or ISO 8601 such as "
                "2026-05-05T07:30:00Z."
            ) from None
    elif captured_at is not None:
        captured_at = captured_at.isoformat()
    return Origin(camera, vessel, captured_at)


def call_options(address: str, timeout_s: float | None, origin: Origin) -> dict[str, Any]:
    """What goes to a backend with one picture: only a server is timed, only a gateway told more.

    Raises UsageError for a time that is none.
    """
    if timeout_s is not None and not timeout_s > 0:
        raise UsageError(f"timeout_s={timeout_s!r} leaves no time. Give seconds above 0.")
    call: dict[str, Any] = {}
    if address and timeout_s is not None:
        call["timeout_s"] = timeout_s
    if address.startswith("http") and origin != Origin():
        call["origin"] = origin
    return call


def places(in_flight: int | None, address: str) -> int:
    """How many pictures at a time. Raises UsageError for less than one."""
    if in_flight is None:
        return IN_FLIGHT if address else IN_FLIGHT_HERE
    if in_flight < 1:
        raise UsageError(f"in_flight={in_flight!r} recognises nothing. Give 1 or more.")
    return in_flight
