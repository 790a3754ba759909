from __future__ import annotations

import pytest

from deckwatch_gateway.settings import Settings, is_loopback, read_settings
from deckwatch_vision.errors import UsageError


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.4", False),
        ("deck.example", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.1.2.3"])
def test_refuses_to_listen_beyond_loopback(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_HOST", host)
    with pytest.raises(UsageError, match="DECKWATCH_ALLOW_PUBLIC=true"):
        read_settings()


def test_listens_beyond_loopback_when_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_HOST", "0.0.0.0")
    monkeypatch.setenv("DECKWATCH_ALLOW_PUBLIC", "true")
    assert read_settings().host == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("TRITON", "http://127.0.0.1:8001/v2"),
        ("TRITON", "127.0.0.1"),
        ("MAX_IN_FLIGHT", "0"),
        ("TRITON_TIMEOUT_S", "-1"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_names_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DECKWATCH_{name}", value)
    with pytest.raises(UsageError, match=f"DECKWATCH_{name}='{value}'"):
        read_settings()


def test_a_body_that_could_never_be_held_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_MAX_HELD_BYTES", "2048")
    with pytest.raises(UsageError, match="DECKWATCH_MAX_BODY_BYTES"):
        read_settings()


def test_log_level_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_LOG_LEVEL", "WARNING")
    assert read_settings().log_level == "warning"


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
