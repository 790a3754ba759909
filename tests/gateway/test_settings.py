"""Settings: from the environment and a file, refused where wrong, printed without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from typer.testing import CliRunner, Result

from deckwatch_gateway.cli import gateway
from deckwatch_gateway.loopback import is_loopback
from deckwatch_gateway.settings import Settings, read_settings
from deckwatch_gateway.settings.listing import is_secret, listed
from deckwatch_gateway.settings.sources import OTHERS, misspelt
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


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes a settings file that DECKWATCH_SETTINGS names."""

    def write(text: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(text)
        monkeypatch.setenv("DECKWATCH_SETTINGS", str(path))
        return path

    return write


def test_a_file_is_read_and_the_environment_wins(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write('port = 9000\nlog_level = "DEBUG"\nkeep_below = 1\nkeep_sensitive = ["RAY", "ALB"]\n')
    monkeypatch.setenv("DECKWATCH_PORT", "9001")
    settings = read_settings()
    assert (settings.port, settings.log_level, settings.keep_below) == (9001, "debug", 1.0)
    assert settings.keep_sensitive == "RAY,ALB"
    assert Settings(log_level="error").log_level == "error"


def test_a_file_given_stands_in_for_the_one_of_the_environment(
    write: Callable[[str], Path], tmp_path: Path
) -> None:
    write("port = 9000")
    other = tmp_path / "other.toml"
    other.write_text("port = 9002")
    assert read_settings(other).port == 9002
    assert read_settings().port == 9000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_in_flihgt = 3", "'max_in_flihgt' in .*gateway.toml is no setting. "
         r"Did you mean max_in_flight\?"),
        ("DECKWATCH_PORT = 3", r"Did you mean port\?"),
        ("zzz = 3", "`deckwatch gateway settings` lists them all"),
        ("port = 70000", "port = 70000 in .*gateway.toml: "),
        ("[port]\na = 1", "'port' in .* is neither text"),
        ("port 80", "is not TOML"),
        ('host = "0.0.0.0"', "DECKWATCH_ALLOW_PUBLIC=true"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused(write: Callable[[str], Path], text: str, message: str) -> None:
    write(text)
    with pytest.raises(UsageError, match=message):
        read_settings()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.toml cannot be read: No such file"):
        read_settings(tmp_path / "nothing.toml")


def test_what_kubernetes_sets_for_a_service_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_PORT", "tcp://10.0.0.7:8080")
    with pytest.raises(UsageError, match="enableServiceLinks: false"):
        read_settings()


def test_opentelemetrys_own_variable_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    assert read_settings().otlp_endpoint == "http://collector:4317"
    monkeypatch.setenv("DECKWATCH_OTLP_ENDPOINT", "http://ours:4317")
    assert read_settings().otlp_endpoint == "http://ours:4317"
    monkeypatch.setenv("DECKWATCH_OTLP_ENDPOINT", "ours:4317")
    with pytest.raises(UsageError, match="http://host:4317"):
        read_settings()


def command(*arguments: str) -> Result:
    return CliRunner().invoke(gateway, ["settings", *arguments])


def test_the_command_prints_every_setting_and_its_origin(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("max_in_flight = 3")
    monkeypatch.setenv("DECKWATCH_LOG_LEVEL", "error")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    rows = {row["variable"]: row for row in map(json.loads, command("--json").stdout.splitlines())}
    assert list(rows) == [f"DECKWATCH_{name.upper()}" for name in Settings.model_fields]
    origins = {variable.removeprefix("DECKWATCH_"): row["origin"] for variable, row in rows.items()}
    assert {name: each for name, each in origins.items() if each != "default"} == {
        "MAX_IN_FLIGHT": "file", "LOG_LEVEL": "environment", "OTLP_ENDPOINT": "environment",
    }  # fmt: skip
    assert rows["DECKWATCH_MAX_IN_FLIGHT"]["value"] == 3
    assert rows["DECKWATCH_PORT"] == {
        "variable": "DECKWATCH_PORT", "value": 8080, "origin": "default",
        "description": Settings.model_fields["port"].description,
    }  # fmt: skip
    lines = {line.split()[0]: line.split()[1:] for line in command().stdout.splitlines()}
    assert lines["DECKWATCH_MAX_IN_FLIGHT"] == ["3", "file"]
    assert lines["DECKWATCH_LOG_LEVEL"] == ["error", "environment"]


class _WithSecrets(Settings):
    """Settings with every kind of secret."""

    hush: SecretStr = Field(default=SecretStr(""), description="A secret.")
    queue: str = Field(default="", description="An address with a password in it.")


def test_secrets_are_hidden() -> None:
    given = _WithSecrets(hush=SecretStr("hush-1"), queue="redis://me:hush-2@redis:6379/0")
    shown = {row.variable: row.text for row in listed(given)}
    assert shown["DECKWATCH_HUSH"] == "(hidden)"
    assert shown["DECKWATCH_QUEUE"] == "redis://(hidden)@redis:6379/0"
    assert shown["DECKWATCH_HOST"] == "127.0.0.1"
    assert {row.variable: row.text for row in listed(_WithSecrets())}["DECKWATCH_HUSH"] == ""


def test_a_secret_that_is_wrong_is_not_shown(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [name for name, field in Settings.model_fields.items() if is_secret(field)]
    for name in secrets:
        path = write(f"{name} = 1234567890")
        with pytest.raises(UsageError) as caught:
            read_settings()
        assert "1234567890" not in str(caught.value)
        assert str(path) in str(caught.value)
        path.write_text("")


def test_the_command_refuses_wrong_settings(write: Callable[[str], Path]) -> None:
    write("port = -1")
    found = command()
    assert found.stdout == ""
    assert isinstance(found.exception, UsageError)


def test_a_variable_that_is_nearly_a_setting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DECKWATCH_MAX_INFLIGHT", *(OTHERS - {"DECKWATCH_SETTINGS"})):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("DECKWATCH_SERVICE_HOST", "10.0.0.7")  # as Kubernetes does
    assert misspelt(Settings) == {"DECKWATCH_MAX_INFLIGHT": "DECKWATCH_MAX_IN_FLIGHT"}
    found = command()
    assert found.exit_code == 0
    assert "DECKWATCH_MAX_INFLIGHT is no setting. Did you mean DECKWATCH_MAX_IN" in found.stderr
    assert "DECKWATCH_MAX_INFLIGHT" not in found.stdout


def test_a_password_in_a_wrong_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRITON", "OTLP_ENDPOINT", "PORT"):
        monkeypatch.setenv(f"DECKWATCH_{name}", "redis://me:hush-1@redis:6379/0")
    with pytest.raises(UsageError) as caught:
        read_settings()
    assert str(caught.value).count("redis://(hidden)@redis:6379/0") >= 3
    assert "hush" not in str(caught.value)
