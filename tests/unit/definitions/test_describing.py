"""The snapshot of a project, and every mistake in it at once."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest
from pydantic import TypeAdapter

import upwell as up
from upwell.definitions.definitions import project_from_module
from upwell.definitions.describing import build_snapshot
from upwell.definitions.errors import DagsterInvalidDefinitionErrors
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import Snapshot
from upwell_sensors import webhook

DAYS = up.DailyPartitionsDefinition("2024-01-01", timezone="Europe/Berlin")


def listening(*, secret: str | None = "ORDERS_SECRET", insecure: bool = False, partition: str | None = None) -> On:
    secrets = [] if secret is None else [{"env": secret}]
    params = {"endpoint": "orders", "scheme": None, "secrets": secrets, "insecure": insecure}
    return On(source=SourceSpec(kind="webhook", name="webhook:orders", params=params), partition=partition)


def make(name: str, *deps: object, **more) -> up.AssetsDefinition:
    return up.asset(name=name, deps=deps, **more)(lambda: None)


def complaints(**declared) -> list[str]:
    with pytest.raises(up.DagsterInvalidDefinitionError) as caught:
        build_snapshot(up.Definitions(**declared), "here")
    return [problem.message for problem in getattr(caught.value, "problems", [caught.value])]


def test_filters_that_a_worker_could_not_tell_apart_are_a_mistake() -> None:
    def any_of(names: list[str]):
        return webhook("orders", insecure=True, filter=lambda event: event.data in names)

    same = any_of(["a"])
    several = [make("one", on=same), make("two", on=same), make("three", on=any_of(["b"]))]
    [complaint] = complaints(assets=several)
    assert "listeners to webhook:orders" in complaint
    assert "give each a name of its own" in complaint


def test_the_snapshot_tells_everything_and_survives_its_journey() -> None:
    @up.asset(
        partitions_def=DAYS, group_name="raw", compute_kind="python", on=listening(), on_downstream="none", pool="p"
    )
    def raw_orders(): ...

    @up.asset(
        ins={"raw_orders": up.AssetIn(partition_mapping=up.LastPartitionMapping())},
        metadata={"rows": 3, "how": object()},
        freshness_policy=None,
        automation_condition=up.AutomationCondition.eager(),
        retry_policy=up.RetryPolicy(max_retries=2),
        check_specs=[up.AssetCheckSpec("total", asset="fct")],
    )
    def fct(raw_orders): ...

    @up.asset_check(asset=fct, blocking=True)
    def positive(fct): ...

    snapshot = build_snapshot(
        up.Definitions(
            assets=[raw_orders, fct, up.AssetSpec("outside")],
            asset_checks=[positive],
            jobs=[up.define_asset_job("daily", "key:raw_orders+")],
        ),
        "here",
        "abc",
    )
    adapter = TypeAdapter(Snapshot)
    assert adapter.validate_json(adapter.dump_json(snapshot, exclude_defaults=True)) == snapshot
    assets = {node.key: node for node in snapshot.assets}
    assert (assets["raw_orders"].kinds, assets["raw_orders"].on_downstream) == (("python",), "none")
    assert assets["raw_orders"].partitions == DAYS
    assert assets["fct"].deps[0].mapping == up.LastPartitionMapping()
    assert assets["fct"].metadata == {
        "rows": {"type": "int", "value": 3},
        "how": {"type": "text", "value": "(object object)"},
    }
    assert (assets["fct"].automation, assets["outside"].step) == ("eager", None)
    assert {(check.key, check.step, check.blocking) for check in snapshot.checks} == {
        ("fct:total", "fct", False),
        ("fct:positive", "fct_positive", True),
    }
    assert {(step.key, step.assets, step.pool) for step in snapshot.steps} == {
        ("raw_orders", ("raw_orders",), "p"),
        ("fct", ("fct",), None),
        ("fct_positive", (), None),
    }
    assert snapshot.jobs[0].assets == ("raw_orders", "fct")


def test_an_unknown_dependency_is_an_external_asset() -> None:
    @up.asset
    def reads(not_there): ...

    assert isinstance(build_snapshot(up.Definitions(assets=[reads]), "here"), Snapshot)


def test_every_mistake_is_told_at_once_with_its_file_and_line() -> None:
    @up.asset(name="twice")
    def first(): ...

    @up.asset(name="twice")
    def second(): ...

    @up.asset(deps=["alone"])
    def alone(): ...

    @up.asset
    def needy(api: up.ResourceParam[str]): ...

    with pytest.raises(DagsterInvalidDefinitionErrors) as caught:
        build_snapshot(up.Definitions(assets=[first, second, alone, needy]), "here")
    lines = {
        function.__name__: inspect.unwrap(function).__code__.co_firstlineno
        for function in (first, second, alone, needy)
    }
    assert [(problem.line, problem.message.split(";")[0].split(".")[0]) for problem in caught.value.problems] == [
        (lines["second"], "asset 'twice' is defined twice"),
        (lines["alone"], "asset 'alone' depends on itself"),
        (lines["needy"], "asset 'needy' needs the resource 'api', which is not there (there are: none)"),
    ]
    assert all(problem.file == __file__ for problem in caught.value.problems)
    assert f"{__file__}:{lines['first']}" in caught.value.problems[0].message


ROOT = make("root")


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        ({"assets": [make("a", "b"), make("b", "a")]}, "depend on each other in a circle"),
        ({"assets": [ROOT, up.AssetSpec("root")]}, "computed by a function and declared as external"),
        (
            {"assets": [ROOT], "asset_checks": [up.asset_check(asset="root", name="c")(lambda: None) for _ in "ab"]},
            "check 'root:c' is defined twice",
        ),
        ({"asset_checks": [up.asset_check(asset="", name="c")(lambda: None)]}, "check 'c' is of no asset"),
        ({"assets": [ROOT], "jobs": [up.define_asset_job("j", "nope")]}, "job 'j': there is no asset 'nope'"),
        ({"assets": [ROOT], "jobs": [up.define_asset_job("j"), up.define_asset_job("j")]}, "job 'j' is defined twice"),
        ({"assets": [make("a", on=listening(secret=None))]}, "'webhook:orders' has no secret"),
        (
            {"assets": [make("a", on=listening()), make("b", on=listening(secret="OTHER"))]},
            "source 'webhook:orders' is declared with other secrets than at",
        ),
        ({"assets": [make("a", on=listening(partition="$.day"))]}, "but asset 'a' has no partitions"),
        ({"assets": [make("a", io_manager_key="lake")]}, "needs the resource 'lake'"),
        (
            {
                "assets": [
                    make("a", partitions_def=up.StaticPartitionsDefinition(["x"])),
                    make(
                        "b",
                        up.AssetDep("a", partition_mapping=up.TimeWindowPartitionMapping(start_offset=-1)),
                        partitions_def=DAYS,
                    ),
                ]
            },
            "asset 'b' cannot read 'a' like this",
        ),
        (
            {
                "assets": [
                    make("a", up.AssetDep("a", partition_mapping=up.TimeWindowPartitionMapping()), partitions_def=DAYS)
                ]
            },
            "depends on itself",
        ),
    ],
)
def test_one_mistake(declared: dict[str, object], complaint: str) -> None:
    [told] = complaints(**declared)
    assert complaint in told


def test_functions_that_make_several_assets_may_wait_for_each_other_only_if_they_can_be_divided() -> None:
    def both(*, can_subset: bool) -> up.AssetsDefinition:
        specs = [up.AssetSpec("a"), up.AssetSpec("c", deps=["b"])]
        return up.multi_asset(specs=specs, name="both", can_subset=can_subset)(lambda: None)

    between = make("b", "a")
    assert build_snapshot(up.Definitions(assets=[both(can_subset=True), between]), "here").steps
    [told] = complaints(assets=[both(can_subset=False), between])
    assert "these functions wait for each other" in told
    assert "can_subset=True" in told


def test_an_asset_may_read_its_own_past() -> None:
    past = up.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
    running = make("a", up.AssetDep("a", partition_mapping=past), partitions_def=DAYS)
    assert build_snapshot(up.Definitions(assets=[running]), "here").assets


def test_two_computations_of_one_name_get_different_steps() -> None:
    definitions = up.Definitions(assets=[make("a__b"), up.asset(key=["a", "b"])(lambda: None)])
    assert list(definitions.computations) == ["a__b", "a__b_2"]
    assert [step.key for step in build_snapshot(definitions, "here").steps] == ["a__b", "a__b_2"]


def module_with(**values: object) -> ModuleType:
    module = ModuleType("user_code")
    module.__file__ = "user_code.py"
    vars(module).update(values)
    return module


def test_a_module_is_its_definitions_or_all_that_stands_at_its_top_level() -> None:
    class Api(up.ConfigurableResource):
        url: str = "x"

    defs, api = up.Definitions(assets=[ROOT]), Api()
    assert project_from_module(module_with(defs=defs, again=defs, other=make("other"))) is defs
    check = up.asset_check(asset="root", name="c")(lambda: None)
    found = project_from_module(
        module_with(root=ROOT, alias=ROOT, more=[make("a"), up.AssetSpec("b")], check=check, api=api)
    )
    assert {key.to_user_string() for key in found.resolve_all_asset_keys()} == {"root", "a", "b"}
    assert (list(found.computations), found.resources) == (["root", "a", "root_c"], {"api": api})


@pytest.mark.parametrize(
    ("values", "complaint"),
    [({"x": 1}, "declares nothing"), ({"a": up.Definitions(), "b": up.Definitions()}, "has 2 Definitions")],
)
def test_a_module_that_says_nothing_or_too_much_is_refused(values: dict[str, object], complaint: str) -> None:
    with pytest.raises(up.DagsterInvalidDefinitionError, match=complaint):
        project_from_module(module_with(**values))


def test_definitions_merge_unless_their_resources_conflict() -> None:
    one = up.Definitions(assets=[ROOT], resources={"r": "R"})
    two = up.Definitions(assets=[ROOT, make("b")], resources={"r": "R"})
    assert len(up.Definitions.merge(one, two, one).resolve_asset_graph().get_all_asset_keys()) == 2
    with pytest.raises(up.DagsterInvariantViolationError, match="different resources 'r'"):
        up.Definitions.merge(one, up.Definitions(resources={"r": "other"}))


def test_something_else_among_the_definitions_is_refused() -> None:
    with pytest.raises(up.DagsterInvalidDefinitionError, match="decorate the function with @asset"):
        up.Definitions(assets=[make])
