"""Jobs that are run in the process that defines them."""

from __future__ import annotations

import pytest

import upwell as up


@up.asset(required_resource_keys={"unit"})
def orders(context) -> str:
    return f"3 {context.resources.unit}"


@up.asset
def report(orders: str) -> str:
    return f"{orders} sold"


@up.asset_check(asset=report)
def mentions_sales(report: str) -> up.AssetCheckResult:
    return up.AssetCheckResult(passed=report.endswith("sold"))


DEFS = up.Definitions(
    assets=[orders, report],
    asset_checks=[mentions_sales],
    jobs=[up.define_asset_job("everything"), up.define_asset_job("first", "orders", tags={"a": "b"})],
    resources={"unit": "boxes"},
)


def test_a_job_materialises_what_it_selects_with_the_resources_and_checks_of_its_definitions() -> None:
    result = DEFS.resolve_job_def("everything").execute_in_process()
    assert result.success
    assert result.output_for_node("report") == "3 boxes sold"
    assert [evaluation.passed for evaluation in result.get_asset_check_evaluations()] == [True]
    alone = DEFS.get_job_def("first").execute_in_process(resources={"unit": "crates"})
    assert [event.asset_key for event in alone.get_asset_materialization_events()] == [orders.key]
    assert alone.output_for_node("orders") == "3 crates"


def test_merged_definitions_have_jobs_that_run_too() -> None:
    merged = up.Definitions.merge(DEFS, up.Definitions())
    assert merged.resolve_job_def("first").execute_in_process().success


def test_an_unknown_job_is_answered_with_those_there_are() -> None:
    with pytest.raises(up.DagsterInvariantViolationError, match="no job 'nope'; the jobs are: everything, first"):
        DEFS.resolve_job_def("nope")
