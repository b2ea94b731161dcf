"""Run config of assets: which values fit which fields of a config class, and what comes out of them."""

import enum
import os
from typing import Literal


def run(dg, kit):
    from pydantic import Field

    class Colour(enum.Enum):
        RED = "red"
        BLUE = "blue"

    class Inner(dg.Config):
        x: int
        y: str = "why"

    class Cat(dg.Config):
        kind: Literal["cat"] = "cat"
        lives: int

    class Dog(dg.Config):
        kind: Literal["dog"] = "dog"
        bark: str = "wuff"

    class Open(dg.PermissiveConfig):
        n: int = 1

    def answer(annotation, value, default=...):
        """What an asset sees of its field, given `value` as run config."""
        fields = {"__annotations__": {"f": annotation}, "__module__": __name__}
        if default is not ...:
            fields["f"] = default
        kind = type("Conf", (dg.Config,), fields)
        seen = []

        def a(config):
            seen.append(shown(config.f))

        a.__annotations__ = {"config": kind}
        config = {} if value is ... else {"ops": {"a": {"config": {"f": value}}}}
        dg.materialize([dg.asset(a)], run_config=config, instance=dg.DagsterInstance.ephemeral())
        return seen[0]

    def shown(value):
        if isinstance(value, enum.Enum):
            return [type(value).__name__, value.name]
        if isinstance(value, dg.Config):
            return [type(value).__name__, {key: shown(one) for key, one in sorted(dict(value).items())}]
        if isinstance(value, list | tuple):
            return [shown(one) for one in value]
        if isinstance(value, dict):
            return {str(key): shown(one) for key, one in value.items()}
        return value

    pet = Cat | Dog
    tagged = Field(discriminator="kind")
    questions = {
        "int": (int, 3),
        "int as text": (int, "3"),
        "int as bool": (int, True),
        "int as float": (int, 3.0),
        "int as none": (int, None),
        "float": (float, 1.5),
        "float as int": (float, 1),
        "float as text": (float, "1.5"),
        "str": (str, "x"),
        "str as int": (str, 5),
        "bool": (bool, True),
        "bool as int": (bool, 1),
        "bool as text": (bool, "true"),
        "list": (list[int], [1, 2]),
        "list with text": (list[int], [1, "2"]),
        "list as tuple": (list[int], (1, 2)),
        "list as none": (list[int], None),
        "plain list": (list, [1, "a"]),
        "dict": (dict[str, int], {"a": 1}),
        "dict with text": (dict[str, int], {"a": "x"}),
        "dict of lists": (dict[str, list[int]], {"a": [1]}),
        "plain dict": (dict, {"a": [1, "b"]}),
        "optional": (int | None, None),
        "optional with a value": (int | None, 3),
        "optional with a wrong value": (int | None, "x"),
        "optional left out": (int | None, ...),
        "optional left out with none for default": (int | None, ..., None),
        "default": (int, ..., 7),
        "enum by name": (Colour, "RED"),
        "enum by value": (Colour, "red"),
        "enum unknown": (Colour, "GREEN"),
        "enum default": (Colour, ..., Colour.BLUE),
        "list of enums": (list[Colour], ["RED", "BLUE"]),
        "nested": (Inner, {"x": 1}),
        "nested whole": (Inner, {"x": 1, "y": "z"}),
        "nested wrong": (Inner, {"x": "a"}),
        "nested unknown": (Inner, {"x": 1, "q": 2}),
        "nested missing": (Inner, {}),
        "nested default": (Inner, ..., Inner(x=9)),
        "nested optional": (Inner | None, None),
        "nested optional with a value": (Inner | None, {"x": 1}),
        "list of nested": (list[Inner], [{"x": 1}, {"x": 2, "y": "b"}]),
        "list of nested wrong": (list[Inner], [{"x": 1}, {"y": "b"}]),
        "dict of nested": (dict[str, Inner], {"k": {"x": 1}}),
        "union": (pet, {"cat": {"lives": 9}}, tagged),
        "union of the other": (pet, {"dog": {}}, tagged),
        "union flat": (pet, {"kind": "cat", "lives": 9}, tagged),
        "union wrong": (pet, {"cat": {"lives": "x"}}, tagged),
        "union unknown": (pet, {"cow": {}}, tagged),
        "permissive": (Open, {"n": 2, "other": "x"}),
        "permissive wrong": (Open, {"n": "a", "other": "x"}),
        "bounded": (int, 5, Field(gt=3)),
        "bounded wrong": (int, 2, Field(gt=3)),
        "field default": (int, ..., Field(default=4, description="four")),
        "field factory": (list[int], ..., Field(default_factory=lambda: [1])),
        "literal": (Literal["a", "b"], "a"),
        "literal wrong": (Literal["a", "b"], "c"),
        "str of the environment": (str, {"env": "PARITY_TEXT"}),
        "int of the environment": (int, {"env": "PARITY_NUMBER"}),
        "int of the environment wrong": (int, {"env": "PARITY_TEXT"}),
        "not in the environment": (str, {"env": "PARITY_NOT_THERE"}),
    }
    os.environ.update(PARITY_TEXT="text", PARITY_NUMBER="12")
    return {name: kit.outcome(dg, lambda q=question: answer(*q)) for name, question in questions.items()}
