"""IO managers for frames: CSV, JSON and DuckDB, with pandas, polars and pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import upwell as up
from upwell.runtime.io.filesystem import ValueNotFound
from upwell.runtime.io.formats import ValueNotStorable

ROWS = {"n": [1, 2], "s": ["a", "b"]}
FRAMES = [pd.DataFrame(ROWS), pl.DataFrame(ROWS), pa.table(ROWS)]


def managers(folder: Path) -> list[Any]:
    return [
        up.FilesystemIOManager(folder / "parquet"),
        up.CsvIOManager(folder / "csv"),
        up.JsonIOManager(folder / "json"),
        up.DuckDBIOManager(database=str(folder / "db" / "shop.duckdb")),
    ]


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("frame", FRAMES, ids=["pandas", "polars", "pyarrow"])
def test_a_frame_comes_back_as_the_kind_that_its_reader_names(tmp_path: Path, kind: int, frame: Any) -> None:
    manager = managers(tmp_path)[kind]
    stored = up.build_output_context(asset_key=["shop", "orders"])
    manager.handle_output(stored, frame)
    for wanted in FRAMES:
        context = up.build_input_context(upstream_output=stored, dagster_type=type(wanted))
        read = manager.load_input(context)
        assert type(read) is type(wanted)
        assert _rows(read) == [(1, "a"), (2, "b")]


def _rows(frame: Any) -> list[Any]:
    if isinstance(frame, pa.Table):
        return list(zip(*frame.to_pydict().values(), strict=True))
    return frame.rows() if isinstance(frame, pl.DataFrame) else list(frame.itertuples(index=False, name=None))


def test_json_gives_back_what_nobody_wants_as_a_frame_as_it_is(tmp_path: Path) -> None:
    manager, stored = up.JsonIOManager(tmp_path), up.build_output_context(asset_key="a")
    manager.handle_output(stored, {"x": [1, None]})
    assert manager.load_input(up.build_input_context(upstream_output=stored)) == {"x": [1, None]}
    manager.handle_output(stored, FRAMES[0])
    assert manager.load_input(up.build_input_context(upstream_output=stored)) == [
        {"n": 1, "s": "a"},
        {"n": 2, "s": "b"},
    ]


def test_what_is_no_table_is_refused_where_only_tables_are_stored(tmp_path: Path) -> None:
    for manager in managers(tmp_path)[1::2]:
        with pytest.raises(ValueNotStorable, match=r"'a' returned .*data frame"):
            manager.handle_output(up.build_output_context(asset_key="a"), {"x": 1})


def test_a_partition_replaces_its_own_rows_of_the_table(tmp_path: Path) -> None:
    regions = up.StaticPartitionsDefinition(["eu", "us"])

    @up.asset(partitions_def=regions, metadata={"partition_expr": "region"})
    def sales(context: up.AssetExecutionContext) -> pd.DataFrame:
        run = int(context.run_tags.get("n", "1"))
        return pd.DataFrame({"region": [context.partition_key] * run, "n": range(run)})

    @up.asset
    def total(sales: pl.DataFrame) -> pl.DataFrame:
        return sales.group_by("region").len().sort("region")

    manager = up.DuckDBIOManager(database=str(tmp_path / "shop.duckdb"))
    for key, number in (("eu", 1), ("us", 2), ("eu", 3)):
        up.materialize([sales], partition_key=key, tags={"n": str(number)}, resources={"io_manager": manager})
    result = up.materialize([sales, total], selection=[total], resources={"io_manager": manager})
    assert result.output_for_node("total").rows() == [("eu", 3), ("us", 2)]


def test_partitions_by_time_are_the_rows_within_their_window(tmp_path: Path) -> None:
    days = up.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-04")

    @up.asset(partitions_def=days, metadata={"partition_expr": "moment"})
    def clicks(context: up.AssetExecutionContext) -> pd.DataFrame:
        return pd.DataFrame({"moment": [context.partition_time_window.start.replace(tzinfo=None)]})

    @up.asset(partitions_def=days)
    def seen(clicks: pl.DataFrame) -> pl.DataFrame:
        return clicks

    manager = up.DuckDBIOManager(database=str(tmp_path / "clicks.duckdb"))
    for key in ("2024-01-01", "2024-01-02", "2024-01-02"):
        up.materialize([clicks], partition_key=key, resources={"io_manager": manager})
    context = up.build_output_context(asset_key="clicks", partition_key="2024-01-02", asset_partitions_def=days)
    whole = up.build_output_context(
        asset_key="clicks", partition_key="2024-01-02", asset_partitions_def=days, metadata={"partition_expr": "moment"}
    )
    reading = up.build_input_context(
        upstream_output=whole, partition_key="2024-01-02", asset_partitions_def=days, dagster_type=pl.DataFrame
    )
    assert manager.load_input(reading).height == 1
    with pytest.raises(ValueNotStorable, match="say which rows are those of one"):
        manager.handle_output(context, pd.DataFrame({"moment": []}))


def test_a_table_that_was_never_made_is_missed_by_name(tmp_path: Path) -> None:
    manager = up.DuckDBIOManager(database=str(tmp_path / "x.duckdb"))
    with pytest.raises(ValueNotFound, match=r"'shop/orders' has no table shop.orders in .*x.duckdb; materialise it"):
        manager.load_input(up.build_input_context(asset_key=["shop", "orders"]))
