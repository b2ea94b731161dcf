"""Opening resources: once each, inner ones first, and put away in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from upwell import (
    ConfigurableResource,
    DagsterInvalidDefinitionError,
    DagsterResourceFunctionError,
    ResourceDependency,
    build_resources,
    resource,
)
from upwell.runtime.resources import OpenResources, with_needed

LOG: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    LOG.clear()


class Opened(ConfigurableResource):
    name: str

    def setup_for_execution(self, context: Any) -> None:
        LOG.append(f"open {self.name}")

    def teardown_after_execution(self, context: Any) -> None:
        LOG.append(f"close {self.name}")


class Around(Opened):
    inner: Opened


class Anything(ConfigurableResource):
    tool: ResourceDependency[Any]


def test_an_inner_resource_is_opened_before_and_put_away_after_the_outer_one() -> None:
    inner = Opened(name="inner")
    outer = Around(name="outer", inner=inner)
    with build_resources({"outer": outer, "inner": inner}) as opened:
        assert opened.outer.inner is opened.inner
        LOG.append("use")
    assert LOG == ["open inner", "open outer", "use", "close outer", "close inner"]


def test_a_function_gets_the_resources_that_it_needs_and_is_gone_on_with_at_the_end() -> None:
    log = []

    @resource(required_resource_keys={"base"})
    def above(context: Any) -> Iterator[str]:
        yield f"above {context.resources.base}"
        log.append("closed")

    with closing(OpenResources({"above": above, "base": "base"})) as opened:
        assert opened.get("above", "a test") == "above base"
        assert log == []
    assert log == ["closed"]
    assert with_needed({"above": above, "base": "base", "other": 1}, ["above"], "a test").keys() == {"above", "base"}
    with pytest.raises(DagsterInvalidDefinitionError, match="a test needs the resource 'base'"):
        with_needed({"above": above}, ["above"], "a test")


def test_a_field_may_be_made_by_a_function() -> None:
    with build_resources({"any": Anything(tool=resource(lambda: "hammer"))}) as opened:
        assert opened.any.tool == "hammer"


def test_what_was_opened_is_put_away_although_the_next_one_fails() -> None:
    @resource
    def broken(context: Any) -> str:
        raise ValueError("no network")

    with (
        pytest.raises(DagsterResourceFunctionError, match="'z' could not be opened: ValueError: no network") as raised,
        build_resources({"a": Opened(name="a"), "z": broken}),
    ):
        pass
    assert isinstance(raised.value.__cause__, ValueError)
    assert LOG == ["open a", "close a"]
