"""One attempt of a step: inputs by partition, outputs of every shape, resources, config and contexts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from upwell.definitions.asset_decorator import asset
from upwell.definitions.assets import AssetsDefinition
from upwell.definitions.check_decorator import asset_check
from upwell.definitions.checks import AssetCheckResult
from upwell.definitions.config.classes import Config
from upwell.definitions.definitions import Definitions
from upwell.definitions.multi_asset_decorator import multi_asset
from upwell.definitions.partitions.mapping import TimeWindowPartitionMapping
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.resources import ConfigurableResource
from upwell.definitions.results import AssetMaterialization, MaterializeResult, ObserveResult, Output
from upwell.definitions.specs import AssetIn, AssetOut, AssetSpec
from upwell.events import AssetMaterialized, AssetObserved, RunId
from upwell.runtime.code import Code
from upwell.runtime.contexts import build_asset_context
from upwell.runtime.io.memory import InMemoryIOManager
from upwell.runtime.messages import StepReport, StepTask
from upwell.runtime.steps import run_step

pytestmark = pytest.mark.anyio

DAILY = DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05")


class Project:
    """Definitions with values in memory, and a way to run one of their steps."""

    def __init__(self, *assets: Any, **resources: object) -> None:
        checks = [one for one in assets if not one.keys] if assets else []
        self.io = InMemoryIOManager()
        self.code = Code(
            definitions=Definitions(
                assets=[one for one in assets if one not in checks], asset_checks=checks, resources=resources
            ),
            default_io_manager=self.io,
        )

    async def run(self, step: str | AssetsDefinition, partition: str | None = None, **more: Any) -> StepReport:
        name = step if isinstance(step, str) else self._name(step)
        task = StepTask(
            run_id=RunId("r"),
            step_id=name,
            step=name,
            location="here",
            attempt=more.pop("attempt", 1),
            now=datetime(2024, 2, 1, tzinfo=UTC),
            partition=partition,
            **more,
        )
        return await run_step(task, self.code, blocking=_here, log=logging.getLogger())

    async def value(self, step: AssetsDefinition, partition: str | None = None, **more: Any) -> Any:
        report = await self.run(step, partition, **more)
        assert report.error is None, report.error
        return self.io.values[(step.key.to_user_string(), partition)]

    @staticmethod
    def _name(step: AssetsDefinition) -> str:
        assert step.compute is not None
        return step.compute.name


async def _here(function: Callable[..., Any], /, *args: Any) -> Any:
    return function(*args)


def failure(report: StepReport) -> str:
    assert report.error is not None
    return f"{report.error.type}: {report.error.message}"


async def test_partitions_of_an_input_follow_the_mapping() -> None:
    @asset(partitions_def=DAILY)
    def day(context: Any) -> str:
        return context.partition_key[-2:]

    @asset(partitions_def=DAILY, ins={"day": AssetIn(partition_mapping=TimeWindowPartitionMapping(start_offset=-1))})
    def two_days(day: Any) -> Any:
        return day

    @asset
    def everything(day: Any) -> Any:
        return day

    project = Project(day, two_days, everything)
    for key in DAILY.get_partition_keys():
        await project.run(day, key)
    assert await project.value(two_days, "2024-01-03") == {"2024-01-02": "02", "2024-01-03": "03"}
    assert await project.value(two_days, "2024-01-01") == "01"
    assert list((await project.value(everything)).values()) == ["01", "02", "03", "04"]


async def test_missing_partitions_are_an_error_unless_they_may_be_missing() -> None:
    @asset(partitions_def=DAILY)
    def day() -> int:
        return 1

    @asset
    def strict(day: Any) -> Any:
        return day

    @asset(ins={"day": AssetIn(metadata={"allow_missing_partitions": True})})
    def lenient(day: Any) -> Any:
        return day

    project = Project(day, strict, lenient)
    await project.run(day, "2024-01-02")
    assert "partition '2024-01-01'" in failure(await project.run(strict))
    assert await project.value(lenient) == {"2024-01-02": 1}


async def test_a_partition_that_the_upstream_does_not_have_is_an_error() -> None:
    @asset(partitions_def=DAILY)
    def day() -> int:
        return 1

    @asset(partitions_def=DailyPartitionsDefinition("2023-12-31", end_date="2024-01-05"))
    def longer(day: Any) -> Any:
        return day

    report = await Project(day, longer).run(longer, "2023-12-31")
    assert "does not have: 2023-12-31" in failure(report)


async def test_materialising_a_partitioned_asset_without_a_key_fails_only_if_the_key_is_read() -> None:
    @asset(partitions_def=DAILY)
    def quiet() -> None: ...

    @asset(partitions_def=DAILY)
    def curious(context: Any) -> None:
        assert not context.has_partition_key
        context.partition_key  # noqa: B018

    project = Project(quiet, curious)
    (made,) = (await project.run(quiet)).results
    assert made.partition is None
    assert "runs for no partition" in failure(await project.run(curious))


@pytest.mark.parametrize(("returned", "stored"), [(None, True), (MaterializeResult(), False), (Output(None), True)])
async def test_only_a_value_is_stored(returned: object, stored: bool) -> None:
    @asset
    def a() -> Any:
        return returned

    project = Project(a)
    (made,) = (await project.run(a)).results
    assert isinstance(made, AssetMaterialized)
    assert (("a", None) in project.io.values) is stored


async def test_an_asset_annotated_none_stores_nothing() -> None:
    @asset
    def a() -> None: ...

    project = Project(a)
    assert len((await project.run(a)).results) == 1 and not project.io.values


async def test_specs_that_are_not_yielded_are_materialised_unless_skippable() -> None:
    @multi_asset(specs=[AssetSpec("a"), AssetSpec("b"), AssetSpec("c", skippable=True)])
    def several() -> Any:
        yield MaterializeResult("b", metadata={"rows": 1})

    report = await Project(several).run(several)
    assert [result.asset for result in report.results] == ["b", "a"]


@pytest.mark.parametrize(
    ("give", "said"),
    [
        (lambda: Output(1), "twice"),
        (lambda: Output(1, "elsewhere"), "no output 'elsewhere'; its outputs are: left, right"),
        (lambda: MaterializeResult("elsewhere"), "does not make asset 'elsewhere'"),
        (lambda: MaterializeResult(), "has 2 assets: say which"),
        (lambda: AssetCheckResult(passed=True), "not one of its checks"),
        (lambda: 7, "a generator yields Output(value)"),
    ],
)
async def test_a_wrong_result_names_what_is_wrong(give: Callable[[], Any], said: str) -> None:
    @multi_asset(outs={"left": AssetOut(), "right": AssetOut()})
    def pair() -> Any:
        yield Output(1, "left")
        thing = give()
        yield Output(1, "left") if thing == Output(1) else thing

    assert said in failure(await Project(pair).run(pair))


async def test_a_required_output_that_never_comes_is_an_error_after_those_that_came() -> None:
    @multi_asset(outs={"left": AssetOut(), "right": AssetOut()})
    def pair() -> Any:
        yield Output(1, "left")

    report = await Project(pair).run(pair)
    assert [result.asset for result in report.results] == ["left"]
    assert "DagsterStepOutputNotFoundError" in failure(report) and "'right'" in failure(report)


async def test_metadata_of_context_output_and_io_manager_meet() -> None:
    @asset
    def a(context: Any) -> Any:
        context.add_output_metadata({"a": 1, "b": 1})
        return Output(1, metadata={"b": 2})

    (made,) = (await Project(a).run(a)).results
    assert made.metadata == {"a": {"type": "int", "value": 1}, "b": {"type": "int", "value": 2}}


async def test_observations_and_logged_events_are_kept_in_order() -> None:
    @asset
    def a(context: Any) -> Any:
        context.log_event(AssetMaterialization("other/asset", partition="p"))
        yield ObserveResult(metadata={"seen": True})
        yield Output(1)

    results = (await Project(a).run(a)).results
    assert [(type(result), result.asset) for result in results] == [
        (AssetMaterialized, "other/asset"),
        (AssetObserved, "a"),
        (AssetMaterialized, "a"),
    ]


async def test_annotations_are_enforced_on_both_ends() -> None:
    @asset
    def a() -> float:
        return 1  # type: ignore[return-value]  # the point

    @asset
    def b() -> Any:
        return "text"

    @asset
    def c(b: int) -> None: ...

    project = Project(a, b, c)
    assert "not float" in failure(await project.run(a))
    await project.run(b)
    assert "argument 'b' of 'c'" in failure(await project.run(c))


async def test_resources_are_set_up_and_torn_down_around_the_step() -> None:
    calls: list[str] = []

    class Warehouse(ConfigurableResource):
        name: str

        def setup_for_execution(self, context: Any) -> None:
            calls.append(f"open {self.name}")

        def teardown_after_execution(self, context: Any) -> None:
            calls.append("close")

    async def a(context: Any, warehouse: Warehouse) -> None:
        calls.append("run" if context.resources.warehouse is warehouse else "another")
        raise ValueError

    a.__annotations__["warehouse"] = Warehouse
    defined = asset(a)
    await Project(defined, warehouse=Warehouse(name="w")).run(defined)
    assert calls == ["open w", "run", "close"]


async def test_a_missing_resource_names_who_needs_it() -> None:
    @asset(required_resource_keys={"db"})
    def a() -> None: ...

    assert "step 'a' needs the resource 'db'" in failure(await Project(a).run(a))


class Limits(Config):
    rows: int = 5


async def test_config_is_validated_into_its_type() -> None:
    @asset
    def a(config: Limits) -> int:
        return config.rows

    project = Project(a)
    assert await project.value(a) == 5
    assert await project.value(a, config={"ops": {"a": {"config": {"rows": 7}}}}) == 7
    assert "run config has rows, and is a dict of ops" in failure(await project.run(a, config={"rows": 7}))
    assert "ops.a.config.nothing is not known" in failure(
        await project.run(a, config={"ops": {"a": {"config": {"nothing": 7}}}})
    )


async def test_a_check_of_a_partition_reads_that_partition() -> None:
    @asset(partitions_def=DAILY)
    def day(context: Any) -> str:
        return context.partition_key

    @asset_check(asset=day)
    def right(context: Any, day: Any) -> AssetCheckResult:
        return AssetCheckResult(passed=day == context.partition_key and context.asset_key.path == ("day",))

    project = Project(day, right)
    await project.run(day, "2024-01-02")
    (found,) = (await project.run("day_right", "2024-01-02", checks=("day:right",))).results
    assert found.passed and found.partition == "2024-01-02"


async def test_a_check_that_gives_no_result_is_an_error() -> None:
    @asset
    def a() -> None: ...

    @asset_check(asset=a)
    def forgotten() -> Any:
        return None

    report = await Project(a, forgotten).run("a_forgotten", checks=("a:forgotten",))
    assert "AssetCheckResult" in failure(report)


async def test_the_context_tells_of_the_attempt() -> None:
    seen: dict[str, Any] = {}

    @asset(key_prefix="shop", partitions_def=DAILY)
    def orders(context: Any) -> None:
        seen.update(
            key=context.asset_key.to_user_string(),
            retry=context.retry_number,
            run=context.run.run_id == context.run_id,
            window=[str(edge.date()) for edge in context.partition_time_window],
            keys=context.partition_keys,
            output=context.asset_key_for_output().to_user_string(),
            tags=context.run_tags,
        )

    await Project(orders).run(orders, "2024-01-02", attempt=3, tags={"team": "shop"})
    assert seen == {
        "key": "shop/orders",
        "retry": 2,
        "run": True,
        "window": ["2024-01-02", "2024-01-03"],
        "keys": ["2024-01-02"],
        "output": "shop/orders",
        "tags": {"team": "shop"},
    }


def test_an_asset_can_be_called_with_a_built_context() -> None:
    @asset
    def a(context: Any) -> Any:
        return context.partition_key

    assert a(build_asset_context(partition_key="p")) == "p"


async def test_a_url_without_fsspec_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    from upwell.runtime.io.filesystem import FilesystemIOManager

    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match="pip install fsspec"):
        FilesystemIOManager("s3://bucket/path")
