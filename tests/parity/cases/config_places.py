"""Where run config goes: assets, jobs, config schemas, keys that nobody knows, and `RunConfig` objects."""

import enum
from typing import Literal


def run(dg, kit):
    from pydantic import Field

    class Size(enum.Enum):
        BIG = "big"

    class Inner(dg.Config):
        x: int = 1

    class Cat(dg.Config):
        kind: Literal["cat"] = "cat"
        lives: int = 9

    class Dog(dg.Config):
        kind: Literal["dog"] = "dog"

    class Load(dg.Config):
        path: str
        size: Size = Size.BIG
        inner: Inner = Inner()
        pet: Cat | Dog = Field(discriminator="kind", default=Dog())
        more: list[Inner] = []

    class Free(dg.PermissiveConfig):
        n: int = 1

    seen = []

    @dg.asset
    def orders(config: Load):
        seen.append([config.path, config.size.name, config.inner.x, config.pet.kind])

    @dg.asset(key_prefix="shop")
    def users(config: Load):
        seen.append(config.path)

    @dg.asset(config_schema={"limit": int, "name": dg.Field(str, default_value="n", is_required=False)})
    def schema(context):
        seen.append(dict(sorted(context.op_config.items())))

    @dg.asset(config_schema={"tags": [str], "deep": {"a": int}, "maybe": dg.Noneable(int)})
    def deep(context):
        seen.append(dict(sorted(context.op_execution_context.op_config.items())))

    @dg.asset
    def none(context):
        seen.append(context.op_execution_context.op_config)

    @dg.asset
    def free(config: Free):
        seen.append([config.n, sorted(dict(config).items())])

    @dg.asset
    def as_dict(config: dict):
        seen.append(config)

    @dg.asset
    def as_int(config: int):
        seen.append(config)

    def go(asset, config):
        seen.clear()
        dg.materialize([asset], run_config=config, instance=dg.DagsterInstance.ephemeral())
        return list(seen)

    def of(name, config):
        return {"ops": {name: {"config": config}}}

    def job(config, run_config=None):
        seen.clear()
        declared = dg.define_asset_job("daily", selection=[orders], config=config)
        dg.Definitions(assets=[orders], jobs=[declared]).resolve_job_def("daily").execute_in_process(
            run_config=run_config, instance=dg.DagsterInstance.ephemeral()
        )
        return list(seen)

    whole = Load(path="p", inner=Inner(x=4), pet=Cat(lives=3), more=[Inner(x=2)])
    return kit.outcomes(
        dg,
        {
            "object": lambda: go(orders, dg.RunConfig(ops={"orders": whole})),
            "object as data": lambda: dg.RunConfig(ops={"orders": whole}).to_config_dict()["ops"],
            "object from the environment": lambda: dg.RunConfig(
                ops={"orders": Load(path=dg.EnvVar("P"))}
            ).to_config_dict()["ops"]["orders"]["config"]["path"],
            "data": lambda: go(orders, of("orders", {"path": "q", "pet": {"cat": {}}})),
            "no config": lambda: go(orders, None),
            "empty": lambda: go(orders, {}),
            "no config key": lambda: go(orders, {"ops": {"orders": {"path": "x"}}}),
            "unknown beside config": lambda: go(orders, {"ops": {"orders": {"config": {"path": "x"}, "extra": 1}}}),
            "unknown op": lambda: go(orders, {"ops": {"orders": {"config": {"path": "x"}}, "zzz": {"config": {}}}}),
            "unknown top": lambda: go(orders, {**of("orders", {"path": "x"}), "zzz": 1}),
            "execution": lambda: go(orders, {**of("orders", {"path": "x"}), "execution": {"config": {}}}),
            "loggers": lambda: go(orders, {**of("orders", {"path": "x"}), "loggers": {}}),
            "config for one that takes none": lambda: go(none, of("none", {"x": 1})),
            "empty config for one that takes none": lambda: go(none, of("none", {})),
            "none": lambda: go(none, None),
            "not a mapping": lambda: go(orders, of("orders", [1])),
            "prefixed": lambda: go(users, of("shop__users", {"path": "x"})),
            "prefixed by its name": lambda: go(users, of("users", {"path": "x"})),
            "schema": lambda: go(schema, of("schema", {"limit": 3})),
            "schema whole": lambda: go(schema, of("schema", {"limit": 3, "name": "x"})),
            "schema missing": lambda: go(schema, None),
            "schema wrong": lambda: go(schema, of("schema", {"limit": "x"})),
            "schema unknown": lambda: go(schema, of("schema", {"limit": 1, "q": 1})),
            "deep": lambda: go(deep, of("deep", {"tags": ["a"], "deep": {"a": 1}, "maybe": None})),
            "deep without the noneable": lambda: go(deep, of("deep", {"tags": ["a"], "deep": {"a": 1}})),
            "deep wrong": lambda: go(deep, of("deep", {"tags": [1], "deep": {"a": 1}})),
            "free": lambda: go(free, of("free", {"n": 2, "z": [1]})),
            "free without": lambda: go(free, None),
            "dict": lambda: go(as_dict, of("as_dict", {"a": 1})),
            "int": lambda: go(as_int, of("as_int", 3)),
            "int wrong": lambda: go(as_int, of("as_int", "x")),
            "job": lambda: job({"ops": {"orders": {"config": {"path": "j"}}}}),
            "job of an object": lambda: job(dg.RunConfig(ops={"orders": Load(path="o")})),
            "job overridden": lambda: job(dg.RunConfig(ops={"orders": Load(path="o")}), of("orders", {"path": "r"})),
            "job overridden by an empty one": lambda: job(dg.RunConfig(ops={"orders": Load(path="o")}), {}),
            "direct": lambda: orders(config=Load(path="d")),
            "direct by place": lambda: orders(Load(path="d")),
            "direct dict": lambda: orders(config={"path": "d"}),
            "direct nothing": lambda: orders(),
        },
    )
