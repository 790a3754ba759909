"""Which authorities may vouch for a server: the file that was given, or the environment's."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path

from deckwatch_vision.errors import ServerUnavailable, UsageError

CA_VARIABLE = "DECKWATCH_CA_FILE"
SECURE = ("https://", "grpcs://")


def authorities(
    address: str, given: str | os.PathLike[str] | None
) -> str | os.PathLike[str] | None:
    """The file of authorities for a server at `address`; None are those that everybody trusts.

    `given` wins over the environment's DECKWATCH_CA_FILE. Raises UsageError where a file is given
    and the address has no TLS: whoever names it expects the server to be checked.
    """
    if address.startswith(SECURE):
        return given if given is not None else os.environ.get(CA_VARIABLE) or None
    if given is not None:
        raise UsageError(
            f"ca_file is given, but {address or 'recognition in this process'} has no TLS to "
            "check. Give an https:// or grpcs:// address, or leave ca_file out."
        )
    return None


def read_authorities(path: str | os.PathLike[str]) -> bytes:
    """Certificates in PEM. Raises UsageError when the file holds none."""
    reason = "it holds no certificate in PEM"
    try:
        content = Path(path).read_bytes()
        if content.strip():
            ssl.create_default_context(cadata=content.decode("ascii"))
            return content
    except (ssl.SSLError, UnicodeDecodeError):
        pass
    except OSError as error:
        reason = error.strerror or str(error)
    raise UsageError(
        f"the authorities in {os.fspath(path)!r} cannot be used ({reason}). Give ca_file or "
        f"{CA_VARIABLE} a file of certificates in PEM (-----BEGIN CERTIFICATE-----)."
    )


def trusting(path: str | os.PathLike[str]) -> ssl.SSLContext:
    """A context that trusts the authorities in the file at `path`, and no others."""
    return ssl.create_default_context(cadata=read_authorities(path).decode("ascii"))


def untrusted(url: str, told: str) -> ServerUnavailable:
    """The error where a server's certificate is not vouched for; `told` is OpenSSL's sentence."""
    found = re.search(r"CERTIFICATE_VERIFY_FAILED[\]:]\s*([^\n]*?)\s*(?:\(_ssl|\}|$)", told)
    reason = found[1].removeprefix("certificate verify failed: ") if found else ""
    return ServerUnavailable(
        f"{url} shows a certificate that is not trusted ({reason or 'it cannot be verified'}). "
        f"Give ca_file or {CA_VARIABLE} the authority that issued it, and use the host name that "
        "it was issued for."
    )
