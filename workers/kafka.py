"""How this project's processes talk to Kafka: one place for addresses and security."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

from events.record import Record
from workers.settings import KafkaSettings

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord
    from faust.types.auth import CredentialsT

CLIENT_ID: Final = "client-groups"


def client_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """What every AIOKafkaConsumer, AIOKafkaProducer and AIOKafkaAdminClient is given.

    Reads the certificate files: raises OSError or ssl.SSLError where one cannot be used.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "client_id": CLIENT_ID,
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        assert settings.kafka_sasl_password is not None
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return arguments


def faust_credentials(settings: KafkaSettings) -> CredentialsT | None:
    """The same for Faust's own consumer and producer; None = plain text."""
    from faust.auth import SASLCredentials, SSLCredentials  # only here: Faust takes a second to import

    context = ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        assert settings.kafka_sasl_password is not None
        return SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Trust and identity for TLS; None where the protocol has none."""
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    context = ssl.create_default_context(cafile=settings.kafka_ssl_ca_file)
    if settings.kafka_ssl_cert_file is not None:
        context.load_cert_chain(settings.kafka_ssl_cert_file, settings.kafka_ssl_key_file)
    return context


def record_of(record: ConsumerRecord[Any, Any]) -> Record:
    """A record of aiokafka as this project has them."""
    return Record(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        record.headers,
    )
