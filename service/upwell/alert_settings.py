"""Settings of alerts and of the heartbeat. Secrets may stand in them, in a variable or in a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, IPvAnyNetwork, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from upwell.setting_types import Duration, Positive, Section, Strings, split_list

_FROM_OUTSIDE = ("url", "secret")


class SinkSettings(Section):
    """Somebody who is told: by what, and of what."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Its name, in logs", examples=["data-team"])
    kind: str = Field(
        min_length=1, description="webhook, slack, email, apprise, log or a plugin's", examples=["webhook"]
    )
    url: SecretStr | None = Field(default=None, description="Where to", examples=["https://alerts.example.com/hook"])
    url_env: str | None = Field(default=None, description="Variable that has the url", examples=["SLACK_URL"])
    url_file: Path | None = Field(default=None, description="File that has the url", examples=["/run/secrets/slack"])
    secret: SecretStr | None = Field(default=None, description="What a webhook is signed with", examples=["whsec_…"])
    secret_env: str | None = Field(default=None, description="Variable that has the secret", examples=["HOOK_SECRET"])
    secret_file: Path | None = Field(
        default=None, description="File that has the secret", examples=["/run/secrets/hook"]
    )
    sender: str | None = Field(default=None, description="From whom mail comes", examples=["upwell@example.com"])
    to: Strings = Field(default=(), description="To whom mail goes", examples=["data@example.com"])
    select: str | None = Field(default=None, description="Assets to blame that it is told of", examples=["group:marts"])
    owners: Strings = Field(default=(), description="Owners of such assets", examples=["team:data,ann@example.com"])
    min_severity: Literal["warning", "error"] = Field(
        default="warning", description="The least severe that it is told of", examples=["error"]
    )
    updates: bool = Field(default=False, description="Whether it is told who joins an incident", examples=["true"])
    rate: Positive = Field(default=30, description="Most messages a minute; the rest come as summaries", examples=[30])
    timeout: Duration = Field(default=10.0, gt=0, description="Longest time for one message", examples=["10s"])
    give_up_after: Duration = Field(default=3 * 86400.0, description="How long one is tried", examples=["3d"])
    options: Mapping[str, str] = Field(default={}, description="What else a plugin needs", examples=['{"team": "x"}'])

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, values: Any) -> Any:
        return with_secrets(values, _FROM_OUTSIDE)

    def hidden(self) -> tuple[str, ...]:
        """The values that no log line may show."""
        return tuple(value.get_secret_value() for value in (self.url, self.secret) if value is not None)


class SilenceSettings(Section):
    """From one instant until another nobody is told of what these assets are to blame for."""

    select: str = Field(min_length=1, description="Which assets; * for everything", examples=["group:marts"])
    since: AwareDatetime | None = Field(default=None, description="From when", examples=["2026-12-24T00:00:00Z"])
    until: AwareDatetime = Field(description="Until when", examples=["2027-01-02T00:00:00Z"])
    reason: str | None = Field(default=None, description="Why, for people", examples=["moving the warehouse"])


class MaintenanceSettings(Section):
    """Windows that come again, in which nobody is told of what these assets are to blame for."""

    select: str = Field(min_length=1, description="Which assets; * for everything", examples=["group:marts"])
    cron: str = Field(description="When a window begins", examples=["0 2 * * 6"])
    duration: Duration = Field(gt=0, description="How long it is", examples=["4h"])
    timezone: str = Field(default="UTC", description="In which time zone it begins", examples=["Europe/Berlin"])
    reason: str | None = Field(default=None, description="Why, for people", examples=["backups"])


class AlertSettings(Section):
    """Who is told of what goes wrong, and when nobody is."""

    sinks: tuple[SinkSettings, ...] = Field(
        default=(), description="Who is told", examples=['[{"name": "ops", "kind": "slack", "url_env": "SLACK_URL"}]']
    )
    silences: tuple[SilenceSettings, ...] = Field(
        default=(), description="Times without alerts", examples=['[{"select": "*", "until": "2027-01-02T00:00:00Z"}]']
    )
    maintenance: tuple[MaintenanceSettings, ...] = Field(
        default=(),
        description="Windows without alerts that come again",
        examples=['[{"select": "*", "cron": "0 2 * * 6", "duration": "4h"}]'],
    )
    recovery_dwell: Duration = Field(
        default=0.0, description="How long an asset has to be fresh before that is told", examples=["1m"]
    )
    catch_up_grace: Duration = Field(
        default=5.0,
        description="How long an asset may take to follow the one that it was late because of",
        examples=["5s"],
    )
    sensor_failures: Positive = Field(
        default=3, description="Failures in a row after which a sensor is an incident", examples=[3]
    )
    allow_private: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(split_list)] = Field(
        default=(), description="Networks that are not public and may be told all the same", examples=["10.0.0.0/8"]
    )

    @field_validator("sinks")
    @classmethod
    def _names_are_their_own(cls, sinks: tuple[SinkSettings, ...]) -> tuple[SinkSettings, ...]:
        names = [sink.name for sink in sinks]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"two sinks are called {', '.join(sorted(twice))}; by its name it is known how far each is"
            )
        return sinks

    def secrets(self) -> tuple[str, ...]:
        """The values that no log line may show."""
        return tuple(value for sink in self.sinks for value in sink.hidden())


class HeartbeatSettings(Section):
    """Who is told, again and again, that the service is alive, so that silence is noticed."""

    url: SecretStr | None = Field(default=None, description="What is asked", examples=["https://hc-ping.com/UUID"])
    url_env: str | None = Field(default=None, description="Variable that has the url", examples=["HEARTBEAT_URL"])
    url_file: Path | None = Field(default=None, description="File that has the url", examples=["/run/secrets/ping"])
    interval: Duration = Field(default=60.0, gt=0, description="How often", examples=["60s"])
    tell_failures: bool = Field(
        default=False,
        description="Whether URL/fail is asked when a part is stuck, as healthchecks.io has it",
        examples=["true"],
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, values: Any) -> Any:
        return with_secrets(values, ("url",))

    def secrets(self) -> tuple[str, ...]:
        """The values that no log line may show."""
        return () if self.url is None else (self.url.get_secret_value(),)


def with_secrets(values: Any, names: tuple[str, ...]) -> Any:
    """The settings, each of `names` read from where `NAME_env` or `NAME_file` says.

    Raises:
        ValueError: it is said twice, or cannot be read there.
    """
    if not isinstance(values, Mapping):
        return values
    found = dict(values)
    for name in names:
        given = [key for key in (name, f"{name}_env", f"{name}_file") if found.get(key) not in (None, "")]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} say the same thing; keep one of them")
        if given == [f"{name}_env"]:
            variable = str(found[f"{name}_env"])
            if not os.environ.get(variable):
                raise ValueError(f"the variable {variable}, which {name}_env names, is not set")
            found[name] = os.environ[variable]
        elif given == [f"{name}_file"]:
            path = Path(str(found[f"{name}_file"]))
            try:
                found[name] = path.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{path}, which {name}_file names, cannot be read: {error}") from None
    return found
