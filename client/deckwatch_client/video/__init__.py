"""Videos: frames with their times, fish followed from frame to frame, and counts of them.

Importing this package costs nothing; OpenCV's decoder and the tracker come with its modules.
"""

from __future__ import annotations

import os
import re

# Containers that OpenCV's FFmpeg reads and that cameras, recorders and phones write.
SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"}
    | {".3gp", ".wmv", ".asf"}
)
STREAMS = ("rtsp://", "rtsps://")


def is_stream(source: str) -> bool:
    """Whether this is the URL of a live stream."""
    return source.lower().startswith(STREAMS)


def is_video(source: str) -> bool:
    """Whether this names a video by its suffix, or a live stream by its scheme; opens nothing."""
    return is_stream(source) or os.path.splitext(source)[1].lower() in SUFFIXES


def public_name(source: str) -> str:
    """What may be shown and kept of a video's name: a path as it is, a URL without its secrets.

    >>> public_name("rtsp://admin:secret@deck-2:554/cam?channel=1&pwd=secret")
    'rtsp://deck-2:554/cam?channel=1&pwd=...'
    """
    if not is_stream(source):
        return source
    # Up to the last @ before the path: passwords with an @ are common, and often not escaped.
    bare = re.sub(r"^(\w+://)[^/?#]*@", r"\1", source)
    return _SECRET.sub(r"\1...", bare)


_SECRET = re.compile(
    r"([?&;][^=&;]*(?:pass|pwd|psw|token|key|secret|auth|user|login|sign)[^=&;]*=)[^&;#]*", re.I
)
