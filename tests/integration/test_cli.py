"""The commands against a real service, and beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

UPWELL = Path(sys.executable).with_name("upwell")
ORDER = {"order": 1005, "day": "2024-05-02", "status": "completed", "amount": 12.0}

PARTITIONED = (
    "from upwell import DailyPartitionsDefinition, asset\n"
    "@asset\ndef plain(): ...\n"
    "@asset(partitions_def=DailyPartitionsDefinition(start_date='2024-01-01'))\ndef days(context): ...\n"
)


def environment(**settings: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("UPWELL_")}
    return clean | {"TZ": "UTC", "NO_COLOR": "1"} | settings


def upwell(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [UPWELL, *arguments], cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=60
    )


class Service:
    """`upwell serve` or `upwell dev` in a project's folder."""

    def __init__(self, folder: Path, command: str, **settings: str) -> None:
        self.folder = folder
        self.log = folder / "service.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [UPWELL, command, "--port", "0"], cwd=folder, env=environment(**settings), stdout=log, stderr=log
            )
        ready = self.wait_for(r"service\.ready.*?(http://[\d.]+:\d+)")
        self.url = ready[1]

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the log has a line like that."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if match := re.search(pattern, self.log.read_text()):
                return match
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(f"no line like {pattern}:\n{self.log.read_text()}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return upwell(self.folder, *arguments, **{"UPWELL_URL": self.url} | settings)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `upwell init` makes."""
    folder = tmp_path_factory.mktemp("projects") / "shop"
    done = upwell(folder.parent, "init", "shop")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def service(shop: Path) -> Iterator[Service]:
    """The service on it, with everything fresh from the file that lies in its landing folder."""
    running = Service(shop, "serve")
    running.wait_for(r'"run\.succeeded"')
    yield running
    running.process.kill()
    running.process.wait()


def test_every_line_of_serve_is_a_json_object_with_time_level_and_event(service: Service) -> None:
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert all(list(line)[:3] == ["timestamp", "level", "event"] for line in lines)
    events = [line["event"] for line in lines]
    expected = [
        "location.loaded",
        "service.ready",
        "file.changed",
        "run.requested",
        "run.started",
        "asset.materialized",
    ]
    assert [event for event in dict.fromkeys(events) if event in expected] == expected


def test_status_shows_what_is_up_to_date_and_fresh(service: Service) -> None:
    done = service.run("status")
    header, *rows, summary = done.stdout.splitlines()
    assert header.split() == ["ASSET", "FRESHNESS", "SINCE", "DEADLINE", "STATUS", "LAST", "MADE", "CAUSE"]
    assert [row.split()[:2] for row in rows] == [["daily_sales", "fresh"], ["raw_orders", "-"], ["fct_orders", "-"]]
    assert all("up to date" in row for row in rows)
    assert summary == "1 fresh, 2 without policy"


def test_status_takes_a_selection(service: Service) -> None:
    assert [one["key"] for one in service.json("status", "group:marts")["assets"]] == ["fct_orders", "daily_sales"]


def test_list_tells_what_there_is(service: Service) -> None:
    assert [one["key"] for one in service.json("list", "assets")["assets"]] == [
        "raw_orders",
        "fct_orders",
        "daily_sales",
    ]
    assert {one["name"] for one in service.json("list", "sources")["sources"]} == {
        "files:landing/orders-*.csv",
        "webhook:orders",
    }
    assert service.json("list", "jobs") == {"jobs": []}


def test_explain_tells_why(service: Service) -> None:
    done = service.run("explain", "daily_sales")
    assert done.stdout.startswith("daily_sales is up to date")
    assert "listened to by raw_orders" in done.stdout


def test_what_is_not_there_is_wrong_usage(service: Service) -> None:
    for arguments in (["explain", "nosuch"], ["status", "nosuch"], ["status", "group:("]):
        done = service.run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("upwell: ")


def test_events_tail_prints_the_newest_oldest_first(service: Service) -> None:
    events = [json.loads(line) for line in service.run("events", "tail", "-n", "3", "--json").stdout.splitlines()]
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    kinds = {line.split()[3] for line in service.run("events", "tail", "--kind", "check.evaluated").stdout.splitlines()}
    assert kinds == {"check.evaluated"}


@pytest.fixture
def tail(service: Service) -> Iterator[subprocess.Popen[str]]:
    """`upwell events tail --follow`, from the newest event on."""
    command = [str(UPWELL), "events", "tail", "-n", "1", "--follow", "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        env=environment(UPWELL_URL=service.url),
        text=True,
        cwd=service.folder,
        # A shell that started the tests in the background has them, and so their children, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        yield process
        process.kill()


def test_events_tail_follows_until_ctrl_c(service: Service, tail: subprocess.Popen[str]) -> None:
    assert tail.stdout is not None
    newest = json.loads(tail.stdout.readline())["id"]
    receipt = httpx.post(f"{service.url}/webhooks/orders", json=ORDER).json()
    ids = [newest]
    while ids[-1] < receipt["event_id"]:
        ids.append(json.loads(tail.stdout.readline())["id"])
    assert ids == list(range(newest, receipt["event_id"] + 1))
    tail.send_signal(signal.SIGINT)
    assert tail.wait(10) == 0


def test_the_database_is_copied_while_the_service_writes_it(service: Service, tmp_path: Path) -> None:
    done = service.run("db", "backup", str(tmp_path / "copy.db"))
    assert done.returncode == 0, done.stderr
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert copy.execute("SELECT count(*) FROM events").fetchone()[0] > 5
    copy.close()
    again = service.run("db", "backup", str(tmp_path / "copy.db"))
    assert again.returncode == 3
    assert "exists" in again.stderr


@pytest.mark.parametrize("arguments", [["upgrade"], ["prune", "--older-than", "1d"]])
def test_the_database_of_a_running_service_is_written_by_nobody_else(service: Service, arguments: list[str]) -> None:
    done = service.run("db", *arguments)
    assert done.returncode == 3
    assert f"in use by process {service.process.pid}" in done.stderr


def test_after_a_graceful_stop_the_commands_read_the_disk(tmp_path: Path) -> None:
    assert upwell(tmp_path, "init", "shop").returncode == 0
    running = Service(tmp_path / "shop", "serve")
    running.wait_for(r'"run\.succeeded"')
    assert running.stop() == 0
    done = upwell(running.folder, "status", UPWELL_PORT="1")
    assert done.returncode == 0
    rows = [row.split()[:2] for row in done.stdout.splitlines()[1:-1]]
    assert rows == [["daily_sales", "fresh"], ["raw_orders", "-"], ["fct_orders", "-"]]
    assert "no service answers" in done.stderr
    tail = upwell(running.folder, "events", "tail", "-n", "1", UPWELL_PORT="1")
    assert "service.stopping" in tail.stdout
    assert upwell(running.folder, "db", "upgrade").returncode == 0


def test_without_definitions_status_tells_what_the_journal_knows(tmp_path: Path) -> None:
    assert upwell(tmp_path, "init", "shop").returncode == 0
    running = Service(tmp_path / "shop", "serve")
    running.wait_for(r'"run\.succeeded"')
    assert running.stop() == 0
    (running.folder / "definitions.py").unlink()
    done = upwell(running.folder, "status", "--json", UPWELL_PORT="1")
    assert {one["key"] for one in json.loads(done.stdout)["assets"]} == {"raw_orders", "fct_orders", "daily_sales"}


def test_where_there_is_neither_service_nor_database_it_says_how_to_start(tmp_path: Path) -> None:
    for arguments in (["status"], ["explain", "x"], ["events", "tail"], ["list", "assets"]):
        done = upwell(tmp_path, *arguments, UPWELL_PORT="1")
        assert done.returncode == 3
        assert "upwell dev -f FILE" in done.stderr


def test_a_named_service_that_does_not_answer_is_not_replaced_by_the_disk(shop: Path) -> None:
    done = upwell(shop, "status", "--url", "http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "http://127.0.0.1:1 cannot be reached" in done.stderr


def test_dev_writes_for_people_and_loads_changed_code(tmp_path: Path) -> None:
    assert upwell(tmp_path, "init", "shop").returncode == 0
    running = Service(tmp_path / "shop", "dev")
    try:
        running.wait_for(r"\d\d:\d\d:\d\d   run\.succeeded ")
        definitions = running.folder / "definitions.py"
        definitions.write_text(definitions.read_text() + "\n\n@asset\ndef refunds(): ...\n")
        running.wait_for(r"location\.loaded +default generation=2 assets=4")
        definitions.write_text("1 / 0\n")
        running.wait_for(r"! location\.failed +default error=\"ZeroDivisionError: division by zero\"\n +Traceback")
    finally:
        assert running.stop() == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that asks for a token."""
    folder = tmp_path_factory.mktemp("guarded")
    assert upwell(folder, "init", "shop").returncode == 0
    running = Service(folder / "shop", "serve", UPWELL_API_TOKENS="viewer:bobs-long-token")
    yield running
    running.process.kill()
    running.process.wait()


class TestTokens:
    def test_are_needed_and_the_message_says_which_variable(self, guarded: Service) -> None:
        done = guarded.run("status")
        assert done.returncode == 3
        assert "UPWELL_API_TOKEN" in done.stderr

    def test_open_the_api(self, guarded: Service) -> None:
        assert guarded.run("status", UPWELL_API_TOKEN="bobs-long-token").returncode == 0

    def test_never_stand_in_the_log(self, guarded: Service) -> None:
        assert "bobs-long-token" not in guarded.log.read_text()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"UPWELL_HOST": "0.0.0.0"}, "UPWELL_API_TOKENS"),
        ({"UPWELL_PORT": "abc"}, "UPWELL_PORT='abc'"),
        ({"UPWELL_FILES": ""}, "no definitions are named"),
    ],
)
def test_a_service_that_must_not_start_says_why(settings: dict[str, str], words: str, tmp_path: Path) -> None:
    if settings.get("UPWELL_FILES") != "":
        (tmp_path / "definitions.py").write_text("")
    done = upwell(tmp_path, "serve", **settings)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_port_that_is_taken_is_said_in_a_sentence(service: Service, tmp_path: Path) -> None:
    (tmp_path / "definitions.py").write_text("")
    done = upwell(tmp_path, "serve", "--port", service.url.rpartition(":")[2])
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_the_example_of_the_readme_does_what_the_readme_shows(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", readme, re.S)
    sent = re.search(r"localhost:8600(/webhooks/\S+) .*?-d '([^']+)'", readme)
    assert code and sent
    (tmp_path / "definitions.py").write_text(code[1])
    running = Service(tmp_path, "dev")
    try:
        assert httpx.post(running.url + sent[1], json=json.loads(sent[2])).status_code == 202
        running.wait_for("run.succeeded ")
        shown = [line.split()[1] for line in readme.splitlines() if re.match(r"\d\d:\d\d:\d\d   ", line)]
        written = [line.split()[1] for line in running.log.read_text().splitlines()]
        assert written[-len(shown) :] == shown
    finally:
        assert running.stop() == 0


class TestMaterialize:
    @pytest.fixture
    def fresh(self, tmp_path: Path) -> Path:
        assert upwell(tmp_path, "init", "shop").returncode == 0
        return tmp_path / "shop"

    def test_makes_everything_and_says_so_line_by_line(self, fresh: Path) -> None:
        done = upwell(fresh, "materialize")
        assert done.returncode == 0, done.stderr
        lines = [line.split()[:2] for line in done.stdout.splitlines()]
        assert lines[0] == ["made", "raw_orders"]
        assert ["passed", "fct_orders:amounts_are_positive"] in lines
        assert re.fullmatch(r"run [0-9a-f]{8}: succeeded in \d+ ms\n", done.stdout.splitlines(keepends=True)[-1])

    def test_records_the_run_in_the_journal(self, fresh: Path) -> None:
        assert upwell(fresh, "materialize").returncode == 0
        tail = upwell(fresh, "events", "tail", "--kind", "run.requested", "--kind", "run.succeeded", "--json")
        assert [json.loads(line)["kind"] for line in tail.stdout.splitlines()] == ["run.requested", "run.succeeded"]
        assert "up to date" in upwell(fresh, "status").stdout

    def test_makes_what_is_selected(self, fresh: Path) -> None:
        assert upwell(fresh, "materialize").returncode == 0
        done = upwell(fresh, "materialize", "--select", "group:marts", "--json")
        result = json.loads(done.stdout)
        assert result["status"] == "SUCCESS"
        made = [one["name"] for one in result["results"] if one["result"] == "made"]
        assert made == ["fct_orders", "daily_sales"]

    def test_a_failure_is_told_with_its_traceback_and_exit_code_1(self, fresh: Path) -> None:
        (fresh / "definitions.py").write_text(
            "from upwell import asset\n@asset\ndef a():\n    raise ValueError('no rows')\n@asset\ndef b(a): ...\n"
        )
        done = upwell(fresh, "materialize")
        assert done.returncode == 1
        assert done.stdout.startswith("failed  a  ValueError: no rows\n    Traceback")
        assert "skipped b" in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--select", "days"], "days: partitioned; say which partition with --partition KEY"),
            (["--select", "days", "--partition", "1999-01-01"], "days has no partition '1999-01-01'"),
            (["--select", "plain", "--partition", "2024-01-01"], "leave out --partition 2024-01-01"),
            (["--select", "nosuch"], "there is no asset 'nosuch'"),
            (["--config", "nosuch.json"], "--config is neither JSON nor a file"),
        ],
    )
    def test_wrong_usage_names_the_mend(self, arguments: list[str], words: str, fresh: Path) -> None:
        (fresh / "definitions.py").write_text(PARTITIONED)
        done = upwell(fresh, "materialize", *arguments)
        assert done.returncode == 2
        assert words in done.stderr

    def test_what_needs_a_partition_is_left_out_of_everything_and_made_when_one_is_given(self, fresh: Path) -> None:
        (fresh / "definitions.py").write_text(PARTITIONED)
        done = upwell(fresh, "materialize")
        assert done.stdout.startswith("made    plain")
        assert "left out, since they need --partition KEY: days" in done.stderr
        done = upwell(fresh, "materialize", "--partition", "2024-01-01")
        assert "made    days@2024-01-01" in done.stdout

    def test_code_that_cannot_be_loaded_fails_with_file_and_line(self, fresh: Path) -> None:
        (fresh / "definitions.py").write_text("x = 1\n1 / 0\n")
        done = upwell(fresh, "materialize")
        assert done.returncode == 1
        assert done.stderr == "upwell: definitions.py:2: ZeroDivisionError: division by zero\n"

    def test_ctrl_c_ends_the_run_for_good(self, fresh: Path) -> None:
        (fresh / "definitions.py").write_text(
            "import time\nfrom pathlib import Path\nfrom upwell import asset\n"
            "@asset\ndef slow():\n    Path('begun').touch()\n    time.sleep(60)\n"
        )
        with subprocess.Popen(
            [str(UPWELL), "materialize"],
            cwd=fresh,
            env=environment(),
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            deadline = time.monotonic() + 30
            while not (fresh / "begun").exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) != 0
        tail = upwell(fresh, "events", "tail", "-n", "1", "--json")
        assert json.loads(tail.stdout)["kind"] == "run.canceled"

    def test_is_done_by_the_service_that_has_the_database(self, service: Service) -> None:
        done = service.run("materialize", "--select", "daily_sales")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("made    daily_sales")
        assert "so it makes them" in done.stderr
