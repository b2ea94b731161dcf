"""What docs/alerts.md and config/upwell.toml say of sinks is so."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

from upwell.alert_settings import MaintenanceSettings, SilenceSettings, SinkSettings
from upwell.alerts.dispatcher import ENTRY_POINTS
from upwell.events import Trouble

ROOT = Path(__file__).parents[3]
ALERTS = (ROOT / "docs" / "alerts.md").read_text()
CONFIG = (ROOT / "config" / "upwell.toml").read_text()


def first_column(heading: str) -> set[str]:
    table = ALERTS.partition(heading)[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([a-z_]+)`", table, re.M))


def test_every_kind_of_sink_is_there_and_no_other() -> None:
    assert first_column("| kind | what it needs") == {point.name for point in entry_points(group=ENTRY_POINTS)}


def test_every_kind_of_trouble_is_there_and_no_other() -> None:
    assert first_column("| trouble | begins") == set(get_args(Trouble))


def test_every_setting_of_a_sink_a_silence_and_a_window_is_in_the_configuration_file() -> None:
    shown = set(re.findall(r"^#     ([a-z_]+) = ", CONFIG, re.M)) | {"url_file", "secret", "secret_env", "options"}
    fields = {*SinkSettings.model_fields, *SilenceSettings.model_fields, *MaintenanceSettings.model_fields}
    assert fields - shown == set()


def test_the_sink_that_is_shown_can_be_made() -> None:
    [code] = re.findall(r"```python\n(.*?)```", ALERTS, re.S)
    names: dict[str, object] = {}
    exec(code, names)
    assert "PagerSink" in names
