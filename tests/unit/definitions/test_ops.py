"""Graphs of ops as they are put together. tests/parity has what runs, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import upwell as up
from upwell.definitions.ops.graphs import GraphDeclaration
from upwell.definitions.ops.nodes import FanIn, FromOutput
from upwell.definitions.ops.run_config import ops_config
from upwell.definitions.ops.selecting import selected_ops


@up.op
def one() -> int:
    return 1


@up.op
def inc(x: int) -> int:
    return x + 1


@up.op
def total(xs: list[int]) -> int:
    return sum(xs)


@up.op(out=up.DynamicOut())
def spread() -> Any:
    yield up.DynamicOutput(1, "a")


@up.op(config_schema={"k": int})
def configured(context: Any) -> int:
    k: int = context.op_config["k"]
    return k


@up.graph
def chain() -> Any:
    return inc.alias("last")(inc(one()))


@up.job
def outer() -> None:
    total([chain(), configured()])


def test_a_graph_knows_its_nodes_and_what_connects_them() -> None:
    assert list(chain.nodes) == ["one", "inc", "last"]
    assert chain.nodes["last"].links == {"x": FromOutput(node="inc", output="result")}
    assert chain.out_links == {"result": FromOutput(node="last", output="result")}
    (link,) = outer.graph.nodes["total"].links.values()
    assert isinstance(link, FanIn)
    assert outer.graph.nodes["total"].sources == {"chain", "configured"}


def test_values_of_two_dynamic_outputs_cannot_be_combined_one_by_one() -> None:
    @up.op
    def add(a: int, b: int) -> int:
        return a + b

    with pytest.raises(up.DagsterInvalidDefinitionError, match=r"'add' would run for each value of more.result and of"):

        @up.job
        def both() -> None:
            spread().map(lambda a: spread.alias("more")().map(lambda b: add(a, b)))


def test_mistakes_in_config_of_inner_ops_are_told_with_their_place() -> None:
    with pytest.raises(up.DagsterInvalidConfigError) as wrong:
        ops_config(outer.graph, {"ops": {"chain": {"config": 1}, "configured": {"config": {"k": "x"}}, "no": {}}}, {})
    assert "ops: no is not known; it takes chain, configured, total" in str(wrong.value)
    assert "ops.chain: config is not known; it takes ops, inputs" in str(wrong.value)
    assert "ops.configured.config.k is 'x', and has to be an integer" in str(wrong.value)


def test_a_selection_of_ops_may_take_what_is_above_and_below() -> None:
    assert set(selected_ops(chain, ["inc"]).nodes) == {"inc"}
    assert selected_ops(chain, ["inc"]).nodes["inc"].links == {}
    assert set(selected_ops(chain, ["+last"]).nodes) == {"inc", "last"}
    assert set(selected_ops(chain, ["one*"]).nodes) == {"one", "inc", "last"}
    with pytest.raises(up.DagsterInvalidSubsetError, match="op_selection names 'two', which is not in 'chain'"):
        selected_ops(chain, ["two"])


@given(st.data())
def test_each_op_comes_after_all_that_it_reads(data: st.DataObject) -> None:
    @up.op
    def node(ctx_free: Any = None) -> int:
        return 1

    size = data.draw(st.integers(1, 8))
    reads = [data.draw(st.lists(st.integers(0, index - 1), unique=True)) if index else [] for index in range(size)]
    names = data.draw(st.permutations([f"n{index}" for index in range(size)]))

    def body() -> None:
        made: list[Any] = []
        for name, sources in zip(names, reads, strict=True):
            use = node.alias(name)
            made.append(use([made[source] for source in sources]) if sources else use())

    drawn: GraphDeclaration = up.graph(name="drawn")(body)
    done: set[str] = set()
    for one_node in drawn.in_order():
        assert one_node.sources <= done
        done.add(one_node.name)
    assert done == set(names)
