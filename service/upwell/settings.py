"""Settings: `UPWELL_*` environment variables over the file that `UPWELL_CONFIG` names over the defaults.

Nested settings are written with two underscores (`UPWELL_LOG__LEVEL`); `UPWELL_API_TOKENS_FILE=/run/secrets/tokens`
reads the value of `UPWELL_API_TOKENS` from a file, and so for every setting at the top level. `config/upwell.toml`
explains them all.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic_settings
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource

from upwell.alert_settings import AlertSettings, HeartbeatSettings
from upwell.errors import SettingsError
from upwell.freshness_settings import FreshnessSettings
from upwell.setting_types import Duration, Positive, Section, Strings, split_list

PREFIX = "UPWELL_"
CONFIG_VARIABLE = "UPWELL_CONFIG"
DEFAULT_LOCATION = "default"

# Kubernetes sets these for a service that is named upwell; they are not ours.
_SERVICE_LINK = re.compile(r"UPWELL_(SERVICE_(HOST|PORT)|PORT_\d)")


def _split_token(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    role, colon, token = value.partition(":")
    if not colon:
        raise ValueError("write each token as role:token, where the role is viewer or operator")
    return {"role": role.strip(), "token": token.strip()}


def _rate(text: str) -> str:
    if not re.fullmatch(r"\s*0*[1-9]\d*\s*/\s*(0*[1-9]\d*)?\s*(ms|s|m|h|d)\s*", text, re.ASCII):
        raise ValueError("write a rate as a number and a period, such as 100/s, 10/m or 1/30s")
    return text


def _async_url(url: str) -> str:
    """The database URL with the driver that Upwell uses."""
    scheme, separator, rest = url.partition("://")
    drivers = {"sqlite": "sqlite+aiosqlite", "postgres": "postgresql+asyncpg", "postgresql": "postgresql+asyncpg"}
    scheme = drivers.get(scheme, scheme)
    if not separator or scheme not in drivers.values():
        raise ValueError("the database is sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER:PASSWORD@HOST/NAME")
    return f"{scheme}://{rest}"


class LocationSettings(Section):
    """A code location: files and modules that are loaded together, in workers of their own."""

    files: Strings = Field(default=(), description="Python files with definitions", examples=["pipelines/orders.py"])
    modules: Strings = Field(
        default=(), description="Importable modules with definitions", examples=["pipelines.orders"]
    )
    working_directory: Path = Field(
        default=Path(), description="Where its relative paths start", examples=["pipelines"]
    )


class ApiToken(Section):
    """A bearer token of the API and what its holder may do."""

    token: SecretStr = Field(min_length=1, description="The token", examples=["s3cr3t"])
    role: Literal["viewer", "operator"] = Field(description="What its holder may do", examples=["operator"])


class WebhookSettings(Section):
    """What is taken at /webhooks/{name}."""

    max_body: ByteSize = Field(
        default=ByteSize(1024 * 1024), gt=0, description="The largest body taken", examples=["1MiB"]
    )
    max_batch: Positive = Field(default=1000, description="The most CloudEvents taken in one batch", examples=[1000])
    rate: Annotated[str, AfterValidator(_rate)] | None = Field(
        default=None, description="Rate at which a webhook takes deliveries that sets none itself", examples=["100/s"]
    )
    longest_wait: Duration = Field(
        default=30.0, description="Longest time a delivery may wait for its run, 0 for none", examples=["30s"]
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(split_list)] = Field(
        default=(), description="Proxies that may tell a client's certificate", examples=["10.0.0.0/8,::1"]
    )


class LogSettings(Section):
    """How the log on stdout looks."""

    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="json, console, or auto: JSON in `serve`, console in `dev`", examples=["json"]
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important lines that are written", examples=["info"]
    )


class Settings(BaseSettings):
    """Everything that can be set, with its defaults. Make it with `load_settings`, which explains what is wrong."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(
        default=Path(".upwell"),
        description="Folder of database, stored assets and step logs",
        examples=["/var/lib/upwell"],
    )
    database_url: Annotated[str, AfterValidator(lambda url: _async_url(url) if url else url)] = Field(
        default="", description="Where the journal is kept", examples=["postgresql+asyncpg://upwell:password@db/upwell"]
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on", examples=["127.0.0.1"])
    port: int = Field(
        default=8600, ge=0, le=65535, description="Port to listen on, 0 for any free one", examples=[8600]
    )
    files: Strings = Field(default=(), description="Python files with definitions", examples=["definitions.py"])
    modules: Strings = Field(
        default=(), description="Importable modules with definitions", examples=["pipelines.orders"]
    )
    locations: Mapping[str, LocationSettings] = Field(
        default={}, description="Code locations by name", examples=['{"orders": {"files": ["orders.py"]}}']
    )
    reload: bool = Field(default=False, description="Load code anew when its files change", examples=["true"])
    workers: Positive = Field(
        default_factory=lambda: min(4, max(2, os.cpu_count() or 1)),
        description="Worker processes of each code location",
        examples=[2],
    )
    preload: Strings = Field(
        default=("pandas", "pyarrow.parquet"),
        description="Modules imported once for all workers",
        examples=["pandas,pyarrow.parquet"],
    )
    worker_memory_limit: ByteSize | None = Field(
        default=None, gt=0, description="Memory at which a worker is ended; unset for no limit", examples=["2GiB"]
    )
    max_runs: Positive = Field(default=32, description="Runs under way at the same time", examples=[32])
    max_steps: Positive = Field(default=32, description="Steps under way at the same time", examples=[32])
    pools: Mapping[str, Positive] = Field(
        default={}, description="Steps of a pool under way at the same time", examples=['{"warehouse": 2}']
    )
    step_timeout: Duration | None = Field(
        default=None, gt=0, description="Longest time for a step that sets none itself", examples=["30m"]
    )
    shutdown_grace: Duration = Field(
        default=30.0, description="Time for running steps to end at a stop", examples=["30s"]
    )
    retention: Duration | None = Field(
        default=None, gt=0, description="Age at which events are pruned; unset to keep them", examples=["90d"]
    )
    api_tokens: Annotated[
        tuple[Annotated[ApiToken, BeforeValidator(_split_token)], ...], NoDecode, BeforeValidator(split_list)
    ] = Field(default=(), description="Who may use the API", examples=["operator:s3cr3t,viewer:0th3r"])
    url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="The service that the commands speak to",
        examples=["http://upwell:8600"],
    )
    api_token: SecretStr | None = Field(
        default=None, min_length=1, description="The token that the commands speak to it with", examples=["s3cr3t"]
    )
    webhook: WebhookSettings = Field(
        default=WebhookSettings(), description="Webhook ingress", examples=['{"max_body": "1MiB"}']
    )
    alerts: AlertSettings = Field(
        default=AlertSettings(), description="Who is told of what goes wrong", examples=['{"recovery_dwell": "1m"}']
    )
    heartbeat: HeartbeatSettings = Field(
        default=HeartbeatSettings(),
        description="Who notices when the service is dead",
        examples=['{"url": "https://hc-ping.com/UUID"}'],
    )
    freshness: FreshnessSettings = Field(
        default=FreshnessSettings(),
        description="How recent assets have to be that do not say so",
        examples=['{"defaults": [{"group": "marts", "fail_window": "1d"}]}'],
    )
    log: LogSettings = Field(default=LogSettings(), description="The log on stdout", examples=['{"level": "info"}'])

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_home(cls, values: dict[str, Any]) -> dict[str, Any]:
        home = Path(values.get("home") or ".upwell").expanduser().absolute()
        url = values.get("database_url") or f"sqlite+aiosqlite:///{home / 'upwell.db'}"
        return {**values, "home": home, "database_url": url}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        config = InitSettingsSource(settings_cls, _read_config())
        return init_settings, env_settings, _SecretFiles(settings_cls), config

    @property
    def base_url(self) -> str:
        """Where the service answers, as seen from this machine."""
        if self.url:
            return self.url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, when it is one."""
        scheme, _, path = self.database_url.partition(":///")
        return Path(path).absolute() if scheme == "sqlite+aiosqlite" else None

    def code_locations(self) -> dict[str, LocationSettings]:
        """Every code location by name; `files` and `modules` at the top make the one named "default"."""
        locations = dict(self.locations)
        if self.files or self.modules:
            locations[DEFAULT_LOCATION] = LocationSettings(files=self.files, modules=self.modules)
        return locations

    def secrets(self) -> tuple[str, ...]:
        """The values that no log line may show."""
        password = re.match(r"[^:]+://[^:/@]*:([^@]+)@", self.database_url)
        tokens = [entry.token.get_secret_value() for entry in self.api_tokens]
        own = [self.api_token.get_secret_value()] if self.api_token else []
        outside = [*self.alerts.secrets(), *self.heartbeat.secrets()]
        return (*tokens, *own, *outside, *([password[1]] if password else []))


def _read_config() -> dict[str, Any]:
    path = os.environ.get(CONFIG_VARIABLE)
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise SettingsError(f"{CONFIG_VARIABLE}={path!r} cannot be read: {error.strerror}. Name a TOML file") from None
    except ValueError as error:
        raise SettingsError(f"{CONFIG_VARIABLE}={path!r} is not a TOML file: {error}") from None


def variables() -> dict[str, FieldInfo]:
    """Every setting by its environment variable; nested ones with two underscores."""
    found: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        found[variable] = field
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found |= {f"{variable}__{key.upper()}": inner for key, inner in field.annotation.model_fields.items()}
    return found


class _SecretFiles(PydanticBaseSettingsSource):
    """`UPWELL_<SETTING>_FILE`: the value stands in a file, as container platforms hand out secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = PREFIX + field_name.upper()
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(variable):
            raise SettingsError(f"{variable} and {variable}_FILE are both set. Remove one of them")
        try:
            return Path(path).read_text().strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable}_FILE={path!r} cannot be read: {error}. Name a text file") from None

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process; `overrides` (command line options) win over everything.

    Raises:
        SettingsError: names each wrong setting, its value and the mend.
    """
    _refuse_misspelt_variables()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(problem) for problem in error.errors())) from None
    except pydantic_settings.SettingsError as error:
        raise SettingsError(_explain_json(str(error))) from None


def _refuse_misspelt_variables() -> None:
    known = {*variables(), CONFIG_VARIABLE}
    for name in os.environ:
        plain = name.removesuffix("_FILE").partition("__")[0]
        if not name.startswith(PREFIX) or {name, plain} & known or _SERVICE_LINK.match(name):
            continue
        # Only what looks like a misspelling: the variables of somebody's own code may begin with UPWELL_, too.
        if near := difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            raise SettingsError(f"{name} is no setting. Did you mean {near[0]}?")


def _explain(problem: Any) -> str:
    """One line for one thing that pydantic refused: what, its value, why, and how it is written."""
    path = [str(part) for part in problem["loc"]]
    variable = PREFIX + "__".join(part.upper() for part in path)
    place = _place(path)
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(variable, variables(), n=1)
        return f"{place} is no setting." + (f" Did you mean {near[0].removeprefix(PREFIX).lower()}?" if near else "")
    field = variables().get(variable) or Settings.model_fields[path[0]]
    secret = path[0] in {"api_tokens", "api_token", "database_url", "alerts", "heartbeat"}
    value = "" if secret or problem["type"] == "missing" else f"={problem['input']!r}"
    message = problem["msg"].removeprefix("Value error, ")
    hint = (
        " (Kubernetes sets it for a service named upwell: set enableServiceLinks: false)" if "tcp://" in value else ""
    )
    example = (field.examples or [""])[0]
    return f"{place}{value} cannot be used: {message}.{hint} {field.description}; for example {example}"


def _place(path: list[str]) -> str:
    """Where a setting came from, as its user knows it: the variable, or the key in the file."""
    for length in range(len(path), 0, -1):
        variable = PREFIX + "__".join(part.upper() for part in path[:length])
        for name in (variable, f"{variable}_FILE"):
            if name in os.environ:
                return ".".join([name, *path[length:]])
    config = os.environ.get(CONFIG_VARIABLE)
    return f"{'.'.join(path)} in {config}" if config else PREFIX + "__".join(part.upper() for part in path)


def _explain_json(message: str) -> str:
    """pydantic-settings' error over a variable that should hold JSON."""
    name = match[1] if (match := re.search(r'field "(\w+)"', message)) else ""
    variable = PREFIX + name.upper()
    example = (Settings.model_fields[name].examples or [""])[0] if name in Settings.model_fields else "{}"
    return f"{variable}={os.environ.get(variable, '')!r} is not JSON. Write it, for example, as {example}"
