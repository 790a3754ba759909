"""One line of a run: what was recognised in one picture or video frame, or why nothing was.

A record is a `Result` with where it comes from: its JSON is the result's with a few keys more, so
that whatever reads results reads records as well.

    {"label": ..., "likelihoods": ..., "fish": [{..., "track": 3}], "image": ..., "release": ...,
     "camera": "deck-2", "captured_at": "2026-05-05T07:30:00Z",
     "moment": {"video": "trip/haul.mp4", "time_s": 12.48, "frame": 312}}
    {"image": {"file": "trip/torn.jpg"}, "failure": {"code": "broken-image", "message": "..."}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from deckwatch_vision.errors import DeckwatchError, ServerError
from deckwatch_vision.result import Fish, Result


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result: the error's `code` (never renamed) and its sentence."""

    code: str
    message: str

    @classmethod
    def of(cls, error: DeckwatchError) -> Failure:
        """The failure that an error stands for."""
        return cls(error.code, error.message)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when a picture was taken, as far as it is known.

    `captured_at` is ISO 8601 ("2026-05-05T07:30:00", with Z or an offset where it is known).
    """

    camera: str | None = None
    vessel: str | None = None
    captured_at: str | None = None

    @property
    def time(self) -> datetime | None:
        """`captured_at` as a time, with a zone where it has one; None where it is none."""
        try:
            return datetime.fromisoformat(self.captured_at) if self.captured_at else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of a video: the video's path or URL as given, seconds since its start, its number.

    `frame` counts decoded frames from 0.
    """

    video: str
    time_s: float
    frame: int


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one picture; exactly one of `result` and `failure` is there.

    name: unique in a run: the picture's path as given, or that of a frame (see `frame_name`).
    looks: the perceptual hash (16 hexadecimal digits) of a video's frame.
    tracks: for each fish of the result the number of the fish that was followed, or nothing at all.
    static: fish that were found but dropped, because they belong to the camera's background.
    unchanged: for each fish, then each static one, the share of its box that looks as the
        background does, 0 to 1; nothing at all without a background.
    """

    name: str
    result: Result | None = None
    failure: Failure | None = None
    origin: Origin = field(default_factory=Origin)
    moment: Moment | None = None
    looks: str | None = None
    tracks: tuple[int | None, ...] = ()
    static: tuple[Fish, ...] = ()
    unchanged: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The JSON object; keys without a value are left out."""
        if self.result is not None:
            line = self.result.as_dict()
            line["image"] = {"file": self.name} | line["image"] | {"file": self.name}
            for fish, track in zip(line["fish"], self.tracks, strict=False):
                if track is not None:
                    fish["track"] = track
        else:
            line = {"image": {"file": self.name}}
        if self.failure is not None:
            line["failure"] = asdict(self.failure)
        line |= {key: value for key, value in asdict(self.origin).items() if value is not None}
        if self.moment is not None:
            line["moment"] = asdict(self.moment)
        if self.looks is not None:
            line["looks"] = self.looks
        return line | background_json(self.static, self.unchanged)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Record:
        """Read what `as_dict` wrote, or a plain result that names its file.

        Raises:
            ServerError: it is neither; the message names what is wrong with it.
        """
        try:
            name = str(given["image"]["file"])
            failed = given.get("failure")
            moment = given.get("moment")
            fish = given.get("fish", ())
            tracks = tuple(one.get("track") for one in fish)
            return cls(
                name=name,
                result=None if failed else Result.from_dict(given),
                failure=Failure(str(failed["code"]), str(failed["message"])) if failed else None,
                origin=Origin(*(given.get(key) for key in ("camera", "vessel", "captured_at"))),
                moment=Moment(str(moment["video"]), float(moment["time_s"]), int(moment["frame"]))
                if moment
                else None,
                looks=given.get("looks"),
                tracks=tracks if any(track is not None for track in tracks) else (),
                static=tuple(Fish.from_dict(one) for one in given.get("static", ())),
                unchanged=tuple(float(share) for share in given.get("unchanged", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServerError(
                f"this is not a record of a run ({type(error).__name__}: {error}). "
                "Give a results.jsonl that `deckwatch batch` wrote, or lines of `classify --json`"
            ) from None


def background_json(static: Sequence[Fish], unchanged: Sequence[float]) -> dict[str, Any]:
    """The keys `static` and `unchanged` of a record's JSON, without those that are empty."""
    more: dict[str, Any] = {"static": [one.as_dict() for one in static]} if static else {}
    return more | ({"unchanged": list(unchanged)} if unchanged else {})


def frame_name(video: str, time_s: float) -> str:
    """A frame's name in a run: the video's path and the time, so that names sort by time.

    >>> frame_name("trip/haul.mp4", 75.5)
    'trip/haul.mp4#t=000075.500'
    """
    return f"{video}#t={time_s:010.3f}"
