"""HTTPS from two files, read again when they change; connections that stand are not touched."""

from __future__ import annotations

import ssl
from pathlib import Path

from deckwatch_gateway.logs import log
from deckwatch_gateway.watched import Watched
from deckwatch_vision.errors import UsageError


class Certificate:
    """A certificate chain and its private key, both PEM; `context` serves them, TLS 1.2 and later.

    Raises UsageError when they cannot be read or do not belong together.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self._watched = Watched(cert, key)
        self._watched.changed()
        self._fault = ""
        self.context = _load(cert, key)

    def refresh(self) -> None:
        """Serve the files' new content, if there is any; call it often.

        What cannot be served is reported, once, and the certificate before it stays: between
        the writing of the one file and of the other they do not match for a moment.
        """
        if not self._watched.changed():
            return
        try:
            # First into a context that nobody uses: a pair that does not match would spoil it.
            _load(self._cert, self._key)
            self.context.load_cert_chain(self._cert, self._key, password="")
        except (UsageError, OSError) as error:
            if str(error) != self._fault:
                self._fault = str(error)
                log.error("certificate not read again; the one before stays", reason=self._fault)
            return
        self._fault = ""
        log.info("certificate read again")


def _load(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path, variable in ((cert, "DECKWATCH_TLS_CERT"), (key, "DECKWATCH_TLS_KEY")):
        try:
            path.open("rb").close()
        except OSError as error:
            raise UsageError(f"{variable}={path}: it cannot be read ({error.strerror}).") from None
    try:
        # With a password given, a key that needs one is an error instead of a question.
        context.load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise UsageError(
            f"DECKWATCH_TLS_CERT={cert} and DECKWATCH_TLS_KEY={key} cannot be served "
            f"({_reason(error)}). Give a certificate chain, the server's own first, and the "
            "private key that belongs to it, both PEM, the key without a password."
        ) from None
    return context


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    return str(reason).replace("_", " ").lower()
