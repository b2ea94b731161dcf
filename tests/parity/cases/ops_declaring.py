"""Declaring ops, graphs and jobs: what is refused, and calling ops directly."""


def run(dg, kit):
    @dg.op
    def one():
        return 1

    @dg.op
    def inc(x: int) -> int:
        return x + 1

    @dg.op(out={"a": dg.Out(int), "b": dg.Out(int)})
    def pair():
        return 1, 2

    @dg.op
    def with_context(context, x):
        return [type(context).__name__, x]

    @dg.op(config_schema={"k": int})
    def with_schema(context):
        return context.op_config["k"]

    class Conf(dg.Config):
        n: int = 2

    class Tool(dg.ConfigurableResource):
        name: str = "t"

    @dg.op
    def with_config(config: Conf, x):
        return config.n + x

    @dg.op
    def with_tool(tool: Tool, x):
        return f"{tool.name} {x}"

    @dg.op(required_resource_keys={"r"})
    def with_key(context):
        return context.resources.r

    @dg.op(out=dg.DynamicOut())
    def spread():
        yield dg.DynamicOutput(1, mapping_key="a")
        yield dg.DynamicOutput(2, mapping_key="b")

    @dg.op
    def yields():
        yield dg.Output(1)

    @dg.op
    def gives() -> dg.Output[int]:
        return dg.Output(3, metadata={"m": 1})

    @dg.op
    def returns_text() -> int:
        return "x"

    @dg.op
    async def later():
        return 9

    def job(body, **options):
        body.__name__ = options.pop("name", "j")
        return dg.job(**options)(body)

    def ran(body, node, **options):
        return job(body, **options).execute_in_process().output_for_node(node)

    context = dg.build_op_context

    def unconnected():
        inc()

    def twice_given():
        inc(one(), x=one())

    def too_many():
        inc(one(), one())

    def unknown_argument():
        inc(y=one())

    def plain_value():
        inc(5)

    def dynamic_unmapped():
        inc(spread())

    def collected():
        inc(spread().map(inc).collect())

    def dynamic_twice():
        spread().map(lambda x: spread.alias("more")())

    def same_alias():
        inc.alias("a")(one())
        inc.alias("a")(one())

    def whole_pair():
        inc(pair())

    def wrong_type():
        inc(text())

    @dg.op
    def text():
        return "x"

    @dg.op
    def typed_text() -> str:
        return "x"

    def wrong_type_declared():
        inc(typed_text())

    def awaits():
        later()

    def bad_name():
        one.alias("a b")()

    def wrong_key():
        @dg.op(out=dg.DynamicOut())
        def odd():
            yield dg.DynamicOutput(1, mapping_key="a b")

        @dg.job
        def j():
            odd()

        return j.execute_in_process().success

    def same_key():
        @dg.op(out=dg.DynamicOut())
        def odd():
            yield dg.DynamicOutput(1, mapping_key="a")
            yield dg.DynamicOutput(2, mapping_key="a")

        @dg.job
        def j():
            odd()

        return j.execute_in_process().success

    def missing_output():
        @dg.op(out={"a": dg.Out(), "b": dg.Out()})
        def half():
            yield dg.Output(1, "a")

        @dg.job
        def j():
            half()

        return j.execute_in_process().success

    def unknown_output():
        @dg.op
        def odd():
            yield dg.Output(1, "zzz")

        @dg.job
        def j():
            odd()

        return j.execute_in_process().success

    def twice_yielded():
        @dg.op
        def odd():
            yield dg.Output(1)
            yield dg.Output(2)

        @dg.job
        def j():
            odd()

        return j.execute_in_process().success

    def plain_yielded():
        @dg.op
        def odd():
            yield 5

        @dg.job
        def j():
            odd()

        return j.execute_in_process().success

    def returned_wrong():
        @dg.job
        def j():
            returns_text()

        return j.execute_in_process().success

    def tuple_of_wrong_length():
        @dg.op(out={"a": dg.Out(), "b": dg.Out()})
        def odd():
            return 1, 2, 3

        @dg.job
        def j():
            odd()

        return j.execute_in_process().success

    def op_of(function, **options):
        return dg.op(**options)(function).name

    def unnamed(context, x):
        return x

    def star(*args):
        return 1

    def returns(graph_body, **options):
        graph_body.__name__ = "g"
        return dg.graph(**options)(graph_body).name

    def graph_of_a_value():
        return 5

    def graph_unused(x):
        return one()

    def graph_two():
        return one(), one.alias("b")()

    return kit.outcomes(
        dg,
        {
            "name": lambda: dg.op(name="other")(unnamed).name,
            "bad name": lambda: dg.op(name="a b")(unnamed).name,
            "star": lambda: dg.op(star).name,
            "unknown in": lambda: op_of(unnamed, ins={"zzz": dg.In()}),
            "ins": lambda: sorted(dg.op(ins={"x": dg.In(int)})(unnamed).ins),
            "outs": lambda: sorted(pair.outs),
            "description": lambda: dg.op(description="d")(unnamed).description,
            "tags": lambda: dict(dg.op(tags={"a": "b"})(unnamed).tags),
            "direct": lambda: inc(3),
            "direct by name": lambda: inc(x=3),
            "direct wrong type": lambda: inc("x"),
            "direct wrong result": lambda: returns_text(),
            "direct missing": lambda: inc(),
            "direct too many": lambda: inc(1, 2),
            "direct pair": lambda: list(pair()),
            "direct context": lambda: with_context(context(), 3)[1],
            "direct without context": lambda: with_context(3),
            "direct with none": lambda: with_context(None, 3)[1],
            "direct config": lambda: with_schema(context(op_config={"k": 4})),
            "direct config wrong": lambda: with_schema(context(op_config={"k": "x"})),
            "direct config class": lambda: with_config(Conf(n=3), 1),
            "direct config class by name": lambda: with_config(config=Conf(n=3), x=1),
            "direct resource": lambda: with_tool(Tool(name="n"), 1),
            "direct resource by name": lambda: with_tool(tool=Tool(name="n"), x=1),
            "direct resource in context": lambda: with_tool(context(resources={"tool": Tool(name="c")}), 1),
            "direct resource by key": lambda: with_key(context(resources={"r": 5})),
            "direct resource missing": lambda: with_key(context()),
            "direct dynamic": lambda: [one.mapping_key for one in spread()],
            "direct generator": lambda: [one.value for one in yields()],
            "direct output": lambda: gives().value,
            "unconnected": lambda: ran(unconnected, "inc"),
            "unconnected with config": lambda: (
                job(unconnected)
                .execute_in_process(run_config={"ops": {"inc": {"inputs": {"x": {"value": 4}}}}})
                .output_for_node("inc")
            ),
            "twice given": lambda: job(twice_given).name,
            "too many": lambda: job(too_many).name,
            "unknown argument": lambda: job(unknown_argument).name,
            "plain value": lambda: job(plain_value).name,
            "dynamic unmapped": lambda: job(dynamic_unmapped).name,
            "collected for an int": lambda: ran(collected, "inc"),
            "dynamic within dynamic": lambda: job(dynamic_twice).name,
            "same alias": lambda: job(same_alias).name,
            "whole pair": lambda: job(whole_pair).name,
            "wrong type": lambda: ran(wrong_type, "inc"),
            "wrong type declared": lambda: job(wrong_type_declared).name,
            "async": lambda: ran(awaits, "later"),
            "bad alias": lambda: job(bad_name).name,
            "wrong mapping key": wrong_key,
            "same mapping key": same_key,
            "missing output": missing_output,
            "unknown output": unknown_output,
            "output twice": twice_yielded,
            "plain value yielded": plain_yielded,
            "wrong type returned": returned_wrong,
            "tuple of a wrong length": tuple_of_wrong_length,
            "bad job name": lambda: job(awaits, name="a b").name,
            "graph of a value": lambda: returns(graph_of_a_value),
            "graph with an unused input": lambda: returns(graph_unused),
            "graph of two without names": lambda: returns(graph_two),
            "graph called outside": lambda: dg.graph(lambda: one()) and None,
            "op twice in definitions": lambda: dg.Definitions.validate_loadable(
                dg.Definitions(jobs=[job(awaits), job(awaits)])
            ),
            "not a job": lambda: (
                dg.Definitions(jobs=[one]) and dg.Definitions.validate_loadable(dg.Definitions(jobs=[one]))
            ),
            "is a job": lambda: isinstance(job(awaits), dg.JobDefinition),
            "is a graph": lambda: isinstance(dg.graph(lambda: None), dg.GraphDefinition),
            "is an op": lambda: isinstance(one, dg.OpDefinition),
        },
    )
