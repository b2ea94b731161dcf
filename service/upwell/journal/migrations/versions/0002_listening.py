"""Sensors, schedules, gates, switches, dead letters; data times; incidents and silences. Runs before the new code."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for column in ("job", "sensor", "run_key"):
        op.add_column("runs", sa.Column(column, sa.Text))
    _freshness()
    _sensors()
    _alerts()
    op.create_table("waiting", _key("gate"), _id_key("event_id"), _number("until"), sqlite_with_rowid=False)
    op.create_table(
        "switches",
        _key("what"),
        _key("name"),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("said_by", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dead_letters",
        _id_key("event_id"),
        sa.Column("dead_id", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("sensor", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_index("dead_letters_by_age", "dead_letters", ["dead_id"])
    op.create_table(
        "dynamic_partitions",
        _key("name"),
        _key("key"),
        sa.Column("event_id", sa.BigInteger, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )


def _freshness() -> None:
    for column in ("reported_at", "data_time"):
        op.add_column("assets", _number(column))
    op.add_column("assets", sa.Column("data_id", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("asset_partitions", _number("data_time"))
    op.add_column("freshness", _number("known_since"))
    op.create_table(
        "demands",
        _key("asset"),
        _number("deadline"),
        sa.Column("partition", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("demand_id", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        _number("demanded_at"),
        _number("risk_deadline"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "durations",
        _key("step"),
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("event_id", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sqlite_with_rowid=False,
    )


def _sensors() -> None:
    op.create_table(
        "sensors",
        _key("sensor"),
        sa.Column("cursor", sa.Text),
        sa.Column("tick_id", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        _number("called_at"),
        sa.Column("status", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("run_key", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "failing_sources",
        _key("source"),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sensor_calls",
        _id_key("trigger_id"),
        sa.Column("sensor", sa.Text),
        sa.Column("event_ids", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False, server_default=sa.text("0")),
        _number("retry_at"),
        sqlite_with_rowid=False,
    )
    op.create_table("filter_calls", _id_key("event_id"), sa.Column("filters", sa.Text), sqlite_with_rowid=False)
    op.create_table(
        "run_keys",
        _key("sensor"),
        _key("run_key"),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("run_keys_by_age", "run_keys", ["at"])


def _alerts() -> None:
    op.create_table(
        "incidents",
        _key("incident"),
        sa.Column("number", sa.Integer, nullable=False),
        *(_text(name) for name in ("change", "trouble", "subject", "severity")),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("happened_at", sa.BigInteger, nullable=False),
        _text("summary"),
        sa.Column("affected", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("assets", "lateness", "run_id", "step_id", "error")),
        _number("closes_at"),
        sa.Column("silenced", sa.Text),
        _number("silenced_until"),
        sa.Column("merged_into", sa.Text),
        sa.Column("open", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("incidents_by_age", "incidents", ["opened_at"])
    op.create_index("incidents_open", "incidents", ["open", "opened_at"])
    op.create_table(
        "incident_members",
        _key("incident"),
        _key("name"),
        _key("partition"),
        sa.Column("since", sa.BigInteger, nullable=False),
        _text("severity"),
        sa.Column("lateness", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table("incident_readers", _key("incident"), _key("sink"), _text("alert"), sqlite_with_rowid=False)
    op.create_table(
        "silences",
        _key("silence"),
        _text("select"),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("silenced_by", sa.Text),
        sqlite_with_rowid=False,
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _id_key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger)
