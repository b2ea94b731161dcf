"""IO managers: what they are told; factories, functions, input managers; values checked against annotations."""

import typing


def run(dg, kit):
    log = []

    class Spy(dg.IOManager):
        def __init__(self):
            self.store = {}

        def handle_output(self, context, obj):
            log.append(["out", context.name, obj, context.has_asset_partitions])
            self.store[tuple(context.get_asset_identifier())] = obj
            context.add_output_metadata({"stored": True})

        def load_input(self, context):
            log.append(["in", context.name, context.has_asset_partitions])
            if context.has_asset_partitions and len(context.asset_partition_keys) != 1:
                path = list(context.asset_key.path)
                return {key: self.store[(*path, key)] for key in context.asset_partition_keys}
            return self.store[tuple(context.get_asset_identifier())]

    class Prefixed(dg.ConfigurableIOManager):
        prefix: str = "p"

        def handle_output(self, context, obj):
            log.append([f"{self.prefix} out", obj])

        def load_input(self, context):
            return f"{self.prefix} loaded"

    class Factory(dg.ConfigurableIOManagerFactory):
        prefix: str = "f"

        def create_io_manager(self, context):
            return Prefixed(prefix=self.prefix)

    class Loader(dg.InputManager):
        def load_input(self, context):
            return f"loaded {context.name} {context.upstream_output is not None}"

    @dg.io_manager
    def by_function():
        return Spy()

    @dg.io_manager(config_schema={"prefix": str})
    def by_config(context):
        return Prefixed(prefix=context.resource_config["prefix"])

    @dg.input_manager
    def loads(context):
        return f"function {context.asset_key.to_user_string()}"

    days = dg.StaticPartitionsDefinition(["a", "b"])

    @dg.asset(partitions_def=days)
    def parts(context):
        return context.partition_key

    @dg.asset
    def whole(parts):
        return parts

    @dg.asset(partitions_def=days)
    def same(parts):
        return parts

    @dg.asset
    def up():
        return 1

    @dg.asset
    def down(up):
        return up

    def go(assets, partition=None, selection=None, **resources):
        log.clear()
        return dg.materialize(
            assets,
            resources=resources,
            partition_key=partition,
            selection=selection,
            instance=dg.DagsterInstance.ephemeral(),
        )

    def partitioned():
        spy = Spy()
        log.clear()
        instance = dg.DagsterInstance.ephemeral()
        for key in ("a", "b"):
            dg.materialize([parts], resources={"io_manager": spy}, partition_key=key, instance=instance)
        dg.materialize(
            [parts, same], selection=[same], resources={"io_manager": spy}, partition_key="a", instance=instance
        )
        result = dg.materialize([parts, whole], selection=[whole], resources={"io_manager": spy}, instance=instance)
        return [result.output_for_node("whole"), list(log)]

    def of(annotation, value, reads=typing.Any):
        def a():
            return value

        def b(a):
            return 1

        a.__annotations__ = {"return": annotation} if annotation is not None else {}
        b.__annotations__ = {"a": reads}
        return dg.materialize([dg.asset(a), dg.asset(b)], instance=dg.DagsterInstance.ephemeral()).success

    def keyed(key, **resources):
        @dg.asset(io_manager_key=key)
        def a():
            return 1

        @dg.asset(ins={"a": dg.AssetIn(input_manager_key="other")})
        def b(a):
            return a

        return go([a, b], **resources).output_for_node("b")

    def context_of_output():
        context = dg.build_output_context(asset_key="a", partition_key="x", metadata={"m": 1}, name="n")
        return [
            context.asset_key.to_user_string(),
            context.name,
            context.has_partition_key,
            context.partition_key,
            dict(context.definition_metadata),
        ]

    def context_of_input():
        above = dg.build_output_context(asset_key="a")
        context = dg.build_input_context(upstream_output=above, asset_key="a", name="n")
        return [context.asset_key.to_user_string(), context.name, context.upstream_output is above]

    def metadata():
        result = go([up], io_manager=Spy())
        return sorted(result.asset_materializations_for_node("up")[0].metadata)

    return kit.outcomes(
        dg,
        {
            "partitions": partitioned,
            "calls": lambda: [go([up, down], io_manager=Spy()).success, list(log)],
            "metadata": metadata,
            "configurable": lambda: go([up, down], io_manager=Prefixed()).output_for_node("down"),
            "factory": lambda: go([up, down], io_manager=Factory()).output_for_node("down"),
            "function": lambda: go([up, down], io_manager=by_function).output_for_node("down"),
            "function configured": lambda: go(
                [up, down], io_manager=by_config.configured({"prefix": "c"})
            ).output_for_node("down"),
            "function not configured": lambda: go([up, down], io_manager=by_config).success,
            "memory": lambda: go([up, down], io_manager=dg.mem_io_manager).output_for_node("down"),
            "memory object": lambda: go([up, down], io_manager=dg.InMemoryIOManager()).output_for_node("down"),
            "by key": lambda: keyed("spy", spy=Spy(), other=Prefixed(prefix="o")),
            "input manager of a function": lambda: keyed("spy", spy=Spy(), other=loads),
            "key missing": lambda: keyed("spy", other=Loader()),
            "input key missing": lambda: keyed("spy", spy=Spy()),
            "not an io manager": lambda: keyed("spy", spy="text", other=Loader()),
            "output context": context_of_output,
            "input context": context_of_input,
            "int": lambda: of(int, 1),
            "int for float": lambda: of(float, 1),
            "bool for int": lambda: of(int, True),
            "text for int": lambda: of(int, "x"),
            "none for int": lambda: of(int, None),
            "none for optional": lambda: of(int | None, None),
            "list": lambda: of(list[int], [1]),
            "list wrong": lambda: of(list[int], ["a"]),
            "plain list": lambda: of(list, ["a"]),
            "dict": lambda: of(dict[str, int], {"a": 1}),
            "dict wrong": lambda: of(dict[str, int], {"a": "b"}),
            "tuple": lambda: of(tuple[int, str], (1, "a")),
            "set wrong": lambda: of(set[int], {"a"}),
            "any": lambda: of(typing.Any, object),
            "read wrong": lambda: of(None, "text", int),
            "read right": lambda: of(int, 1, int),
            "read optional": lambda: of(None, None, int | None),
        },
    )
