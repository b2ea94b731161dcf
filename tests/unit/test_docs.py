"""What the docs say is so: every setting, command, log event and route is found where it belongs, and no other."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from upwell.cli.main import ENTRIES, load
from upwell.events import KINDS
from upwell.settings import LocationSettings, load_settings, variables
from upwell.web.app import ROUTES

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "upwell.toml"
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()

_SETTING = re.compile(r"^# (\[?[a-z_.]+\]?( = .*)?)$")
_LOG_CALL = re.compile(r"\b_?log\.(?:debug|info|warning|error|exception|critical)\(\s*\"([a-z_.]+)\"")
_LOG_NAME = re.compile(r"`([a-z_]+\.[a-z_]+)`")


def code() -> Iterable[str]:
    """The text of every module."""
    return (path.read_text() for folder in ("service/upwell", "sensors") for path in (ROOT / folder).rglob("*.py"))


def commented_out() -> dict[str, Any]:
    """config/upwell.toml with every setting in force."""
    lines = CONFIG.read_text().splitlines()
    return tomllib.loads("\n".join(match[1] if (match := _SETTING.match(line)) else line for line in lines))


def settings_of(table: dict[str, Any], prefix: str = "UPWELL_") -> set[str]:
    found: set[str] = set()
    for key, value in table.items():
        variable = f"{prefix}{key.upper()}"
        found |= (
            {variable} if key == "locations" or not isinstance(value, dict) else settings_of(value, f"{variable}__")
        )
    return found


class TestSettings:
    def test_are_all_in_the_configuration_file_and_it_has_no_other(self) -> None:
        sections = {"UPWELL_WEBHOOK", "UPWELL_LOG", "UPWELL_FRESHNESS", "UPWELL_ALERTS", "UPWELL_HEARTBEAT"}
        documented = {name for name in settings_of(commented_out()) if name not in sections}
        # `pools = {}` is an empty table to TOML.
        assert documented | {"UPWELL_POOLS"} == {*variables()} - sections

    def test_of_a_location_are_all_there(self) -> None:
        assert set(commented_out()["locations"]["orders"]) == set(LocationSettings.model_fields)

    def test_stand_there_with_the_defaults_they_have(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shown = {key: value for key, value in commented_out().items() if not isinstance(value, dict)}
        unset = {"worker_memory_limit", "step_timeout", "retention", "url", "api_token"}
        of_this_machine = {"home", "database_url", "workers"}
        monkeypatch.delenv("UPWELL_CONFIG", raising=False)
        plain, as_shown = (
            load_settings(),
            load_settings(**{k: v for k, v in shown.items() if k not in unset | of_this_machine}),
        )
        assert as_shown == plain

    def test_are_accepted_as_they_stand_there(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        config = tmp_path / "upwell.toml"
        alone = CONFIG.read_text().replace('# api_token = ""', "")
        lines = alone.replace("# url_env", "#  ").replace("# url_file", "#  ").splitlines()
        config.write_text("\n".join(match[1] if (match := _SETTING.match(line)) else line for line in lines))
        monkeypatch.setenv("UPWELL_CONFIG", str(config))
        assert load_settings().retention == 90 * 86_400

    def test_are_described_each_with_an_example(self) -> None:
        for variable, field in variables().items():
            assert field.description, variable
            assert field.examples, variable

    def test_named_in_the_readme_exist(self) -> None:
        named = set(re.findall(r"UPWELL_[A-Z_]+[A-Z]", README))
        assert named <= {*variables(), "UPWELL_CONFIG"}


def commands() -> Iterable[str]:
    for entry in ENTRIES:
        target = load(entry)
        yield from (
            (f"{entry.name} {inner}" for inner in target.commands) if hasattr(target, "commands") else [entry.name]
        )


class TestCommands:
    def test_are_all_in_the_readme(self) -> None:
        assert [name for name in commands() if f"`upwell {name}" not in README] == []

    def test_named_in_the_readme_and_the_docs_exist(self) -> None:
        known = {*commands(), *(entry.name for entry in ENTRIES)}
        texts = "\n".join(path.read_text() for path in (ROOT / "README.md", CONFIG, *(ROOT / "docs").glob("*.md")))
        named = re.findall(r"(?:`|\$ |&& )upwell ([a-z]+)(?: ([a-z]+))?", texts)
        assert len(named) > 20
        assert [pair for pair in named if not {pair[0], " ".join(pair).strip()} & known] == []

    def test_take_the_options_that_the_readme_shows(self) -> None:
        for name, options in re.findall(r"^\| `upwell ([a-z]+)([^|`]*)`", README, re.M):
            target = load(next(entry for entry in ENTRIES if entry.name == name))
            has = {option for parameter in getattr(target, "params", []) for option in parameter.opts}
            has |= {o for inner in getattr(target, "commands", {}).values() for p in inner.params for o in p.opts}
            assert set(re.findall(r"(?<!\w)--?[a-z-]+", options)) <= has, name


class TestLogEvents:
    def test_of_the_journal_are_all_in_the_architecture(self) -> None:
        told = {*KINDS} - {"check.evaluated"} | {"check.passed", "check.failed"}
        told |= {"freshness.warned", "freshness.violated", "freshness.recovered"}
        assert told - set(_LOG_NAME.findall(ARCHITECTURE)) == set()

    def test_of_the_service_itself_are_all_in_the_architecture(self) -> None:
        written = {name for text in code() for name in _LOG_CALL.findall(text)}
        assert {"webhook.rejected", "source.polling"} <= written
        assert written - set(_LOG_NAME.findall(ARCHITECTURE)) == set()

    def test_in_the_architecture_are_all_written_somewhere(self) -> None:
        texts = "\n".join(code())
        table = ARCHITECTURE.partition("## The log")[2].partition("## Where")[0]
        named = {name for line in table.splitlines() if line.startswith("| `") for name in _LOG_NAME.findall(line)}
        assert [name for name in named if f'"{name}"' not in texts] == []


class TestRoutes:
    def test_are_all_in_the_api_document(self) -> None:
        routes = [route for module in ROUTES for route in module.router.routes]
        there = {f"{method} /api/v1{route.path}" for route in routes for method in route.methods}
        there |= {f"GET {path}" for path in ("/", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")}
        there |= {"POST /webhooks/{name}"}
        assert set(re.findall(r"`((?:GET|POST) /[^`]*)`", API)) == there


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
