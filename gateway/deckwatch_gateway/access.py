"""Who is let in: keys with scopes, and how often everybody may ask.

Checked before a request's body is read. `needs(scope)` guards a route; those without it are open.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from fastapi import Depends, Request

from deckwatch_gateway.admission_metrics import AdmissionMetrics, Limit
from deckwatch_gateway.keys import Key, KeyRing
from deckwatch_gateway.logs import log
from deckwatch_gateway.problems import ProblemError
from deckwatch_gateway.rate import Buckets, network
from deckwatch_gateway.settings import Settings
from deckwatch_vision.errors import KeyRefused, RateLimited, ScopeRefused

REALM = 'Bearer realm="deckwatch"'
USUAL_SCOPES = ("classify",)


class Access:
    """The door of a gateway.

    Raises UsageError when the keys in its settings are malformed.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: AdmissionMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Decided once: a file of keys that is emptied later locks everybody out, it does not
        # let everybody in.
        self._ring = (
            KeyRing(
                settings.api_keys.get_secret_value(),
                settings.api_keys_file,
                default_scopes=USUAL_SCOPES,
            )
            if settings.asks_for_keys
            else None
        )
        self._metrics = metrics

        def buckets(per_s: float, burst: float) -> Buckets | None:
            return Buckets(per_s, burst, clock=clock) if per_s else None

        self._per_key = buckets(settings.rate_per_key, settings.rate_burst)
        self._per_address = buckets(settings.rate_per_address, settings.rate_burst)
        self._attempts = buckets(settings.wrong_keys_a_minute / 60, settings.wrong_keys_a_minute)

    def admit(self, request: Request, scope: str) -> None:
        """Let a request in that may do what `scope` names.

        Raises ProblemError 401, 403 or 429.
        """
        if self._ring is not None:
            key = self._identify(request, self._ring)
            request.scope["deckwatch.key"] = key.name
            if scope not in key.scopes:
                raise ProblemError(
                    ScopeRefused.status,
                    ScopeRefused.code,
                    f"This key is not for {scope}. Ask the operator of the gateway for one that "
                    f"has the scope {scope}.",
                    {"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
                )
            self._count(self._per_key, key.name, "key")
        self._count(self._per_address, caller(request), "address")

    def check_attempts(self, request: Request) -> None:
        """Refuse an address that showed too many wrong keys lately, before looking at one more.

        Raises ProblemError 429.
        """
        if self._attempts is not None and (wait_s := self._attempts.wait_s(caller(request))):
            raise self._too_often(wait_s, "attempts", "Too many wrong keys came from this address.")

    def wrong_key(self, request: Request) -> None:
        """Note that a request showed a wrong key."""
        if self._attempts is not None:
            self._attempts.take(caller(request))

    def _identify(self, request: Request, ring: KeyRing) -> Key:
        self.check_attempts(request)
        presented = _presented(request)
        if presented is None:
            raise ProblemError(
                KeyRefused.status,
                KeyRefused.code,
                "This gateway asks for a key. Send it as `Authorization: Bearer KEY` or as "
                "`X-API-Key: KEY`.",
                {"WWW-Authenticate": REALM},
            )
        key = ring.find(presented)
        if key is None:
            self.wrong_key(request)
            raise ProblemError(
                KeyRefused.status,
                KeyRefused.code,
                "This key is unknown. Check that it is complete, or ask the operator of the "
                "gateway for a new one.",
                {"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
            )
        return key

    def _count(self, buckets: Buckets | None, who: str, by: Limit) -> None:
        if buckets is not None and (wait_s := buckets.take(who)):
            raise self._too_often(wait_s, by, f"Too many requests of one {by} in a short time.")

    def _too_often(self, wait_s: float, by: Limit, what: str) -> ProblemError:
        self._metrics.limited[by].inc()
        log.debug("limited", by=by)
        seconds = math.ceil(wait_s)
        return ProblemError(
            RateLimited.status,
            RateLimited.code,
            f"{what} Try again in {seconds} s, and send fewer at a time.",
            {"Retry-After": str(seconds)},
        )


def caller(request: Request) -> str:
    """Whom the limits for addresses count a request for."""
    return network(request.client.host) if request.client else ""


def needs(scope: str) -> Any:
    """A dependency for a route that asks for a key with `scope`."""

    async def check(request: Request) -> None:
        # `async`, or FastAPI would call it in a thread.
        access: Access = request.app.state.parts.access
        access.admit(request, scope)

    return Depends(check)


def _presented(request: Request) -> str | None:
    """The key in a request's headers, None without one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return request.headers.get("x-api-key", "").strip() or None
