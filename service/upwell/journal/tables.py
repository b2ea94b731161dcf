"""The journal's tables, the same in every dialect.

Instants are microseconds since 1970 (UTC) and JSON is text, so that the writer can hand plain numbers and strings to
any driver. `events` is the truth; every other table is a projection of it, written in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    literal_column,
    text,
)

metadata = MetaData()

# SQLite's row id is a column of the type INTEGER and no other.
_EventId = BigInteger().with_variant(Integer(), "sqlite")


def _instant(name: str) -> Column[int]:
    return Column(name, BigInteger)


def _json(name: str) -> Column[str]:
    return Column(name, Text)


def _event_id(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


events = Table(
    "events",
    metadata,
    Column("id", _EventId, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("run_id", Text),
    Column("source", Text),
    Column("body", Text, nullable=False),
    Index("events_by_kind", "kind", "id"),
    Index(
        "events_by_run",
        "run_id",
        "id",
        sqlite_where=text("run_id IS NOT NULL"),
        postgresql_where=text("run_id IS NOT NULL"),
    ),
    Index(
        "events_by_source",
        "source",
        "id",
        sqlite_where=text("source IS NOT NULL"),
        postgresql_where=text("source IS NOT NULL"),
    ),
)

event_assets = Table(
    "event_assets",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Index("event_assets_by_event", "event_id"),
    sqlite_with_rowid=False,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("source", Text, primary_key=True),
    Column("delivery_id", Text, primary_key=True),
    Column("event_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("deliveries_by_event", "event_id"),
    sqlite_with_rowid=False,
)

source_cursors = Table(
    "source_cursors",
    metadata,
    Column("source", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    _json("value"),
    sqlite_with_rowid=False,
)

progress = Table(
    "progress",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("requested_id", BigInteger),
    _instant("requested_at"),
    Column("status", Text),
    Column("lane", Text),
    Column("reason", Text),
    Column("cause", Text),
    _json("plan"),
    _json("roots"),
    Column("partition", Text),
    _json("config"),
    _json("tags"),
    Column("retry_of", Text),
    Column("job", Text),
    Column("sensor", Text),
    Column("run_key", Text),
    _instant("started_at"),
    _instant("ended_at"),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Index("runs_by_request", "requested_id"),
    Index(
        "runs_unfinished",
        "requested_id",
        "run_id",
        sqlite_where=text("status IN ('QUEUED', 'STARTED')"),
        postgresql_where=text("status IN ('QUEUED', 'STARTED')"),
    ),
    Index("runs_by_status", "status", "requested_id"),
)

run_events = Table(
    "run_events",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# Which assets each step of a plan makes: a step's events name the step only, and the catalogue asks by asset.
plan_assets = Table(
    "plan_assets",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("step_id", Text, primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("requested_id", BigInteger, nullable=False),
    Index("plan_assets_by_asset", "asset", "requested_id"),
    sqlite_with_rowid=False,
)

steps = Table(
    "steps",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("step_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    _instant("started_at"),
    _instant("ended_at"),
    _instant("retry_at"),
    _json("error"),
    Column("reason", Text),
    Column("log", Text),
    sqlite_with_rowid=False,
)

assets = Table(
    "assets",
    metadata,
    Column("asset", Text, primary_key=True),
    _event_id("materialized_id"),
    _instant("materialized_at"),
    Column("materialized_run", Text),
    Column("materialized_partition", Text),
    _json("metadata"),
    Column("code_version", Text),
    Column("data_version", Text),
    Column("duration", Double),
    _event_id("failed_id"),
    _instant("failed_at"),
    Column("failed_run", Text),
    _json("error"),
    _event_id("started_id"),
    Column("started_run", Text),
    _event_id("ended_id"),
    _instant("observed_at"),
    _instant("reported_at"),
    _instant("data_time"),
    _event_id("data_id"),
    sqlite_with_rowid=False,
)

asset_partitions = Table(
    "asset_partitions",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("partition", Text, primary_key=True),
    _event_id("materialized_id"),
    _instant("materialized_at"),
    Column("run_id", Text),
    _event_id("failed_id"),
    _json("metadata"),
    _instant("data_time"),
    Index("asset_partitions_materialized", "asset", "materialized_id"),
    sqlite_with_rowid=False,
)

checks = Table(
    "checks",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("passed", Boolean, nullable=False),
    Column("severity", Text, nullable=False),
    Column("blocking", Boolean, nullable=False),
    Column("evaluated_at", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("partition", Text),
    Column("run_id", Text),
    _json("metadata"),
    Column("description", Text),
    sqlite_with_rowid=False,
)

freshness = Table(
    "freshness",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    _instant("deadline"),
    _instant("last_materialized"),
    Column("cause", Text),
    _instant("known_since"),
    sqlite_with_rowid=False,
)

# What was demanded last for an asset that is kept fresh, and the deadline that was last said to be at risk.
demands = Table(
    "demands",
    metadata,
    Column("asset", Text, primary_key=True),
    _instant("deadline"),
    Column("partition", Text),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    _event_id("demand_id"),
    _instant("demanded_at"),
    _instant("risk_deadline"),
    sqlite_with_rowid=False,
)

# How long each step took, in seconds: a sample of its newest runs, see `projections.DURATIONS_KEPT`.
durations = Table(
    "durations",
    metadata,
    Column("step", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("seconds", Double, nullable=False),
    _event_id("event_id"),
    sqlite_with_rowid=False,
)

locations = Table(
    "locations",
    metadata,
    Column("location", Text, primary_key=True),
    Column("generation", Integer, nullable=False, server_default=text("0")),
    Column("code_hash", Text, nullable=False, server_default=text("''")),
    Column("assets", Integer, nullable=False, server_default=text("0")),
    _instant("loaded_at"),
    _json("error"),
    _instant("failed_at"),
    sqlite_with_rowid=False,
)

# What each gate (a listener that gathers, or is throttled) holds back.
waiting = Table(
    "waiting",
    metadata,
    Column("gate", Text, primary_key=True),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    _instant("until"),
    sqlite_with_rowid=False,
)

sensors = Table(
    "sensors",
    metadata,
    Column("sensor", Text, primary_key=True),
    Column("cursor", Text),
    _event_id("tick_id"),
    _instant("called_at"),
    Column("status", Text),
    Column("reason", Text),
    _json("error"),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("run_key", Text),
    sqlite_with_rowid=False,
)

# Calls that are still to be made, or made again.
sensor_calls = Table(
    "sensor_calls",
    metadata,
    Column("trigger_id", BigInteger, primary_key=True, autoincrement=False),
    Column("sensor", Text),
    _json("event_ids"),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    _instant("retry_at"),
    sqlite_with_rowid=False,
)

filter_calls = Table(
    "filter_calls",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    _json("filters"),
    sqlite_with_rowid=False,
)

run_keys = Table(
    "run_keys",
    metadata,
    Column("sensor", Text, primary_key=True),
    Column("run_key", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("at", BigInteger, nullable=False),  # when it was last asked for
    Index("run_keys_by_age", "at"),
    sqlite_with_rowid=False,
)

# The sources that fail at present: why, and since when.
failing_sources = Table(
    "failing_sources",
    metadata,
    Column("source", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    _json("error"),
    sqlite_with_rowid=False,
)

# What somebody switched off, or on again; what nobody touched is as the code says.
switches = Table(
    "switches",
    metadata,
    Column("what", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("active", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("said_by", Text),
    sqlite_with_rowid=False,
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("dead_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    _json("error"),
    Column("attempts", Integer, nullable=False),
    Column("run_id", Text),
    Column("sensor", Text),
    Index("dead_letters_by_age", "dead_id"),
    sqlite_with_rowid=False,
)

dynamic_partitions = Table(
    "dynamic_partitions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("event_id", BigInteger, nullable=False),
    Column("place", Integer, nullable=False),  # among the keys that came with the event
    sqlite_with_rowid=False,
)

incidents = Table(
    "incidents",
    metadata,
    Column("incident", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("change", Text, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("summary", Text, nullable=False),
    Column("affected", Integer, nullable=False),
    _json("assets"),
    _json("lateness"),
    Column("run_id", Text),
    Column("step_id", Text),
    _json("error"),
    _instant("closes_at"),
    Column("silenced", Text),
    _instant("silenced_until"),
    Column("merged_into", Text),
    Column("open", Boolean, nullable=False),
    Index("incidents_by_age", "opened_at"),
    Index("incidents_open", "open", "opened_at"),
    sqlite_with_rowid=False,
)

# Who is in an incident now.
incident_members = Table(
    "incident_members",
    metadata,
    Column("incident", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("partition", Text, primary_key=True),  # empty: the whole
    Column("since", BigInteger, nullable=False),
    Column("severity", Text, nullable=False),
    _json("lateness"),
    sqlite_with_rowid=False,
)

# Who was told of an incident, and by which alert last: of its end only they are told.
incident_readers = Table(
    "incident_readers",
    metadata,
    Column("incident", Text, primary_key=True),
    Column("sink", Text, primary_key=True),
    Column("alert", Text, nullable=False),
    sqlite_with_rowid=False,
)

silences = Table(
    "silences",
    metadata,
    Column("silence", Text, primary_key=True),
    Column("select", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("reason", Text),
    Column("silenced_by", Text),
    sqlite_with_rowid=False,
)

TABLES: Mapping[str, Table] = metadata.tables

# Written out, as in the partial index above: with parameters in their place SQLite could not use that.
UNFINISHED: ColumnElement[bool] = literal_column("runs.status IN ('QUEUED', 'STARTED')", Boolean)
ENDED: ColumnElement[bool] = literal_column("runs.status IN ('SUCCESS', 'FAILURE', 'CANCELED')", Boolean)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """The instant as it is stored; exact, where `timestamp()` would round."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant that `to_micros` stored."""
    return _EPOCH + micros * _MICROSECOND
