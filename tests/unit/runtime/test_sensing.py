"""Calls of sensors and schedules in a worker: every way to write a function, what it asks for, and what goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import upwell as up
from upwell.definitions.reactions import CalledOn, SourceSpec
from upwell.events import AssetMaterialized, AssetObserved, CheckEvaluated, PartitionsWanted, WantedRun
from upwell.runtime.code import Code
from upwell.runtime.io.memory import InMemoryIOManager
from upwell.runtime.messages import FilterReport, FilterTask, SensorReport, SensorTask, TriggerEvent
from upwell.runtime.sensing import answer_filters, evaluate

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 5, 12, tzinfo=UTC)
LETTERS = up.StaticPartitionsDefinition(["a", "b"])


@up.asset
def orders(): ...


@up.asset
def customers(): ...


@up.asset(partitions_def=LETTERS)
def regions(): ...


SHOPS = up.DynamicPartitionsDefinition(name="shops")


@up.asset(partitions_def=SHOPS)
def sales(): ...


DAILY = up.define_asset_job("daily", selection=[orders])
BY_REGION = up.define_asset_job("by_region", selection=[regions])


class Threads:
    """Stands in for the worker's thread: calls right here, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, function: Callable[..., Any], /, *args: Any) -> Any:
        self.calls += 1
        return function(*args)


async def call(definition: Any, *, threads: Threads | None = None, resources: Any = None, **task: Any) -> SensorReport:
    parts = {"schedules": [definition]} if isinstance(definition, up.ScheduleDefinition) else {"sensors": [definition]}
    project = up.Definitions(
        assets=[orders, customers, regions, sales], jobs=[DAILY, BY_REGION], resources=resources, **parts
    )
    code = Code(definitions=project, default_io_manager=InMemoryIOManager())
    given = SensorTask(**{"id": 3, "sensor": definition.name, "location": "here", "now": NOW, "timeout": 60.0, **task})
    return await evaluate(given, code, blocking=threads or Threads(), log=logging.getLogger("test"))


def event(number: int, **data: Any) -> TriggerEvent:
    return TriggerEvent(id=number, source="webhook:orders", time=NOW, data=data)


def sensing(function: Callable[..., Any], **options: Any) -> up.SensorDefinition:
    return up.sensor(**{"job": DAILY, "name": "looking", **options})(function)


async def test_an_event_driven_sensor_gets_its_events() -> None:
    def heard(context: Any) -> Any:
        context.update_cursor(str(context.events[-1].id))
        return [up.RunRequest(str(one.id), tags={"n": one.data["n"]}) for one in context.events]

    report = await call(sensing(heard), events=(event(7, n=1), event(8, n=2)))
    assert report.id == 3
    assert [(run.run_key, run.job, run.tags["n"]) for run in report.runs] == [("7", "daily", "1"), ("8", "daily", "2")]
    assert (report.cursor, report.skip_reason, report.error) == ("8", None, None)


async def test_a_plain_function_runs_in_the_thread_and_an_asynchronous_one_does_not() -> None:
    async def asynchronous(context: Any) -> Any:
        return up.RunRequest("a")

    def plain(context: Any) -> Any:
        return up.RunRequest("a")

    for function, calls in ((asynchronous, 0), (plain, 1)):
        threads = Threads()
        report = await call(sensing(function), threads=threads)
        assert ([run.run_key for run in report.runs], threads.calls) == (["a"], calls)


async def test_a_function_may_yield() -> None:
    def yielding() -> Any:
        yield up.RunRequest("a")
        yield up.RunRequest("b")

    async def yielding_asynchronously(context: Any) -> Any:
        context.update_cursor("5")
        yield up.RunRequest("a")
        yield up.RunRequest("b")

    for function, cursor in ((yielding, None), (yielding_asynchronously, "5")):
        report = await call(sensing(function))
        assert ([run.run_key for run in report.runs], report.cursor) == (["a", "b"], cursor)


async def test_what_breaks_is_reported_with_the_users_lines_and_nothing_else_counts() -> None:
    def broken(context: Any) -> Any:
        context.update_cursor("lost")
        raise ValueError("no such folder")

    report = await call(sensing(broken), cursor="1")
    assert report.error is not None and report.error.traceback is not None
    assert (report.error.type, report.error.message) == ("ValueError", "no such folder")
    assert "in broken" in report.error.traceback
    assert (report.cursor, report.runs) == (None, ())


async def test_an_exit_of_the_users_code_is_an_error_of_the_call() -> None:
    def leaving(context: Any) -> Any:
        raise SystemExit(3)

    report = await call(sensing(leaving))
    assert report.error is not None and report.error.type == "SystemExit"


async def test_code_that_is_gone_is_an_error_of_the_call() -> None:
    report = await call(sensing(lambda context: None), sensor="other")
    assert report.error is not None
    assert "has no sensor or schedule 'other'" in report.error.message


async def test_a_cursor_counts_only_when_it_changed() -> None:
    async def cursor_after(change: Callable[[Any], Any]) -> str | None:
        return (await call(sensing(change), cursor="old")).cursor

    assert await cursor_after(lambda context: None) is None
    assert await cursor_after(lambda context: context.update_cursor("old")) is None
    assert await cursor_after(lambda context: context.update_cursor("new")) == "new"
    assert await cursor_after(lambda context: up.SensorResult(cursor="new")) == "new"
    assert await cursor_after(lambda context: context.update_cursor(None)) == ""


async def test_a_cursor_that_was_taken_back_is_none_at_the_next_call() -> None:
    report = await call(sensing(lambda context: up.SkipReason(repr(context.cursor))), cursor="")
    assert (report.skip_reason, report.cursor) == ("None", None)


async def test_the_context_knows_of_the_call_before() -> None:
    def telling(context: Any) -> Any:
        return up.SkipReason(f"{context.last_run_key} {context.last_tick_completion_time} {context.sensor_name}")

    report = await call(sensing(telling), last_run_key="k", last_called_at=NOW - timedelta(seconds=12))
    assert report.skip_reason == f"k {NOW.timestamp() - 12} looking"


async def test_the_instance_knows_dynamic_keys_and_changes_them() -> None:
    def looking(context: Any) -> Any:
        new = [key for key in ("s1", "s2") if not context.instance.has_dynamic_partition("shops", key)]
        context.instance.add_dynamic_partitions("shops", new)
        context.instance.delete_dynamic_partition("shops", "s1")
        return up.SkipReason(str(context.instance.get_dynamic_partitions("shops")))

    report = await call(sensing(looking, job=None, target=[sales]), dynamic={"shops": ("s0", "s1")})
    assert report.skip_reason == "['s0', 's2']"
    assert report.partitions == (
        PartitionsWanted(name="shops", added=("s2",)),
        PartitionsWanted(name="shops", removed=("s1",)),
    )


async def test_a_dynamic_key_may_be_asked_for_with_its_own_request_to_be_added() -> None:
    def asking(key: str) -> up.SensorDefinition:
        result = up.SensorResult([up.RunRequest(partition_key=key)], dynamic_partitions_requests=[added, removed])
        return sensing(lambda context: result, job=None, target=[sales])

    added, removed = SHOPS.build_add_request(["s1"]), SHOPS.build_delete_request(["s0"])
    known = {"shops": ("s0",)}
    assert [run.partition for run in (await call(asking("s1"), dynamic=known)).runs] == ["s1"]
    for gone in ("s0", "s9"):
        error = (await call(asking(gone), dynamic=known)).error
        assert error is not None and error.type == "DagsterUnknownPartitionError"


async def test_dynamic_keys_that_did_not_come_with_the_call_are_not_guessed() -> None:
    def looking(context: Any) -> Any:
        return up.SkipReason(str(context.instance.get_dynamic_partitions("others")))

    error = (await call(sensing(looking), dynamic={"shops": ()})).error
    assert error is not None and "'others' do not come with this call: it has those of shops" in error.message


async def test_what_the_instance_has_not_in_the_service_it_says_what_to_use_instead() -> None:
    report = await call(sensing(lambda context: context.instance.get_runs()))
    assert report.error is not None
    assert "what a function needs comes with the call (context.cursor, context.events" in report.error.message


async def test_runs_of_assets_name_them() -> None:
    async def wanted(**options: Any) -> list[WantedRun]:
        answer = options.pop("answer", up.RunRequest(tags={}))
        return list((await call(sensing(lambda context: answer, job=None, **options))).runs)

    one = up.RunRequest(asset_selection=[customers.key])
    for options in ({"target": [orders, customers]}, {"asset_selection": [orders, customers]}):
        assert [(run.job, run.assets) for run in await wanted(**options)] == [(None, ("orders", "customers"))]
        assert [(run.job, run.assets) for run in await wanted(answer=one, **options)] == [(None, ("customers",))]


@pytest.mark.parametrize(
    ("answer", "options", "says"),
    [
        (up.RunRequest(job_name="by_region"), {}, "it may ask for daily"),
        (up.RunRequest(), {"job": None, "jobs": [DAILY, BY_REGION]}, "one of daily, by_region"),
        (up.RunRequest(), {"job": None}, "give it job="),
        (up.RunRequest(asset_selection=[customers.key]), {}, "customers, which is no part of job 'daily'"),
        (up.RunRequest(asset_selection=[customers.key]), {"job": None, "target": [orders]}, "it may ask for orders"),
        (up.RunRequest(partition_key="z"), {"job": BY_REGION}, "of job 'by_region' there is none"),
        (
            up.RunRequest(asset_check_keys=[up.AssetCheckKey(orders.key, "gone")]),
            {},
            "orders:gone, which is no part",
        ),
        (up.RunRequest(partition_key="a"), {}, "of job 'daily' there are no partitions"),
        (
            up.RunRequest(partition_key="z"),
            {"job": None, "target": [regions]},
            "of the assets of sensor 'looking' there is none",
        ),
    ],
)
async def test_what_it_may_not_ask_for_is_refused_with_what_it_may(answer: Any, options: Any, says: str) -> None:
    report = await call(sensing(lambda context: answer, **options))
    assert report.error is not None
    assert says in report.error.message
    assert report.runs == ()


async def test_a_run_says_all_that_was_asked() -> None:
    answer = up.RunRequest("k", {"ops": {"regions": {}}}, {"a": "b"}, partition_key="b")
    (run,) = (await call(sensing(lambda context: answer, job=BY_REGION))).runs
    tags = {"a": "b", "dagster/sensor_name": "looking", "dagster/partition": "b"}
    assert run == WantedRun(run_key="k", job="by_region", partition="b", config={"ops": {"regions": {}}}, tags=tags)


async def test_asset_events_and_partitions_come_along() -> None:
    evaluation = up.AssetCheckEvaluation(asset_key=orders.key, check_name="whole", passed=False)
    answer = up.SensorResult(
        asset_events=[
            up.AssetMaterialization("orders", metadata={"rows": 3}, partition="a", tags={"x": "y"}),
            up.AssetObservation("customers", description="seen"),
            evaluation,
        ],
        dynamic_partitions_requests=[
            up.AddDynamicPartitionsRequest("shops", ["a", "b"]),
            up.DeleteDynamicPartitionsRequest("shops", ["c"]),
        ],
    )
    report = await call(sensing(lambda context: answer))
    made, seen, checked = report.results
    assert isinstance(made, AssetMaterialized) and isinstance(seen, AssetObserved)
    assert (made.asset, made.partition, made.tags, made.run_id) == ("orders", "a", {"x": "y"}, None)
    assert made.metadata["rows"]["value"] == 3
    assert (seen.asset, seen.description) == ("customers", "seen")
    assert checked == CheckEvaluated(asset="orders", check="whole", passed=False)
    assert report.partitions == (
        PartitionsWanted(name="shops", added=("a", "b")),
        PartitionsWanted(name="shops", removed=("c",)),
    )


class Shop(up.ConfigurableResource):
    url: str
    log: list[str] = []

    def setup_for_execution(self, context: Any) -> None:
        self.log.append("open")

    def teardown_after_execution(self, context: Any) -> None:
        self.log.append("closed")


@pytest.mark.parametrize("breaks", [False, True])
async def test_resources_are_made_ready_and_put_away_whatever_happens(breaks: bool) -> None:
    def asking(context: Any, shop: Shop) -> Any:
        shop.log.append(shop.url)
        return 1 // 0 if breaks else None

    log: list[str] = []
    shop = Shop.model_construct(url="http://shop", log=log)
    report = await call(sensing(asking), resources={"shop": shop})
    assert log == ["open", "http://shop", "closed"]
    assert (report.error is not None) == breaks


async def test_a_resource_by_key_is_in_the_context() -> None:
    report = await call(
        sensing(lambda context: up.SkipReason(context.resources.tool), required_resource_keys={"tool"}),
        resources={"tool": "hammer", "other": object()},
    )
    assert report.skip_reason == "hammer"


async def test_a_schedule_sees_its_tick_in_its_own_zone() -> None:
    @up.schedule("0 6 * * *", job=DAILY, execution_timezone="Europe/Berlin")
    def nightly(context: Any) -> Any:
        return up.RunRequest(context.scheduled_execution_time.isoformat())

    report = await call(nightly, scheduled_at=datetime(2024, 7, 1, 4, tzinfo=UTC))
    assert [(run.run_key, run.job) for run in report.runs] == [("2024-07-01T06:00:00+02:00", "daily")]
    assert report.runs[0].tags == {"dagster/schedule_name": "nightly"}


async def test_a_schedule_of_fields_wants_one_run() -> None:
    async def config(context: Any) -> Any:
        return {"at": context.scheduled_execution_time.hour}

    nightly = up.ScheduleDefinition(
        job=DAILY, cron_schedule="@daily", run_config_fn=config, tags_fn=lambda context: {"a": "b"}
    )
    (run,) = (await call(nightly, scheduled_at=NOW)).runs
    assert (run.config, run.tags["a"], run.run_key) == ({"at": 12}, "b", None)


async def test_the_error_of_a_schedule_is_the_users_own() -> None:
    @up.schedule("@daily", job=DAILY, should_execute=lambda context: {}["gone"])
    def nightly(context: Any) -> Any: ...

    report = await call(nightly, scheduled_at=NOW)
    assert report.error is not None
    assert (report.error.type, report.error.message) == ("KeyError", "'gone'")


async def test_the_partition_of_a_schedule_has_to_exist_at_its_tick() -> None:
    days = up.DailyPartitionsDefinition("2024-01-01")
    by_day = up.define_asset_job("by_day", selection=[orders], partitions_def=days)

    @up.schedule("@daily", job=by_day)
    def nightly(context: Any) -> Any:
        return up.RunRequest(partition_key="2024-01-04")

    assert (await call(nightly, scheduled_at=datetime(2024, 1, 5, tzinfo=UTC))).error is None
    early = await call(nightly, scheduled_at=datetime(2024, 1, 4, 23, tzinfo=UTC))
    assert early.error is not None and early.error.type == "DagsterUnknownPartitionError"


async def ask(event: TriggerEvent, **filters: Callable[[Any], Any]) -> FilterReport:
    source = SourceSpec(kind="files", name="files:x")
    listeners = [CalledOn(source=source, filter_call=key, function=function) for key, function in filters.items()]
    heard = up.asset(name="heard", on=listeners)(lambda: None)
    code = Code(definitions=up.Definitions(assets=[heard]), default_io_manager=InMemoryIOManager())
    task = FilterTask(id=4, location="here", filters=tuple(filters), event=event, timeout=60.0)
    return await answer_filters(task, code, blocking=Threads())


async def test_filters_answer_yes_or_no() -> None:
    async def asynchronous(event: Any) -> Any:
        return event.data["n"] > 1

    report = await ask(
        event(7, n=2), large=lambda event: event.data["n"], asynchronous=asynchronous, none=lambda event: []
    )
    assert report == FilterReport(id=4, answers={"large": True, "asynchronous": True, "none": False})


async def test_a_filter_that_breaks_is_reported() -> None:
    report = await ask(event(7), broken=lambda event: event.data["n"])
    assert report.error is not None
    assert (report.error.type, report.answers) == ("KeyError", {})
