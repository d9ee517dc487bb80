"""What an operator sets: by an environment variable `MUSTER_…`, or by a command's option, which wins."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_FOLDER = Path("~/.local/share/muster")
SERVICE_FOLDER = DEFAULT_FOLDER / "service"
CONFIGURATION_MANAGER_FOLDER = DEFAULT_FOLDER / "configuration-manager"
SERVICE_PORT = 8080
CONFIGURATION_MANAGER_PORT = 8088
_PREFIX = "MUSTER_"
# Settings that are options of a command, too, and what they are called there.
_OPTIONS = {
    "data": "data",
    "database": "database",
    "host": "host",
    "port": "port",
    "public_url": "public-url",
    "tls_cert": "tls-cert",
    "tls_key": "tls-key",
    "behind_proxy": "behind-proxy",
    "web_only": "web-only",
    "allow_targets": "allow-target",
}
# What a setting with a pattern takes.
_SHAPES = {"public_url": "it must be an address such as https://muster.example, without user, query or fragment"}
# How pydantic begins a sentence.
_SUBJECT = re.compile(r"^(?:Input|String|Value) should ")
_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})


class SettingsError(Exception):
    """A setting cannot be read; the sentence names it and what it takes. `is_usage`: it was given as an option."""

    def __init__(self, sentence: str, *, is_usage: bool = False) -> None:
        super().__init__(sentence)
        self.is_usage = is_usage


class Settings(BaseSettings):
    """The settings of one process. A field's description is its documentation; None means what the description says."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data: Path | None = Field(None, description="Data folder; without it the party's own default folder.")
    database: str | None = Field(
        None, repr=False, description="postgresql://… instead of the SQLite file in the data folder."
    )
    synchronous: Literal["NORMAL", "FULL"] = Field(
        "NORMAL", description="SQLite's care for the last commits: FULL keeps them over a power cut."
    )
    key_file: Path | None = Field(None, description="File with the sealing key; else secret.key in the data folder.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int | None = Field(
        None, ge=0, le=65535, description="Port to listen on: 8080, the Configuration Manager 8088."
    )
    public_url: str | None = Field(
        None, pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$", description="How others reach it; else from host and port."
    )
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM) to serve HTTPS with.")
    tls_key: Path | None = Field(None, description="Private key (PEM) of that certificate.")
    behind_proxy: bool = Field(
        default=False,
        description="A TLS-terminating proxy stands before it: it may listen beyond loopback without TLS.",
    )
    web_only: bool = Field(
        default=False, description="No engine beside the web process: workers on the same PostgreSQL provision."
    )
    threads: int = Field(8, ge=1, le=256, description="Threads that answer requests.")
    api_rate: int = Field(
        200, ge=0, le=1_000_000, description="Requests a second that one caller may send to the API; 0: any number."
    )
    allow_targets: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="Networks (CIDR, comma-separated) of loopback or private targets that may be called."
    )
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust beside the usual ones when calling out."
    )
    credentials_folder: Path | None = Field(
        None, description="Folder of the files that credentials of applications may name (file:NAME)."
    )
    import_folders: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders (comma-separated) that sources may read files from, beside imports in the data folder."
    )
    proxy: str | None = Field(
        None, repr=False, description="HTTP proxy to call out through; the environment's is not used."
    )
    smtp_host: str | None = Field(None, description="Mail server for notifications; else the one kept by the API.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the way to the mail server is protected."
    )
    smtp_user: str | None = Field(None, description="User to sign in to the mail server with.")
    smtp_password: str | None = Field(None, repr=False, description="That user's password.")
    mail_from: str | None = Field(None, description="Address that mails come from.")
    notify: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Mail addresses (comma-separated) that hear of every job."
    )
    notify_language: Literal["en", "nl"] | None = Field(
        None, description="Language that mails are written in; else the one kept by the API, or English."
    )
    webhook_url: str | None = Field(None, repr=False, description="Address that is told everything by a signed POST.")
    webhook_secret: str | None = Field(None, repr=False, description="Secret (whsec_…) that signs these calls.")
    keep_log_days: int = Field(30, ge=0, le=36_500, description="Days the provisioning log is kept; 0: for ever.")
    keep_audit_days: int = Field(365, ge=0, le=36_500, description="Days the audit log is kept; 0: for ever.")
    keep_cycles_days: int = Field(365, ge=0, le=36_500, description="Days ended cycles are kept; 0: for ever.")
    keep_plans_days: int = Field(30, ge=0, le=36_500, description="Days plans are kept; 0: for ever.")
    keep_work_days: int = Field(7, ge=0, le=36_500, description="Days finished work is kept; 0: for ever.")
    keep_notices_days: int = Field(90, ge=0, le=36_500, description="Days told notices are kept; 0: for ever.")
    keep_sign_ins_days: int = Field(30, ge=0, le=36_500, description="Days the sign-in log is kept; 0: for ever.")
    metrics_token: str | None = Field(
        None,
        min_length=16,
        repr=False,
        description="Bearer token for /metrics; without it only this machine itself reads them.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    log_format: Literal["text", "json"] = Field("text", description="How: lines of text, or a JSON object a line.")
    traces: bool = Field(
        default=False, description="Send OpenTelemetry traces (extra otel), to where OTEL_EXPORTER_OTLP_ENDPOINT says."
    )

    @field_validator("allow_targets", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(parse_network(part) for part in value.replace(",", " ").split())

    @field_validator("import_folders", mode="before")
    @classmethod
    def _split_folders(cls, value: Any) -> Any:
        return tuple(Path(part.strip()) for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("notify", mode="before")
    @classmethod
    def _split_addresses(cls, value: Any) -> Any:
        return tuple(part for part in value.replace(",", " ").split()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_notifying(self) -> "Settings":
        if (self.smtp_host is None) != (self.mail_from is None):
            raise ValueError("mail needs both the server (MUSTER_SMTP_HOST) and the sender (MUSTER_MAIL_FROM)")
        if self.smtp_user is not None and self.smtp_security == "none":
            raise ValueError("without STARTTLS or TLS the mail server's password would go in the clear")
        if (self.webhook_url is None) != (self.webhook_secret is None):
            raise ValueError("a webhook needs both MUSTER_WEBHOOK_URL and MUSTER_WEBHOOK_SECRET")
        return self

    @model_validator(mode="after")
    def _check_listening(self) -> "Settings":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS needs both the certificate (tls-cert) and its key (tls-key)")
        if not is_loopback(self.host) and self.tls_cert is None and not self.behind_proxy:
            raise ValueError(
                f"listening on {self.host} without TLS would send passwords in the clear: "
                "give tls-cert and tls-key, or behind-proxy if a proxy terminates TLS"
            )
        return self


def load_settings(**options: Any) -> Settings:
    """The settings: the options that are not None, else the environment, else the defaults. Raises: SettingsError."""
    try:
        given = {name: value for name, value in options.items() if value is not None}
        return Settings(**given)
    except ValidationError as error:
        problems = error.errors(include_input=False)
        is_usage = any(problem["loc"] and problem["loc"][0] in given for problem in problems)
        raise SettingsError("; ".join(_sentence(problem) for problem in problems), is_usage=is_usage) from None


def parse_network(text: str) -> Network:
    """The network of a CIDR or a single address. Raises: ValueError."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text} is no network: write a CIDR such as 10.0.0.0/8 or an address") from None


def is_loopback(host: str) -> bool:
    """Whether listening on this host reaches this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES


def _sentence(problem: Any) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = str(problem["loc"][0])
    if problem["type"] == "string_pattern_mismatch":
        message = _SHAPES[name]
    message = _SUBJECT.sub("it must ", message)
    option = f" (--{_OPTIONS[name]})" if name in _OPTIONS else ""
    return f"{_PREFIX}{name.upper()}{option}: {message}"
