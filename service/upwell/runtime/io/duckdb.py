"""An IO manager that keeps data frames as tables of a DuckDB database."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from upwell.definitions.metadata import MetadataValue
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.resources import ConfigurableIOManager
from upwell.runtime.io.contexts import InputContext, IOContext, OutputContext
from upwell.runtime.io.filesystem import ValueNotFound
from upwell.runtime.io.formats import ValueNotStorable, arrow_of, frame_of

_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""Seconds to wait for a database that another process has open."""


class DuckDBIOManager(ConfigurableIOManager):
    """Keeps each asset as a table: `raw/shop/orders` is `shop.orders`, `orders` is in the schema that is given here.

    A partition replaces its own rows, which are those where the column (or expression) of the asset's metadata
    `partition_expr` is its key, or, for partitions by time, lies within it.
    """

    database: str
    schema_name: str = "main"

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Store the rows, in place of what was there."""
        rows = arrow_of(obj)
        if rows is None:
            raise ValueNotStorable(
                f"asset {context.asset_key.to_user_string()!r} returned a {type(obj).__qualname__}; "
                "only data frames are stored as tables"
            )
        schema, table = self._names(context)
        with self._connected() as db:
            db.register("upwell_rows", rows)
            inside = _schema(db, schema)
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {inside}")
            name = f"{inside}.{_quoted(table)}"
            if context.has_asset_partitions:
                condition, values = _condition(context)
                db.execute("BEGIN")
                db.execute(f"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM upwell_rows LIMIT 0")
                db.execute(f"DELETE FROM {name} WHERE {condition}", values)
                db.execute(f"INSERT INTO {name} BY NAME SELECT * FROM upwell_rows")
                db.execute("COMMIT")
            else:
                db.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM upwell_rows")
        context.add_output_metadata(
            {"table": MetadataValue.text(f"{schema}.{table}"), "dagster/row_count": rows.num_rows}
        )

    def load_input(self, context: InputContext) -> Any:
        """The rows, those of all partitions that are read in one frame."""
        schema, table = self._names(context)
        columns = context.definition_metadata.get("columns")
        chosen = ", ".join(map(_quoted, columns)) if isinstance(columns, Sequence) else "*"
        condition, values = _condition(context.upstream_output) if context.has_asset_partitions else ("TRUE", [])
        with self._connected() as db:
            if not db.execute(
                "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", [schema, table]
            ).fetchall():
                raise ValueNotFound(
                    f"asset {context.asset_key.to_user_string()!r} has no table {schema}.{table} in {self.database}; "
                    "materialise it first"
                )
            query = f"SELECT {chosen} FROM {_schema(db, schema)}.{_quoted(table)} WHERE {condition}"
            return frame_of(db.sql(query, params=values).to_arrow_table(), context.annotation)

    def _names(self, context: IOContext) -> tuple[str, str]:
        path = context.asset_key.path
        return (path[-2] if len(path) > 1 else self.schema_name), path[-1]

    def _connected(self) -> Any:
        """A connection for one statement or a few. (`Any`: duckdb is only there when it is used.)"""
        try:
            duckdb = importlib.import_module("duckdb")
        except ImportError as error:
            raise ImportError("DuckDBIOManager needs duckdb: pip install duckdb") from error
        Path(self.database).parent.mkdir(parents=True, exist_ok=True)
        for pause in _PAUSES:
            try:
                return duckdb.connect(self.database)
            except duckdb.IOException:  # another process has it; only one may
                time.sleep(pause)
        return duckdb.connect(self.database)


def _condition(context: IOContext) -> tuple[str, list[Any]]:
    """Which rows are those of the partitions."""
    expression = context.definition_metadata.get("partition_expr")
    if not isinstance(expression, str):
        raise ValueNotStorable(
            f"asset {context.asset_key.to_user_string()!r} has partitions; say which rows are those of one, by "
            'metadata={"partition_expr": "column"}'
        )
    if isinstance(context.partitions_def, TimeWindowPartitionsDefinition):
        windows = [context.partitions_def.time_window_for_partition_key(key) for key in context.asset_partition_keys]
        values = [bound.replace(tzinfo=None) for window in windows for bound in (window.start, window.end)]
        return " OR ".join([f"({expression} >= ? AND {expression} < ?)"] * len(windows)) or "FALSE", values
    keys = list(context.asset_partition_keys)
    return f"{expression} IN ({', '.join('?' * len(keys))})" if keys else "FALSE", keys


def _schema(db: Any, name: str) -> str:
    """The schema in full: a database file may have the same name. (`Any`: duckdb has no types here.)"""
    [(catalog,)] = db.execute("SELECT current_database()").fetchall()
    return f"{_quoted(catalog)}.{_quoted(name)}"


def _quoted(name: object) -> str:
    return '"' + str(name).replace('"', '""') + '"'
