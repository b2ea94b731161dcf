"""Settings of freshness: policies for assets that declare none."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from upwell.setting_types import Duration, Section, split_list


class FreshnessDefault(Section):
    """A policy for the assets of a group or with a tag that declare none; durations as everywhere in the settings."""

    group: str | None = Field(default=None, description="For which group", examples=["marts"])
    tag: str | None = Field(default=None, description="For which tag, as KEY or KEY=VALUE", examples=["tier=gold"])
    fail_window: Duration | None = Field(default=None, description="Age at which an asset fails", examples=["1h"])
    warn_window: Duration | None = Field(default=None, description="Age at which it warns", examples=["30m"])
    deadline_cron: str | None = Field(default=None, description="When the deadlines are", examples=["0 9 * * 1-5"])
    lower_bound_delta: Duration | None = Field(
        default=None, description="How long before its deadline a window opens", examples=["8h"]
    )
    warn_before: Duration | None = Field(
        default=None, description="How long before a deadline an asset warns", examples=["30m"]
    )
    maximum_lag: Duration | None = Field(default=None, description="Age of its data at which it fails", examples=["2d"])
    timezone: str = Field(default="UTC", description="Of the deadlines", examples=["Europe/Berlin"])
    grace: Duration | None = Field(
        default=None, description="How long an asset that was never made is not late", examples=["1d"]
    )
    basis: Literal["run", "data"] = Field(default="run", description="What has to be recent", examples=["data"])

    @model_validator(mode="after")
    def _is_one_policy_for_somebody(self) -> FreshnessDefault:
        if (self.group is None) == (self.tag is None):
            raise ValueError("a default is for a group or for a tag: give one of the two")
        if sum(value is not None for value in (self.fail_window, self.deadline_cron, self.maximum_lag)) != 1:
            raise ValueError("a default has one of fail_window, deadline_cron and maximum_lag")
        return self


class FreshnessSettings(Section):
    """How recent assets have to be that do not say so themselves."""

    defaults: Annotated[tuple[FreshnessDefault, ...], NoDecode, BeforeValidator(split_list)] = Field(
        default=(),
        description="Policies of assets that declare none; the first that fits counts",
        examples=['[{"group": "marts", "fail_window": "1d"}]'],
    )
