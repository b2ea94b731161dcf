"""The journal and its projections. Runs before the new code."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _journal()
    _source_state()
    _runs()
    _assets()
    _catalogue()


def _journal() -> None:
    op.create_table(
        "events",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        _text("run_id"),
        _text("source"),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("events_by_kind", "events", ["kind", "id"])
    op.create_index("events_by_run", "events", ["run_id", "id"], **_only("run_id IS NOT NULL"))
    op.create_index("events_by_source", "events", ["source", "id"], **_only("source IS NOT NULL"))
    op.create_table("event_assets", _key("asset"), _id_key("event_id"), sqlite_with_rowid=False)
    op.create_index("event_assets_by_event", "event_assets", ["event_id"])


def _source_state() -> None:
    op.create_table(
        "deliveries",
        _key("source"),
        _key("delivery_id"),
        sa.Column("event_id", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("deliveries_by_event", "deliveries", ["event_id"])
    op.create_table("source_cursors", _key("source"), _key("item"), _text("value"), sqlite_with_rowid=False)
    op.create_table(
        "progress", _key("consumer"), sa.Column("event_id", sa.BigInteger, nullable=False), sqlite_with_rowid=False
    )


def _runs() -> None:
    op.create_table(
        "runs",
        _key("run_id"),
        _number("requested_id"),
        _number("requested_at"),
        *map(_text, ("status", "lane", "reason", "cause", "plan", "roots", "partition", "config", "tags", "retry_of")),
        _number("started_at"),
        _number("ended_at"),
        _text("error"),
        sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.text("false")),
    )
    unfinished = "status IN ('QUEUED', 'STARTED')"
    op.create_index("runs_by_request", "runs", ["requested_id"])
    op.create_index("runs_unfinished", "runs", ["requested_id", "run_id"], **_only(unfinished))
    op.create_index("runs_by_status", "runs", ["status", "requested_id"])
    op.create_table("run_events", _key("run_id"), _id_key("event_id"), sqlite_with_rowid=False)
    op.create_table(
        "plan_assets",
        *map(_key, ("run_id", "step_id", "asset")),
        sa.Column("requested_id", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("plan_assets_by_asset", "plan_assets", ["asset", "requested_id"])
    op.create_table(
        "steps",
        *map(_key, ("run_id", "step_id")),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False, server_default=sa.text("0")),
        *map(_number, ("started_at", "ended_at", "retry_at")),
        *map(_text, ("error", "reason", "log")),
        sqlite_with_rowid=False,
    )


def _assets() -> None:
    op.create_table(
        "assets",
        _key("asset"),
        _newest("materialized_id"),
        _number("materialized_at"),
        *map(_text, ("materialized_run", "materialized_partition", "metadata", "code_version", "data_version")),
        sa.Column("duration", sa.Double),
        _newest("failed_id"),
        _number("failed_at"),
        *map(_text, ("failed_run", "error")),
        _newest("started_id"),
        _text("started_run"),
        _newest("ended_id"),
        _number("observed_at"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "asset_partitions",
        *map(_key, ("asset", "partition")),
        _newest("materialized_id"),
        _number("materialized_at"),
        _text("run_id"),
        _newest("failed_id"),
        _text("metadata"),
        sqlite_with_rowid=False,
    )
    op.create_index("asset_partitions_materialized", "asset_partitions", ["asset", "materialized_id"])


def _catalogue() -> None:
    op.create_table(
        "checks",
        *map(_key, ("asset", "name")),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("blocking", sa.Boolean, nullable=False),
        sa.Column("evaluated_at", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.BigInteger, nullable=False),
        *map(_text, ("partition", "run_id", "metadata", "description")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "freshness",
        _key("asset"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        *map(_number, ("deadline", "last_materialized")),
        _text("cause"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "locations",
        _key("location"),
        sa.Column("generation", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("code_hash", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("assets", sa.Integer, nullable=False, server_default=sa.text("0")),
        _number("loaded_at"),
        _text("error"),
        _number("failed_at"),
        sqlite_with_rowid=False,
    )


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _id_key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger)


def _newest(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def _only(condition: str) -> dict[str, Any]:  # the options of two dialects
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
