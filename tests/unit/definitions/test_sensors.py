"""Sensors as the service knows them: described, switched on, aimed at what exists. (Dagster's ways: tests/parity.)"""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import TypeAdapter

import upwell as up
from upwell.definitions.definitions import project_from_module
from upwell.definitions.describing import build_snapshot
from upwell.definitions.reactions import CalledOn, On, SourceSpec
from upwell.definitions.snapshot import SensorNode, Snapshot


@up.asset
def orders(): ...


@up.asset
def customers(): ...


DAILY = up.define_asset_job("daily", selection=[orders])


def listening(**more: Any) -> On:
    params = {"endpoint": "orders", "secrets": [{"env": "SECRET"}], "insecure": False}
    return On(source=SourceSpec(kind="webhook", name="webhook:orders", params=params), **more)


def looking(context: up.SensorEvaluationContext) -> None: ...


def described(*sensors: up.SensorDefinition, **parts: Any) -> list[SensorNode]:
    project = up.Definitions(assets=[orders, customers], sensors=sensors, **parts)
    snapshot = build_snapshot(project, "here")
    adapter = TypeAdapter(Snapshot)
    assert adapter.validate_json(adapter.dump_json(snapshot)) == snapshot
    return list(snapshot.sensors)


def complaint(*sensors: up.SensorDefinition, **parts: Any) -> str:
    with pytest.raises(up.DagsterInvalidDefinitionError) as caught:
        described(*sensors, **parts)
    return str(caught.value)


def test_a_sensor_that_looks_around_has_an_interval() -> None:
    (node,) = described(up.sensor(job=DAILY, minimum_interval_seconds=5, tags={"team": "data"})(looking))
    assert (node.name, node.kind, node.interval, node.on) == ("looking", "polling", 5, ())
    assert (node.jobs, node.assets, node.tags) == (("daily",), (), {"team": "data"})
    assert node.file == __file__


def test_a_sensor_of_events_has_none_and_its_listener_travels_without_the_users_filter() -> None:
    def large(event: Any) -> bool:
        return True

    on = CalledOn(source=listening().source, filter_call="here.large", function=large)
    sensor = up.sensor(on=on, target=[orders])(looking)
    (node,) = described(sensor)
    assert (node.kind, node.interval) == ("event", None)
    assert node.on == (listening(filter_call="here.large"),)
    assert up.Definitions(assets=[orders], sensors=[sensor]).filters == {"here.large": large}


def test_the_filters_of_assets_are_found_by_the_same_key() -> None:
    on = CalledOn(source=listening().source, filter_call="here.large", function=bool)
    heard = up.asset(name="heard", on=on)(lambda: None)
    project = up.Definitions(assets=[heard])
    assert project.filters == {"here.large": bool}
    assert build_snapshot(project, "here").assets[0].on == (listening(filter_call="here.large"),)


def test_a_sensor_is_on_unless_it_is_declared_as_stopped() -> None:
    status = up.DefaultSensorStatus
    nodes = described(
        up.sensor(name="unsaid", job=DAILY)(looking),
        up.sensor(name="running", job=DAILY, default_status=status.RUNNING)(looking),
        up.sensor(name="stopped", job=DAILY, default_status=status.STOPPED)(looking),
    )
    assert [(node.name, node.active) for node in nodes] == [("unsaid", True), ("running", True), ("stopped", False)]


def test_what_a_sensor_is_for_is_resolved_to_assets() -> None:
    nodes = described(
        up.sensor(name="all", target="*")(looking),
        up.sensor(name="one", asset_selection=[customers])(looking),
        up.sensor(name="several_jobs", jobs=[DAILY, up.define_asset_job("other")])(looking),
        up.sensor(name="none")(looking),
    )
    assert [node.assets for node in nodes] == [("orders", "customers"), ("customers",), (), ()]
    assert [node.jobs for node in nodes] == [(), (), ("daily", "other"), ()]


def test_sensors_of_assets_say_which_they_watch() -> None:
    nodes = described(
        up.asset_sensor(up.AssetKey("orders"), name="one", job=DAILY)(looking),
        up.multi_asset_sensor([up.AssetKey("orders"), up.AssetKey("elsewhere")], name="listed")(looking),
        up.multi_asset_sensor(up.AssetSelection.all(), name="chosen")(looking),
    )
    assert [(node.kind, node.watched_assets) for node in nodes] == [
        ("asset", ("orders",)),
        ("multi_asset", ("orders", "elsewhere")),
        ("multi_asset", ("orders", "customers")),
    ]
    assert all(node.interval is None for node in nodes)


def test_sensors_of_runs_say_which_they_watch() -> None:
    elsewhere = up.JobSelector(job_name="elsewhere", location_name="there")
    nodes = described(
        up.run_status_sensor(up.DagsterRunStatus.SUCCESS, name="all")(looking),
        up.run_failure_sensor(name="some", monitored_jobs=[DAILY, elsewhere], request_job=DAILY)(looking),
    )
    assert [(node.watched_statuses, node.watched_jobs, node.jobs) for node in nodes] == [
        (("SUCCESS",), None, ()),
        (("FAILURE",), ("daily", "elsewhere"), ("daily",)),
    ]


def test_the_functions_own_words_describe_it() -> None:
    def spoken(context: Any) -> None:
        """Looks for files."""

    nodes = described(up.sensor()(spoken), up.sensor(name="named", description="Said.")(spoken))
    assert [node.description for node in nodes] == ["Looks for files.", "Said."]


def test_a_call_may_be_given_less_time() -> None:
    nodes = described(up.sensor(name="short", timeout=1.5)(looking), up.sensor(name="usual")(looking))
    assert [node.timeout for node in nodes] == [1.5, 60.0]


def test_an_interval_beside_events_is_refused() -> None:
    with pytest.raises(up.DagsterInvalidDefinitionError, match=r"test_sensors.py:\d+: sensor 'looking' has on= and"):
        up.sensor(on=listening(), minimum_interval_seconds=5)(looking)


def test_a_sensor_that_listens_to_no_source_is_refused() -> None:
    with pytest.raises(up.DagsterInvalidDefinitionError, match=r"on= takes event sources, not 'orders'"):
        up.sensor(on="orders")(looking)  # type: ignore[arg-type]


def test_an_unguarded_webhook_is_found() -> None:
    open_to_all = On(source=SourceSpec(kind="webhook", name="webhook:open", params={"endpoint": "open"}))
    assert "'webhook:open' has no secret" in complaint(up.sensor(on=open_to_all)(looking))


def test_one_source_with_two_secrets_is_found() -> None:
    other = SourceSpec(kind="webhook", name="webhook:orders", params={"endpoint": "orders", "secrets": ["x"]})
    heard = up.asset(name="heard", on=listening())(lambda: None)
    with pytest.raises(
        up.DagsterInvalidDefinitionError, match=r"source 'webhook:orders' is declared with other .*secrets"
    ):
        build_snapshot(up.Definitions(assets=[heard], sensors=[up.sensor(on=On(source=other))(looking)]), "here")


def test_a_resource_that_nobody_defines_is_found_with_its_place() -> None:
    message = complaint(up.sensor(required_resource_keys={"shop"})(looking))
    assert "test_sensors.py:" in message
    assert "sensor 'looking' needs the resource 'shop', which is not there" in message


def test_an_asset_that_does_not_exist_is_found_with_what_was_meant() -> None:
    assert "sensor 'looking': there is no asset 'order'; did you mean 'orders'?" in complaint(
        up.sensor(asset_selection=["order"])(looking)
    )


def test_all_mistakes_are_told_at_once() -> None:
    message = complaint(
        up.sensor(name="first", job_name="nope")(looking), up.sensor(name="second", target=["nope"])(looking)
    )
    assert "sensor 'first' asks for job 'nope'" in message
    assert "sensor 'second': there is no asset 'nope'" in message


def test_sensors_at_the_top_level_of_a_module_are_found() -> None:
    module = ModuleType("project")
    module.looking = up.sensor(job=DAILY)(looking)  # type: ignore[attr-defined]
    module.more = [up.ScheduleDefinition(job=DAILY, cron_schedule="@daily")]  # type: ignore[attr-defined]
    project = project_from_module(module)
    assert sorted(project.sensing) == ["daily_schedule", "looking"]
    assert [job.name for job in project.jobs] == ["daily"]


def test_the_assets_of_a_target_come_along() -> None:
    project = up.Definitions(assets=[orders], sensors=[up.sensor(target=[orders, customers])(looking)])
    assert [asset.key.to_user_string() for asset in project.assets] == ["orders", "customers"]


def test_the_example_of_the_document_loads() -> None:
    document = (Path(__file__).parents[3] / "docs" / "sensors.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    module = ModuleType("example")
    exec(compile(example, "docs/sensors.md", "exec"), vars(module))
    snapshot = build_snapshot(project_from_module(module), "here")
    assert {node.name: node.active for node in snapshot.sensors if not node.active} == {"paused": False}
    assert len(snapshot.sensors) == 7
