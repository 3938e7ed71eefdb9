"""Settings: all wrong ones named at once, secrets kept, the document current."""

from pathlib import Path

import pytest

from workers import kafka
from workers.exits import ConfigurationError
from workers.settings import Settings, document, load

GOOD = {"KAFKA_BOOTSTRAP_SERVERS": "a:9092, b:9093", "DATABASE_URL": "postgresql://u:secret@h/d"}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in {**GOOD, **variables}.items():
        monkeypatch.setenv(name, value)
    return load()


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch)
    assert settings.kafka_bootstrap_servers == "a:9092,b:9093"
    assert settings.roles == {"intake", "relay"}
    assert kafka.client_arguments(settings) == {
        "bootstrap_servers": "a:9092,b:9093",
        "client_id": "client-groups",
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }
    assert kafka.faust_credentials(settings) is None


def test_an_empty_variable_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, GEOIP_DATABASE="", LANES="").lanes == 2


def test_roles_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, ROLES=" relay ,").roles == {"relay"}


def test_all_wrong_ones_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "DATABASE_URL": "mysql://u:secret@h/d",
        "HTTP_PORT": "http",
        "KAFKA_BOOTSTRAP_SERVERS": "nowhere",
        "KAFKA_SSL_CA_FILE": "/nowhere/ca.pem",
        "LANES": "0",
        "LOG_LEVEL": "loud",
        "ROLES": "intake,painter",
        "SESSION_TIMEOUT": "-1",
    }
    with pytest.raises(ConfigurationError) as raised:
        given(monkeypatch, **wrong)
    sentences = raised.value.sentences
    assert sorted(sentence.split()[0] for sentence in sentences) == sorted(wrong)
    assert all(sentence.endswith(".") for sentence in sentences)
    assert "secret" not in str(raised.value)


def test_what_is_missing_says_what_it_is_for() -> None:
    with pytest.raises(ConfigurationError) as raised:
        load()
    assert [sentence.split(":")[0] for sentence in raised.value.sentences] == [
        "KAFKA_BOOTSTRAP_SERVERS is not set",
        "DATABASE_URL is not set",
    ]


def test_what_goes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as raised:
        given(monkeypatch, KAFKA_SECURITY_PROTOCOL="sasl_ssl", LANES="20")
    (sentence,) = raised.value.sentences
    assert "KAFKA_SECURITY_PROTOCOL=SASL_SSL needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD" in sentence
    assert "DATABASE_POOL_SIZE=8 is too small: 20 lanes (LANES) need 24" in sentence


def test_sasl_over_tls_for_all_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(
        monkeypatch,
        KAFKA_SECURITY_PROTOCOL="SASL_SSL",
        KAFKA_SASL_USERNAME="worker",
        KAFKA_SASL_PASSWORD="secret",
    )
    arguments = kafka.client_arguments(settings)
    assert arguments["ssl_context"] is not None
    assert (arguments["sasl_mechanism"], arguments["sasl_plain_password"]) == ("SCRAM-SHA-512", "secret")
    credentials = kafka.faust_credentials(settings)
    assert credentials is not None
    assert credentials.protocol.value == "SASL_SSL"
    assert "secret" not in repr(settings)


def test_the_document_is_current() -> None:
    written = Path(__file__).parents[2] / "docs" / "settings.md"
    assert written.read_text() == document(), "run: client-groups settings > docs/settings.md"
