"""The example of docs/partitions.md is a definition file as it stands, and does what the page says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from upwell.definitions.definitions import project_from_module
from upwell.definitions.describing import build_snapshot
from upwell.definitions.graph import AssetGraph
from upwell.planning.edges import PartitionEdges

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)


@pytest.fixture
def graph() -> AssetGraph:
    page = (Path(__file__).parents[3] / "docs" / "partitions.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    module = ModuleType("example")
    exec(compile(example, "docs/partitions.md", "exec"), vars(module))
    return AssetGraph([build_snapshot(project_from_module(module), "here")])


def test_the_mappings_of_the_example_read_what_they_say(graph: AssetGraph) -> None:
    edges = PartitionEdges(graph, NOW)
    [sales], [week] = graph.assets["daily_sales"].deps, graph.assets["weekly_sales"].deps
    assert list(edges.up(sales, "daily_sales", "2024-01-05")) == ["2024-01-05|eu", "2024-01-05|us"]
    assert list(edges.up(week, "weekly_sales", "2024-01-03")) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert list(edges.up(week, "weekly_sales", "2024-01-09")) == [f"2024-01-0{day}" for day in range(3, 10)]


def test_the_sensor_of_the_example_is_for_the_shops(graph: AssetGraph) -> None:
    assert graph.sensors["open_shops"].assets == ("shop_report",)
    assert graph.dynamic_names == {"shops"}
