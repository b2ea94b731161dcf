"""How settings are written: durations, lists, secrets."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?\s*")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, None: 1.0}


def parse_duration(text: Any) -> Any:
    """Seconds from "250ms", "30s", "5m", "2h", "7d" or a plain number; what is no string is passed on as it is."""
    if not isinstance(text, str):
        return text
    if not (match := _DURATION.fullmatch(text)):
        raise ValueError("write a duration as a number and a unit, such as 250ms, 30s, 5m, 2h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def split_list(text: Any) -> Any:
    """A list as JSON, or its elements separated by commas or line ends."""
    if not isinstance(text, str):
        return text
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"this is not a JSON list: {error}") from None
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


Duration: TypeAlias = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
Strings: TypeAlias = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]
Positive: TypeAlias = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")
