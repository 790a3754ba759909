"""The settings of the exchange with Camio: what cannot work is refused with the cure."""

from __future__ import annotations

import pytest

from deckwatch_gateway.settings import read_settings
from deckwatch_vision.errors import UsageError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"CAMIO_CALLBACK_HOSTS": "https://camio.com/labels"}, "CAMIO_CALLBACK_HOSTS=.*no.* host"),
        ({"CAMIO_CALLBACK_HOSTS": "*.com"}, r"CAMIO_CALLBACK_HOSTS=.*\*\.camio\.com"),
        ({"CAMIO_LABELS": "yellowfin tuna"}, "CAMIO_LABELS=.*CODE=name"),
        ({"CAMIO_THRESHOLD": "1.5"}, "CAMIO_THRESHOLD='1.5'"),
        ({"CAMIO_MAX_AGE_S": "0"}, "CAMIO_MAX_AGE_S='0'"),
        ({"CAMIO_RETRY_FIRST_S": "500"}, "CAMIO_RETRY_FIRST_S=500 is more than"),
        (
            {"CAMIO_MAX_BODY_BYTES": "999999999", "CAMIO_KEYS": "correct-horse-battery-staple"},
            "CAMIO_MAX_BODY_BYTES=999999999",
        ),
        (
            {"CAMIO_ALLOW_LOOPBACK": "true", "HOST": "0.0.0.0", "ALLOW_PUBLIC": "true"},
            "CAMIO_ALLOW_LOOPBACK=true .*unset it",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"DECKWATCH_{name}", value)
    with pytest.raises(UsageError, match=words):
        read_settings()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_CAMIO_KEYS", "office correct-horse-battery-staple")
    monkeypatch.setenv("DECKWATCH_CAMIO_OAUTH_TOKEN", "ya29.correct-horse")
    assert "horse" not in repr(read_settings())
