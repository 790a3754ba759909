"""Every setting of the gateway: from the environment (DECKWATCH_ and the name) or a file.

One class, `Settings`; its groups are the modules beside this one. `read_settings()` refuses what
would be unsafe or cannot work and names what to change; `sources` tells how the file looks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from deckwatch_gateway.loopback import is_loopback
from deckwatch_gateway.settings.access import AccessSettings
from deckwatch_gateway.settings.camio import CamioSettings
from deckwatch_gateway.settings.keeping import KeepingSettings
from deckwatch_gateway.settings.kinds import PREFIX
from deckwatch_gateway.settings.listening import ListeningSettings
from deckwatch_gateway.settings.listing import HIDDEN, is_secret, shown
from deckwatch_gateway.settings.recognising import RecognisingSettings
from deckwatch_gateway.settings.sources import (
    FileSource,
    StandardSource,
    chosen_file,
    origin,
    settings_file,
)
from deckwatch_gateway.settings.watching import WatchingSettings
from deckwatch_vision.errors import UsageError

__all__ = ["PREFIX", "Settings", "read_settings"]


# The bases stand in reverse: pydantic gathers the fields of the last one first.
class Settings(
    WatchingSettings,
    KeepingSettings,
    CamioSettings,
    AccessSettings,
    RecognisingSettings,
    ListeningSettings,
):
    """The gateway's settings; frozen, so that a running gateway cannot drift from its start."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, which wins over the file."""
        return (
            init_settings, env_settings, StandardSource(settings_cls), FileSource(settings_cls),
        )  # fmt: skip

    @model_validator(mode="after")
    def _stay_on_loopback(self) -> Self:
        if not self.allow_public and not self.asks_for_keys and not is_loopback(self.host):
            raise ValueError(
                f"{PREFIX}HOST={self.host!r} listens beyond this machine, where anyone could use "
                "it without a key. Keep 127.0.0.1; or set DECKWATCH_API_KEYS_FILE or "
                "DECKWATCH_API_KEYS (`deckwatch gateway key NAME` makes a key); or set "
                "DECKWATCH_ALLOW_PUBLIC=true where a proxy or network policy in front decides who "
                "may call."
            )
        return self

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError(
                f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY belong together: the certificate chain and "
                "its private key. Set both, or none to serve plain HTTP."
            )
        return self

    @model_validator(mode="after")
    def _hold_one_body(self) -> Self:
        camio = self.camio_keys.get_secret_value() or self.camio_keys_file
        for name in ("max_body_bytes", *(["camio_max_body_bytes"] if camio else ())):
            if self.max_held_bytes < getattr(self, name):
                raise ValueError(
                    f"{PREFIX}MAX_HELD_BYTES={self.max_held_bytes} is less than "
                    f"{PREFIX}{name.upper()}={getattr(self, name)}, so the largest body allowed "
                    "could never be taken. Raise the first or lower the second."
                )
        return self

    @model_validator(mode="after")
    def _try_out_alone(self) -> Self:
        if self.camio_allow_loopback and not is_loopback(self.host):
            raise ValueError(
                f"{PREFIX}CAMIO_ALLOW_LOOPBACK=true would let callers beyond this machine "
                f"({PREFIX}HOST={self.host!r}) have requests sent to its own services. It is for "
                f"trying out: unset it, or keep {PREFIX}HOST=127.0.0.1."
            )
        return self

    @model_validator(mode="after")
    def _retry_in_order(self) -> Self:
        if self.camio_retry_first_s > self.camio_retry_longest_s:
            raise ValueError(
                f"{PREFIX}CAMIO_RETRY_FIRST_S={self.camio_retry_first_s:g} is more than "
                f"{PREFIX}CAMIO_RETRY_LONGEST_S={self.camio_retry_longest_s:g}. Lower the first "
                "or raise the second."
            )
        return self


def read_settings(file: Path | None = None) -> Settings:
    """The settings from the environment and from `file`, by default the one it names.

    Raises UsageError naming every setting that is wrong and what it should be.
    """
    with settings_file(file):
        try:
            return Settings()
        except ValidationError as error:
            raise UsageError(shown("; ".join(map(_explain, error.errors())))) from None
        except SettingsError as error:  # a variable that should hold JSON and does not
            raise UsageError(f"{error}.") from None


def _explain(found: object) -> str:
    """One validation error in a sentence; our own messages already name their variable."""
    details: dict[str, object] = dict(found)  # type: ignore[call-overload]
    message = str(details["msg"]).removeprefix("Value error, ").rstrip(".")
    place = details["loc"]
    if not place:
        return f"{message}."
    name = str(place[0])  # type: ignore[index]
    given = HIDDEN if is_secret(Settings.model_fields[name]) else repr(details["input"])
    if str(details["input"]).startswith("tcp://"):
        message += (
            ". Kubernetes sets this variable for a Service named deckwatch: "
            "give the pod enableServiceLinks: false, or name the Service otherwise"
        )
    if origin(name) == "file":
        return f"{name} = {given} in {chosen_file()}: {message}."
    return f"{PREFIX}{name.upper()}={given}: {message}."
