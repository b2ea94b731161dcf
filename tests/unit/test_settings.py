from __future__ import annotations

from pathlib import Path

import pytest

from upwell.errors import SettingsError
from upwell.settings import LocationSettings, Settings, load_settings


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("UPWELL_HOME", "UPWELL_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def complaint(**overrides: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    return str(caught.value)


def test_without_any_setting_everything_lives_below_the_working_directory(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.home == tmp_path / ".upwell"
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path / '.upwell' / 'upwell.db'}"
    assert settings.sqlite_path == tmp_path / ".upwell" / "upwell.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8600)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "upwell.toml"
    config.write_text('port = 1\nmax_runs = 2\nmax_steps = 3\n[log]\nlevel = "error"\n')
    monkeypatch.setenv("UPWELL_CONFIG", str(config))
    monkeypatch.setenv("UPWELL_PORT", "4")
    monkeypatch.setenv("UPWELL_MAX_RUNS", "5")
    settings = load_settings(port=6)
    assert (settings.port, settings.max_runs, settings.max_steps, settings.log.level) == (6, 5, 3, "error")


def test_nested_settings_are_written_with_two_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPWELL_LOG__LEVEL", "debug")
    monkeypatch.setenv("UPWELL_POOLS__WAREHOUSE", "2")
    settings = load_settings()
    assert settings.log.level == "debug"
    assert settings.pools == {"warehouse": 2}


@pytest.mark.parametrize("text", ["a.py,b.py", " a.py , b.py ,", '["a.py", "b.py"]', "a.py\nb.py\n"])
def test_a_list_is_written_with_commas_or_as_json(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPWELL_FILES", text)
    assert load_settings().files == ("a.py", "b.py")


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("30s", 30.0), ("5m", 300.0), ("1.5h", 5400.0), ("7d", 604800.0), ("12", 12)]
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPWELL_STEP_TIMEOUT", text)
    assert load_settings().step_timeout == seconds


def test_sizes_are_written_with_their_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPWELL_WEBHOOK__MAX_BODY", "2MiB")
    assert load_settings().webhook.max_body == 2 * 1024 * 1024


def test_files_and_modules_at_the_top_are_the_default_location(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "upwell.toml"
    config.write_text('files = ["a.py"]\n[locations.orders]\nmodules = ["orders"]\nworking_directory = "elsewhere"\n')
    monkeypatch.setenv("UPWELL_CONFIG", str(config))
    assert load_settings().code_locations() == {
        "orders": LocationSettings(modules=("orders",), working_directory=Path("elsewhere")),
        "default": LocationSettings(files=("a.py",)),
    }


class TestTokens:
    def test_are_written_as_role_and_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UPWELL_API_TOKENS", "operator:alice:1,viewer:bob")
        tokens = [(entry.role, entry.token.get_secret_value()) for entry in load_settings().api_tokens]
        assert tokens == [("operator", "alice:1"), ("viewer", "bob")]

    def test_may_be_tables(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "upwell.toml").write_text('[[api_tokens]]\nrole = "viewer"\ntoken = "bob"\n')
        monkeypatch.setenv("UPWELL_CONFIG", "upwell.toml")
        assert [entry.role for entry in load_settings().api_tokens] == ["viewer"]

    def test_are_read_from_a_file_one_a_line(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "tokens").write_text("operator:alice\nviewer:bob\n")
        monkeypatch.setenv("UPWELL_API_TOKENS_FILE", str(tmp_path / "tokens"))
        assert [entry.role for entry in load_settings().api_tokens] == ["operator", "viewer"]

    def test_never_show_when_settings_are_printed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UPWELL_API_TOKENS", "operator:hunter2")
        assert "hunter2" not in repr(load_settings())

    def test_do_not_show_in_the_complaint_about_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UPWELL_API_TOKENS", "boss:hunter2")
        text = complaint()
        assert "UPWELL_API_TOKENS" in text
        assert "hunter2" not in text


def test_every_secret_is_told_to_the_log_so_that_it_can_be_blotted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPWELL_API_TOKENS", "operator:alice")
    monkeypatch.setenv("UPWELL_API_TOKEN", "bob")
    monkeypatch.setenv("UPWELL_DATABASE_URL", "postgresql://upwell:charlie@db/upwell")
    assert set(load_settings().secrets()) == {"alice", "bob", "charlie"}


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p@db/x", "postgresql+asyncpg://u:p@db/x"),
        ("postgresql://u:p@db/x", "postgresql+asyncpg://u:p@db/x"),
        ("postgresql+asyncpg://u:p@db/x", "postgresql+asyncpg://u:p@db/x"),
        ("sqlite:////srv/x.db", "sqlite+aiosqlite:////srv/x.db"),
    ],
)
def test_a_database_url_gets_the_driver_that_is_used(given: str, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPWELL_DATABASE_URL", given)
    assert load_settings().database_url == used


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("UPWELL_PORT", "abc", ["UPWELL_PORT='abc'", "integer", "8600"]),
        ("UPWELL_PORT", "70000", ["UPWELL_PORT='70000'", "65535"]),
        ("UPWELL_PORT", "tcp://10.0.0.1:8600", ["UPWELL_PORT", "Kubernetes", "enableServiceLinks"]),
        ("UPWELL_PROT", "8600", ["UPWELL_PROT is no setting", "UPWELL_PORT"]),
        ("UPWELL_LOG_LEVEL", "debug", ["UPWELL_LOG_LEVEL is no setting", "UPWELL_LOG__LEVEL"]),
        ("UPWELL_LOG__LEVEL", "loud", ["UPWELL_LOG__LEVEL='loud'", "'debug', 'info'"]),
        ("UPWELL_LOG__LEVL", "info", ["UPWELL_LOG__LEVL is no setting", "log__level"]),
        ("UPWELL_POOLS", "{warehouse", ["UPWELL_POOLS='{warehouse'", "not JSON", '{"warehouse": 2}']),
        ("UPWELL_POOLS__WAREHOUSE", "0", ["UPWELL_POOLS__WAREHOUSE='0'", "greater than or equal to 1"]),
        ("UPWELL_FILES", "[1", ["UPWELL_FILES", "not a JSON list"]),
        ("UPWELL_STEP_TIMEOUT", "5 fortnights", ["UPWELL_STEP_TIMEOUT='5 fortnights'", "250ms, 30s"]),
        ("UPWELL_DATABASE_URL", "mysql://u@db/x", ["UPWELL_DATABASE_URL", "sqlite+aiosqlite:///PATH"]),
        ("UPWELL_API_TOKENS", "hunter2", ["UPWELL_API_TOKENS", "role:token"]),
        ("UPWELL_API_TOKEN_FILE", "/nowhere", ["UPWELL_API_TOKEN_FILE='/nowhere' cannot be read"]),
        ("UPWELL_CONFIG", "/nowhere.toml", ["UPWELL_CONFIG='/nowhere.toml' cannot be read"]),
        ("UPWELL_URL", "upwell:8600", ["UPWELL_URL='upwell:8600'", "http://upwell:8600"]),
    ],
)
def test_a_wrong_setting_names_itself_its_value_and_the_mend(
    variable: str, value: str, parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    text = complaint()
    for part in parts:
        assert part in text


def test_every_wrong_setting_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPWELL_PORT", "abc")
    monkeypatch.setenv("UPWELL_MAX_RUNS", "0")
    lines = complaint().splitlines()
    assert [line.partition("=")[0] for line in lines] == ["UPWELL_PORT", "UPWELL_MAX_RUNS"]


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        ("port = 'x'", ["port in upwell.toml='x'"]),
        ("[log]\nlevle = 'info'", ["log.levle in upwell.toml is no setting", "log__level"]),
        ("prot = 1", ["prot in upwell.toml is no setting", "port"]),
        ("port = ", ["UPWELL_CONFIG='upwell.toml' is not a TOML file"]),
    ],
)
def test_a_wrong_setting_in_the_file_is_named_by_its_key(
    toml: str, parts: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "upwell.toml").write_text(toml)
    monkeypatch.setenv("UPWELL_CONFIG", "upwell.toml")
    text = complaint()
    for part in parts:
        assert part in text


def test_a_secret_cannot_be_set_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("alice")
    monkeypatch.setenv("UPWELL_API_TOKEN", "bob")
    monkeypatch.setenv("UPWELL_API_TOKEN_FILE", str(tmp_path / "token"))
    assert "both set" in complaint()


def test_variables_of_kubernetes_and_of_user_code_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UPWELL_SERVICE_HOST", "UPWELL_PORT_8600_TCP_ADDR", "UPWELL_ORDERS_SECRET"):
        monkeypatch.setenv(name, "10.0.0.1")
    assert load_settings().port == 8600


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://127.0.0.1:8600"),
        ({"host": "0.0.0.0", "port": 1}, "http://127.0.0.1:1"),
        ({"host": "::"}, "http://[::1]:8600"),
        ({"url": "https://upwell.example/"}, "https://upwell.example"),
    ],
)
def test_the_commands_find_the_service(settings: dict[str, object], url: str) -> None:
    assert load_settings(**settings).base_url == url


def test_workers_follow_the_processors_within_bounds() -> None:
    workers = Settings.model_fields["workers"].get_default(call_default_factory=True)
    assert 2 <= workers <= 4
