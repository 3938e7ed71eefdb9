"""The worker's settings: environment variables, checked all at once at start."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from workers.exits import ConfigurationError

Role = Literal["intake", "relay"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_HIDDEN: Final = "hidden"


class KafkaSettings(BaseSettings):
    """How to reach Kafka: all that commands which only speak over Kafka need."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = Field(
        description="Brokers to begin with: `host:port`, separated by commas."
    )
    kafka_security_protocol: SecurityProtocol = Field("PLAINTEXT", description="How to talk to the brokers.")
    kafka_sasl_mechanism: SaslMechanism = Field(
        "SCRAM-SHA-512", description="How to log in, with a SASL protocol."
    )
    kafka_sasl_username: str | None = Field(None, description="User name, with a SASL protocol.")
    kafka_sasl_password: SecretStr | None = Field(None, description="Password, with a SASL protocol.")
    kafka_ssl_ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust for the brokers; without it the system's."
    )
    kafka_ssl_cert_file: Path | None = Field(
        None, description="This client's certificate (PEM), if brokers ask."
    )
    kafka_ssl_key_file: Path | None = Field(None, description="The key (PEM) of this client's certificate.")

    @field_validator("kafka_security_protocol", "kafka_sasl_mechanism", mode="before")
    @classmethod
    def _protocol_in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        servers = [server.strip() for server in value.split(",") if server.strip()]
        for server in servers:
            host, _, port = server.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise ValueError(f"should be host:port, separated by commas; {server!r} is not")
        if not servers:
            raise ValueError("names no server")
        return ",".join(servers)

    @field_validator("kafka_ssl_ca_file", "kafka_ssl_cert_file", "kafka_ssl_key_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("is no file")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if wrong := self._conflicts():
            raise ValueError("; ".join(wrong))
        return self

    def _conflicts(self) -> list[str]:
        """What does not go together, a sentence each."""
        wrong = []
        if self.kafka_security_protocol.startswith("SASL"):
            missing = [
                name.upper()
                for name in ("kafka_sasl_username", "kafka_sasl_password")
                if getattr(self, name) is None
            ]
            if missing:
                wrong.append(
                    f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs {' and '.join(missing)}"
                )
        if (self.kafka_ssl_cert_file is None) != (self.kafka_ssl_key_file is None):
            wrong.append("KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE go together")
        return wrong


class Settings(KafkaSettings):
    """Every setting; the name of the environment variable is the field's in capitals."""

    database_url: SecretStr = Field(
        description="PostgreSQL: `postgresql://user:password@host:port/database`."
    )

    kafka_replication_factor: int = Field(
        1,
        ge=1,
        le=32767,
        description="Replicas of the topics made here, Faust's own among them; 3 in production.",
    )
    intake_group: str = Field(
        "client-groups-intake",
        min_length=1,
        description="Consumer group of the input topics. Positions are kept in the database, not in it.",
    )
    session_timeout: float = Field(
        10.0,
        ge=1,
        le=300,
        description="After how long without a sign of life another worker takes over. Seconds.",
    )

    roles: Annotated[frozenset[Role], NoDecode] = Field(
        frozenset(ROLES),
        description="What this process does, by commas: `intake` (takes events), `relay` (sends changes).",
    )
    lanes: int = Field(2, ge=1, le=64, description="Batches worked on side by side.")
    batch_records: int = Field(
        1000, ge=1, le=100_000, description="At most so many records in one transaction."
    )
    database_pool_size: int = Field(
        8,
        ge=2,
        le=1000,
        description="At most so many database connections; the relay and previews have one more each.",
    )
    max_relay_backlog: int = Field(
        100_000, ge=1, description="The intake pauses while the relay has more rows of the log left to send."
    )
    max_ahead_seconds: float = Field(
        300, gt=0, description="An event whose time is further ahead of the clock is a dead letter. Seconds."
    )
    geoip_database: Path | None = Field(
        None,
        description="A country database in GeoLite2's form (.mmdb); without it GeoIP countries are unknown.",
    )
    trace_inputs: bool = Field(
        False, description="Keep in which order records were taken (for tests; it grows)."
    )

    http_host: str = Field("127.0.0.1", min_length=1, description="Where /live, /ready and /metrics listen.")
    http_port: int = Field(0, ge=0, le=65535, description="Port for them; 0 = a free one, named in the log.")
    stuck_seconds: float = Field(
        60,
        ge=1,
        description="Records wait and none is taken for so long: the process ends, to be restarted. Seconds.",
    )
    batch_stuck_seconds: float = Field(
        300, ge=1, description="One batch takes longer, with the database up: the process ends. Seconds."
    )
    held_run_days: float = Field(
        7, gt=0, description="A run that is held for approval is cancelled after so long. Days."
    )
    evidence_days: float = Field(
        365,
        gt=0,
        description="For so long a past membership can be explained: facts that changed are kept. Days.",
    )
    run_pace: float = Field(
        0.5,
        gt=0,
        le=1,
        description="While events come, runs and previews work for this share of the time; events go first.",
    )
    shutdown_seconds: float = Field(
        20,
        ge=1,
        description="On SIGTERM the batches in hand may take so long; then the process ends anyway. Seconds.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="What is logged.")
    log_format: Literal["json", "console"] = Field("json", description="How it is logged, on stderr.")

    @field_validator("roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(role.strip() for role in value.split(",") if role.strip())
        return value

    @field_validator("roles")
    @classmethod
    def _some_role(cls, value: frozenset[Role]) -> frozenset[Role]:
        if not value:
            raise ValueError(f"names no role; there are {', '.join(ROLES)}")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("should begin with postgresql://")
        return value

    def _conflicts(self) -> list[str]:
        wrong = super()._conflicts()
        # One for each lane, for the runner, for what runs aside, and two for all that is short.
        if self.database_pool_size < self.lanes + 4:
            wrong.append(
                f"DATABASE_POOL_SIZE={self.database_pool_size} is too small:"
                f" {self.lanes} lanes (LANES) need {self.lanes + 4}"
            )
        return wrong


AnySettings = TypeVar("AnySettings", bound=KafkaSettings)


def load(**given: Any) -> Settings:
    """Read the settings from the environment; `given` (by field name) goes before it.

    Raises ConfigurationError that names every wrong setting at once, without the value of a secret.
    """
    return _load(Settings, given)


def load_kafka(**given: Any) -> KafkaSettings:
    """Read from the environment how to reach Kafka, and nothing else. Raises as `load` does."""
    return _load(KafkaSettings, given)


def _load(kind: type[AnySettings], given: dict[str, Any]) -> AnySettings:
    try:
        return kind(**given)
    except ValidationError as error:
        raise ConfigurationError([_sentence(dict(problem)) for problem in error.errors()]) from error


def _sentence(problem: dict[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return f"{message}."
    field = str(problem["loc"][0])
    name = field.upper()
    if problem["type"] == "missing":
        return f"{name} is not set: {Settings.model_fields[field].description}"
    secret = "Secret" in str(Settings.model_fields[field].annotation)
    value = _HIDDEN if secret else repr(problem["input"])
    return f"{name} is wrong ({value}): {message[0].lower()}{message[1:]}."


def document() -> str:
    """docs/settings.md, as it should be."""
    rows = [
        "# Settings",
        "",
        "Environment variables of the worker and its commands. Made by `client-groups settings`.",
        "",
    ]
    rows += ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else _shown(field.default)
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, frozenset):
        return f"`{','.join(sorted(value))}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`"
