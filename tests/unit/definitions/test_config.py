"""Config: schemas, classes, and what is said of mistakes. tests/parity has which values fit which types."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field as PydanticField

from upwell import Array, Config, DagsterInvalidConfigError, DagsterInvalidDefinitionError, EnvVar, Field, RunConfig
from upwell.definitions.config.checking import check_run_config
from upwell.definitions.config.classes import plain_config_of
from upwell.definitions.config.resolving import problems_of, resolved_config, schema_of


class Colour(enum.Enum):
    RED = "red"


class Cat(Config):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(Config):
    kind: Literal["dog"] = "dog"


class Inner(Config):
    numbers: list[int] = []
    colour: Colour = Colour.RED


class Load(Config):
    path: str
    inner: Inner = Inner()
    pet: Cat | Dog = PydanticField(default=Dog(), discriminator="kind")
    limits: dict[str, float] = {}
    maybe: int | None = None


loads = st.builds(
    Load,
    path=st.text(),
    inner=st.builds(Inner, numbers=st.lists(st.integers())),
    pet=st.one_of(st.builds(Cat, lives=st.integers()), st.builds(Dog)),
    limits=st.dictionaries(st.text(), st.floats(allow_nan=False)),
    maybe=st.one_of(st.none(), st.integers()),
)


@given(loads)
def test_what_an_object_says_as_plain_data_makes_the_same_object(load: Load) -> None:
    assert resolved_config(Load, plain_config_of(load), "config") == load


def test_every_mistake_is_told_with_its_place() -> None:
    said = {"inner": {"numbers": [1, "two"], "colour": "GREEN"}, "limits": {"a": "x"}, "other": 1}
    assert list(problems_of(Load, said, "ops.orders.config")) == [
        "ops.orders.config.other is not known; ops.orders.config takes path, inner, pet, limits, maybe",
        "ops.orders.config.path is missing",
        "ops.orders.config.inner.numbers[1] is 'two', and has to be an integer",
        "ops.orders.config.inner.colour is 'GREEN', and has to be one of RED",
        "ops.orders.config.limits.a is 'x', and has to be a number",
    ]


def test_a_variable_of_the_environment_is_named_and_not_read_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    said = RunConfig(ops={"orders": Load(path=EnvVar("LOAD_PATH"))}).to_config_dict()["ops"]
    assert said["orders"]["config"]["path"] == {"env": "LOAD_PATH"}
    with pytest.raises(DagsterInvalidConfigError, match="LOAD_PATH, which is not set"):
        resolved_config(Load, said["orders"]["config"], "config")
    monkeypatch.setenv("LOAD_PATH", "a.csv")
    assert resolved_config(Load, said["orders"]["config"], "config").path == "a.csv"


@pytest.mark.parametrize(
    ("schema", "said", "found"),
    [
        ({"n": int, "s": Field(str, default_value="d")}, {"n": 1}, {"n": 1, "s": "d"}),
        ({"n": Field(int, is_required=False)}, {}, {}),
        ([int], [1, 2], [1, 2]),
        (Array({"a": bool}), [{"a": True}], [{"a": True}]),
        ({str: int}, {"a": 1}, {"a": 1}),
        (Any, [object], [object]),
    ],
)
def test_a_schema_may_be_written_in_several_ways(schema: Any, said: Any, found: Any) -> None:
    assert resolved_config(schema, said, "config") == found


def test_what_says_nothing_about_config_is_refused() -> None:
    with pytest.raises(DagsterInvalidDefinitionError, match="says nothing about config"):
        schema_of("text")


def test_run_config_names_only_what_the_run_has() -> None:
    check_run_config({"ops": {"a": {"config": 1}}, "execution": {}}, {"a": int}, {})
    with pytest.raises(DagsterInvalidConfigError, match=r"ops\.b is not known; this run has a") as wrong:
        check_run_config({"ops": {"b": {}}, "other": 1, "resources": 3}, {"a": int}, {})
    assert "other is not known; it takes ops, resources, execution, loggers" in str(wrong.value)
    assert "resources is 3, and has to be a dict" in str(wrong.value)
    assert "ops.a.config is missing" in str(wrong.value)
