"""What @asset, @multi_asset and @asset_check make of a function, and what they refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest

import upwell as up
from upwell.definitions.compute import ComputeDefinition
from upwell.definitions.specs import UNSET


class Conf(up.Config):
    limit: int = 3


class Api(up.ConfigurableResource):
    url: str


def body() -> None:
    """Nothing."""


def compute_of(one: up.AssetsDefinition) -> ComputeDefinition:
    assert one.compute is not None
    return one.compute


def test_arguments_have_roles() -> None:
    @up.asset(ins={"b": up.AssetIn(key_prefix="lake")}, required_resource_keys={"extra"})
    def made(context, a: int, b, config: Conf, api: Api, token: up.ResourceParam[str], c=None):
        return a

    compute = compute_of(made)
    assert compute.context_argument == "context"
    assert (compute.config_argument, compute.config_type) == ("config", Conf)
    assert list(compute.resource_arguments) == ["api", "token"]
    assert compute.required_resource_keys == {"api", "token", "extra"}
    assert [(given.name, given.key.to_user_string(), given.annotation) for given in compute.inputs] == [
        ("a", "a", int),
        ("b", "lake/b", UNSET),
        ("c", "c", UNSET),
    ]


def test_the_decorated_function_can_still_be_called() -> None:
    @up.asset
    def doubled(a):
        """Twice a."""
        return 2 * a

    assert doubled(21) == 42
    assert doubled.__name__ == "doubled"
    assert next(iter(doubled.specs)).description == "Twice a."


@pytest.mark.parametrize(
    ("make", "style"),
    [
        (lambda: body, "function"),
        (lambda: _coroutine, "coroutine"),
        (lambda: _generator, "generator"),
        (lambda: _async_generator, "async_generator"),
    ],
)
def test_the_style_of_the_function_is_known(make, style: str) -> None:
    assert compute_of(up.asset(make())).style == style


async def _coroutine():
    return 1


def _generator():
    yield up.Output(1)


async def _async_generator():
    yield up.Output(1)


def _unannotated():
    return 1


def _result() -> up.MaterializeResult:
    return up.MaterializeResult()


def _typed_result() -> up.MaterializeResult[int]:
    return up.MaterializeResult(value=1)


def _output() -> up.Output[str]:
    return up.Output("a")


@pytest.mark.parametrize(
    ("function", "annotation"),
    [(_unannotated, UNSET), (body, type(None)), (_result, type(None)), (_typed_result, int), (_output, str)],
)
def test_the_return_annotation_says_whether_a_value_is_stored_and_of_which_type(function, annotation: object) -> None:
    [output] = compute_of(up.asset(function)).outputs
    assert output.annotation == annotation
    assert output.has_value == (annotation is not type(None))


def test_dependencies_by_argument_and_by_deps_are_one() -> None:
    @up.asset(key_prefix="lake")
    def raw(): ...

    daily = up.LastPartitionMapping()

    @up.asset(deps=[raw, "a", up.AssetKey(["x", "y"]), up.AssetDep("z", partition_mapping=daily), up.AssetSpec("s")])
    def made(a): ...

    assert {key.to_user_string() for key in made.asset_deps[made.key]} == {"a", "lake/raw", "x/y", "z", "s"}
    assert made.specs[0].partition_mappings == {up.AssetKey("z"): daily}


def test_attributes_reach_the_spec_and_the_computation() -> None:
    @up.asset(
        group_name="marts/core",
        tags={"tier": "gold"},
        kinds={"dbt"},
        owners=["team:data", "me@example.com"],
        code_version="3",
        pool="warehouse",
        timeout=timedelta(minutes=2),
        retry_policy=up.RetryPolicy(max_retries=2),
        output_required=False,
        io_manager_key="lake",
    )
    def made(): ...

    [spec] = made.specs
    assert (spec.group_name, spec.kinds, spec.skippable) == ("marts/core", {"dbt"}, True)
    assert spec.tags == {"tier": "gold", "dagster/kind/dbt": ""}
    compute = compute_of(made)
    assert (compute.pool, compute.timeout, compute.outputs[0].io_manager_key) == ("warehouse", 120.0, "lake")


def test_a_multi_asset_with_outs_has_an_output_for_each() -> None:
    @up.multi_asset(
        outs={"left": up.AssetOut(group_name="g"), "right": up.AssetOut(key_prefix="p", is_required=False)},
        internal_asset_deps={"right": {up.AssetKey("left")}},
    )
    def pair(src) -> tuple[int, str]:
        return src, "b"

    assert [(o.name, o.key.to_user_string(), o.annotation, o.required) for o in compute_of(pair).outputs] == [
        ("left", "left", int, True),
        ("right", "p/right", str, False),
    ]
    assert pair.asset_deps[up.AssetKey(["p", "right"])] == {up.AssetKey("left")}
    assert pair.asset_deps[up.AssetKey("left")] == {up.AssetKey("src")}


def test_a_multi_asset_with_specs_stores_no_values_and_shares_what_is_said_once() -> None:
    days = up.DailyPartitionsDefinition("2024-01-01")

    @up.multi_asset(
        specs=[up.AssetSpec("a", deps=["x"]), up.AssetSpec("b", deps=["a"], skippable=True)],
        group_name="g",
        partitions_def=days,
        can_subset=True,
    )
    def pair(): ...

    compute = compute_of(pair)
    assert compute.name == "pair"
    assert compute.can_subset
    assert not any(output.has_value for output in compute.outputs)
    assert {spec.group_name for spec in pair.specs} == {"g"}
    assert pair.partitions_def == days


def test_a_check_reads_its_asset_by_any_argument() -> None:
    @up.asset_check(asset="orders", blocking=True, additional_ins={"limits": up.AssetIn(key_prefix="ref")})
    def positive(frame, limits):
        return up.AssetCheckResult(passed=True)

    compute = compute_of(positive)
    assert (compute.name, positive.check_key.to_user_string()) == ("orders_positive", "orders:positive")
    assert {given.name: given.key.to_user_string() for given in compute.inputs} == {
        "frame": "orders",
        "limits": "ref/limits",
    }
    [spec] = positive.check_specs
    assert (spec.blocking, [dep.asset_key.to_user_string() for dep in spec.additional_deps]) == (True, ["ref/limits"])


def _varargs(*args): ...


def _late_context(a, context): ...


def _bare_config(config): ...


def _two(a, b): ...


SPECS = [up.AssetSpec("a", group_name="g"), up.AssetSpec("b")]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: up.asset(name="has space")(body), "'has space' is no valid part of an asset key"),
        (lambda: up.asset(key="a/b")(body), "give a list, e.g. key="),
        (lambda: up.asset(key_prefix=["ok", "not ok"])(body), "'not ok' is no valid part"),
        (lambda: up.asset(name="class")(body), "'class' cannot name an asset"),
        (lambda: up.asset(key="q", name="q")(body), "either key, or name and key_prefix"),
        (lambda: up.asset(group_name="a-b")(body), "group_name='a-b'"),
        (lambda: up.asset(owners=["me"])(body), "owner 'me'"),
        (lambda: up.asset(tags={"a b": "c"})(body), "tag 'a b'"),
        (lambda: up.asset(kinds={"a"}, compute_kind="b")(body), "give kinds only"),
        (lambda: up.asset(ins={"nope": up.AssetIn("x")})(_two), "no such argument; its arguments are a, b"),
        (lambda: up.asset(ins={"a": "x"})(_two), "write AssetIn(key='x')"),
        (lambda: up.asset(_varargs), "cannot be filled by name"),
        (lambda: up.asset(_late_context), "context has to be the first argument"),
        (lambda: up.asset(_bare_config), "needs an annotation"),
        (lambda: up.asset(timeout=0)(body), "timeout=0"),
        (lambda: up.asset(on=["orders"])(body), "on= takes event sources"),
        (lambda: up.asset(check_specs=[up.AssetCheckSpec("x", asset="zzz")])(body), "which is not made here"),
        (lambda: up.asset(check_specs=[up.AssetCheckSpec("x", asset="body")] * 2)(body), "is declared twice"),
        (lambda: up.multi_asset(specs=SPECS, group_name="h")(body), "group of its own"),
        (lambda: up.multi_asset(specs=[SPECS[0], SPECS[0]])(body), "'a' is declared twice"),
        (lambda: up.multi_asset(specs=SPECS, deps=["c"])(body), "each AssetSpec has its own deps"),
        (lambda: up.multi_asset(specs=SPECS)(_two), "which is in the deps of no AssetSpec"),
        (lambda: up.multi_asset(specs=SPECS, outs={})(body), "outs and specs"),
        (lambda: up.multi_asset(outs={"a": up.AssetOut()}, internal_asset_deps={"b": set()})(body), "the outs are a"),
        (lambda: up.asset_check(asset="x")(_two), "name the others in additional_ins"),
        (lambda: up.asset_check(asset="x", name="a-b")(body), "'a-b' is no valid name for a check"),
    ],
)
def test_what_is_refused_names_the_thing_and_where_it_stands(make, complaint: str) -> None:
    with pytest.raises(up.DagsterInvalidDefinitionError) as caught:
        make()
    assert complaint in caught.value.message
    assert caught.value.file == __file__
    assert caught.value.line is not None


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        up.asset(colour="red")(body)


def test_two_mappings_for_one_dependency_are_refused() -> None:
    with pytest.raises(up.DagsterInvariantViolationError, match="given twice, with different partition mappings"):
        up.asset(deps=["a", up.AssetDep("a", partition_mapping=up.LastPartitionMapping())])(body)
