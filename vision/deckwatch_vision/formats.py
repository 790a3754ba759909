"""Which format a file has, by its first bytes; never by its name."""

from __future__ import annotations

from dataclasses import dataclass

from deckwatch_vision.errors import BrokenImage, EmptyImage, UnsupportedFormat

ALLOWED = "JPEG, PNG, WebP, BMP or TIFF"


@dataclass(frozen=True, slots=True)
class Format:
    """An allowed format: what people call it, its media type, and how its files begin.

    A signature is hexadecimal; `..` stands for any byte.
    """

    title: str
    media_type: str
    signatures: tuple[str, ...]


FORMATS = {
    "jpeg": Format("JPEG", "image/jpeg", ("ffd8ff",)),
    "png": Format("PNG", "image/png", ("89504e470d0a1a0a",)),
    "webp": Format("WebP", "image/webp", ("52494646........57454250",)),
    "bmp": Format("BMP", "image/bmp", ("424d",)),
    # The last two are BigTIFF.
    "tiff": Format("TIFF", "image/tiff", ("49492a00", "4d4d002a", "49492b00", "4d4d002b")),
}
"""The allowed formats by the names that `sniff` gives them."""

# WebP's has a length inside, and is looked for on its own.
_SIGNATURES = tuple(
    (bytes.fromhex(signature), name)
    for name, allowed in FORMATS.items()
    for signature in allowed.signatures
    if "." not in signature
)

# Only for the message: what people send by mistake.
_OTHERS = (
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\x01\0", "an icon"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"data:image/", "a data URL: send the decoded bytes"),
    (b"/9j/", "base64 text of a JPEG: send the decoded bytes"),
    (b"iVBORw0KGgo", "base64 text of a PNG: send the decoded bytes"),
)

_BRANDS = {
    b"heic": "a HEIC picture",
    b"heix": "a HEIC picture",
    b"mif1": "a HEIF picture",
    b"msf1": "a HEIF picture",
    b"avif": "an AVIF picture",
    b"avis": "an AVIF picture",
}


def sniff(data: memoryview) -> str:
    """The format of an encoded picture: jpeg, png, webp, bmp or tiff.

    Raises:
        EmptyImage: there are no bytes.
        BrokenImage: it ends within the signature.
        UnsupportedFormat: it is something else; the message says what it looks like.
    """
    if not len(data):
        raise EmptyImage(f"the picture is empty (0 bytes). Give the content of a {ALLOWED} file")
    head = bytes(data[:512])
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if len(head) < 12 and (
        any(signature.startswith(head) for signature, _ in _SIGNATURES) or head[:4] in b"RIFF"
    ):
        raise BrokenImage(f"truncated: only {len(head)} bytes of a picture. Copy the file again")
    raise UnsupportedFormat(
        f"this is no allowed picture, it looks like {_guess(head)}. Convert it to {ALLOWED}"
    )


def _guess(head: bytes) -> str:
    for signature, name in _OTHERS:
        if head.startswith(signature):
            return name
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "an MP4 or QuickTime video")
    if head[:4] == b"RIFF":
        return "an AVI video or another RIFF file"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if text.startswith((b"{", b"[")):
        return "JSON text"
    if _is_text(head):
        return "text"
    return f"unknown data beginning with {head[:4].hex(' ')}"


def _is_text(head: bytes) -> bool:
    try:
        # The cut at 512 bytes may split the last character.
        shown = head.decode("utf-8", errors="strict" if len(head) < 512 else "ignore")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\t\r\n\f" for letter in shown)
