"""Jobs of ops: what runs, what does not, what comes out, retries, hooks, dynamic outputs."""


def run(dg, kit):
    log = []

    @dg.op
    def one():
        log.append("one")
        return 1

    @dg.op
    def two():
        return 2

    @dg.op
    def add(a, b):
        return a + b

    @dg.op
    def inc(x):
        log.append(f"inc {x}")
        return x + 1

    @dg.op
    def fail(x):
        raise ValueError("no")

    @dg.op
    def nothing():
        log.append("nothing")

    @dg.op(ins={"after": dg.In(dg.Nothing)})
    def then():
        log.append("then")
        return "then"

    @dg.op(ins={"after": dg.In(dg.Nothing)})
    def then_with(x):
        log.append(f"then_with {x}")

    @dg.op(out={"a": dg.Out(is_required=False), "b": dg.Out(is_required=False)})
    def maybe(x):
        if x > 1:
            yield dg.Output(x, "a")
        else:
            yield dg.Output(-x, "b")

    @dg.op(out=dg.DynamicOut())
    def spread():
        for i in range(3):
            yield dg.DynamicOutput(i, mapping_key=f"k{i}")

    @dg.op(out=dg.DynamicOut())
    def empty():
        yield from ()

    @dg.op(out=dg.DynamicOut())
    def as_list():
        return [dg.DynamicOutput(5, mapping_key="x"), dg.DynamicOutput(6, mapping_key="y")]

    @dg.op
    def total(xs):
        log.append(f"total {xs}")
        return sum(xs)

    @dg.op
    def each_fails(x):
        if x == 1:
            raise ValueError("one")
        return x

    @dg.op
    def gather(xs):
        return list(xs)

    attempts = []

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=2))
    def flaky(context):
        attempts.append(context.retry_number)
        if len(attempts) < 3:
            raise ValueError("again")
        return len(attempts)

    @dg.op
    def asks():
        attempts.append(1)
        raise dg.RetryRequested(max_retries=2)

    @dg.op
    def gives_up():
        attempts.append(1)
        raise dg.Failure("done", metadata={"a": 1}, allow_retries=False)

    @dg.op(ins={"x": dg.In(default_value=7)})
    def with_default(x):
        return x

    @dg.op
    def own_default(x=8):
        return x

    @dg.op(out={"a": dg.Out(), "b": dg.Out()})
    def pair():
        return 1, 2

    @dg.op(out={"a": dg.Out(int), "b": dg.Out(str)})
    def named_outputs():
        yield dg.Output("x", "b")
        yield dg.Output(1, "a")

    @dg.op
    def records(context):
        context.log_event(dg.AssetMaterialization("seen", metadata={"n": 1}))
        yield dg.AssetMaterialization("yielded")
        yield dg.Output(1)

    @dg.success_hook
    def good(context):
        log.append(f"good {context.op.name} {sorted(context.op_output_values.items())}")

    @dg.failure_hook
    def bad(context):
        log.append(f"bad {context.op.name} {type(context.op_exception).__name__}")

    @dg.success_hook(required_resource_keys={"r"})
    def with_resource(context):
        log.append(f"resource {context.resources.r} {context.step_key}")

    def go(body, name="j", **options):
        execute = {
            k: options.pop(k) for k in list(options) if k in ("run_config", "tags", "raise_on_error", "partition_key")
        }
        body.__name__ = name
        log.clear()
        attempts.clear()
        return dg.job(**options)(body).execute_in_process(**{"raise_on_error": False, **execute})

    def chain():
        inc(inc.alias("first")(one()))

    def shown(result, node, output="result"):
        return [result.success, result.output_for_node(node, output), list(log)]

    def succeeded(result):
        return [
            result.success,
            sorted(e.step_key for e in result.get_step_success_events()),
            sorted(e.step_key for e in result.get_step_failure_events()),
            sorted(e.step_key for e in result.get_step_skipped_events()),
        ]

    def below():
        add(fail(one()), two())
        inc(two.alias("other")())

    def order():
        then(nothing())

    def order_of_several():
        then([nothing(), nothing.alias("nothing2")()])

    def both():
        then_with(x=one(), after=nothing())

    def branch():
        outs = maybe(one())
        inc.alias("on_a")(outs.a)
        inc.alias("on_b")(outs.b)

    def fan_in():
        total([one(), two(), one.alias("third")()])

    def fan_in_skipped():
        outs = maybe(one())
        total([outs.a, outs.b])

    def dynamic():
        total(spread().map(inc).collect())

    def dynamic_lambda():
        numbers = spread().map(lambda n: inc.alias("outer")(inc(n)))
        total(numbers.collect())

    def dynamic_with_other():
        other = two()
        gather(spread().map(lambda n: add(n, other)).collect())

    def dynamic_empty():
        total(empty().map(inc).collect())

    def dynamic_listed():
        total(as_list().collect())

    def dynamic_failing():
        gather(spread().map(each_fails).collect())

    def retried():
        flaky()

    def asked():
        asks()

    def given_up():
        gives_up()

    def defaults():
        with_default()
        own_default()

    def two_outputs():
        a, b = pair()
        add(a, b)

    def named():
        outs = named_outputs()
        inc(outs.a)
        inc(outs["a"]) if False else None

    def recording():
        records()

    def hooked():
        inc(one())

    def hooked_failing():
        fail(one())

    def hooked_single():
        inc.with_hooks({good})(one())

    def policy():
        flaky.with_retry_policy(dg.RetryPolicy(max_retries=1))()

    def tagged():
        one()

    def raises():
        fail(one())

    def keyed():
        @dg.job
        def j():
            total(spread().map(inc).collect())

        r = j.execute_in_process()
        return [r.output_for_node("inc"), sorted(e.step_key for e in r.get_step_success_events())]

    return kit.outcomes(
        dg,
        {
            "chain": lambda: shown(go(chain), "inc"),
            "chain alias": lambda: shown(go(chain), "first"),
            "below a failure": lambda: succeeded(go(below)),
            "order": lambda: shown(go(order), "then"),
            "order of several": lambda: shown(go(order_of_several), "then"),
            "value and order": lambda: [go(both).success, list(log)],
            "branch": lambda: succeeded(go(branch)),
            "fan in": lambda: shown(go(fan_in), "total"),
            "fan in skipped": lambda: shown(go(fan_in_skipped), "total"),
            "dynamic": lambda: shown(go(dynamic), "total"),
            "dynamic of a function": lambda: shown(go(dynamic_lambda), "total"),
            "dynamic beside a value": lambda: shown(go(dynamic_with_other), "gather"),
            "dynamic empty": lambda: shown(go(dynamic_empty), "total"),
            "dynamic listed": lambda: shown(go(dynamic_listed), "total"),
            "dynamic failing": lambda: succeeded(go(dynamic_failing)),
            "dynamic keys": keyed,
            "retried": lambda: [go(retried).success, list(attempts)],
            "asked for a retry": lambda: [go(asked).success, len(attempts)],
            "given up": lambda: [go(given_up, op_retry_policy=dg.RetryPolicy(max_retries=3)).success, len(attempts)],
            "retry policy of the job": lambda: [go(retried, op_retry_policy=dg.RetryPolicy()).success, list(attempts)],
            "retry policy of the node": lambda: [go(policy).success, list(attempts)],
            "defaults": lambda: [
                (r := go(defaults)).output_for_node("with_default"),
                r.output_for_node("own_default"),
            ],
            "two outputs": lambda: shown(go(two_outputs), "add"),
            "named outputs": lambda: shown(go(named), "inc"),
            "records": lambda: [
                [e.asset_key.to_user_string() for e in go(recording).get_asset_materialization_events()]
            ],
            "hooks": lambda: [go(hooked, hooks={good, bad}).success, sorted(log)],
            "hooks of a failure": lambda: [go(hooked_failing, hooks={good, bad}).success, sorted(log)],
            "hooks of one": lambda: [go(hooked_single).success, sorted(log)],
            "hook with a resource": lambda: [
                go(
                    hooked, hooks={with_resource}, resource_defs={"r": dg.ResourceDefinition.hardcoded_resource("R")}
                ).success,
                sorted(log),
            ],
            "hook without its resource": lambda: go(hooked, hooks={with_resource}).success,
            "tags": lambda: sorted(
                (k, v)
                for k, v in go(tagged, tags={"a": "b"}, run_config={}).dagster_run.tags.items()
                if "dagster" not in k
            ),
            "job name": lambda: go(tagged, name="named").dagster_run.job_name,
            "raises": lambda: go(raises, raise_on_error=True),
            "no such node": lambda: go(chain).output_for_node("nope"),
            "no such output": lambda: go(chain).output_for_node("one", "nope"),
            "output of a failed node": lambda: go(below).output_for_node("fail"),
            "output of an optional one": lambda: go(branch).output_for_node("maybe", "a"),
            "events of a node": lambda: [
                sorted(
                    {e.event_type_value for e in go(chain).events_for_node("one")} - {"HANDLED_OUTPUT", "LOGS_CAPTURED"}
                )
            ],
        },
    )
