"""More of ops: config mapped for a job, hooks called directly, graphs for each of several values, counts of events."""


def run(dg, kit):
    log = []

    @dg.op
    def one():
        return 1

    @dg.op
    def inc(x):
        return x + 1

    @dg.op(config_schema={"n": int, "s": dg.Field(str, default_value="d")})
    def schema(context):
        return [context.op_config["n"], context.op_config["s"]]

    class Simple(dg.Config):
        value: int

    @dg.config_mapping
    def to_ops(val: Simple) -> dg.RunConfig:
        return dg.RunConfig(ops={"schema": {"config": {"n": val.value}}})

    @dg.job(config=to_ops)
    def mapped():
        schema()

    @dg.op(out=dg.DynamicOut())
    def spread(n):
        for i in range(n):
            yield dg.DynamicOutput(i, mapping_key=f"k{i}")

    @dg.op
    def total(xs):
        return sum(xs)

    @dg.op
    def one_three():
        return 3

    @dg.graph
    def inner(x):
        return inc(inc.alias("first")(x))

    @dg.job
    def dynamic_graph():
        total(spread(one_three()).map(inner).collect())

    @dg.success_hook(required_resource_keys={"r"})
    def told(context):
        log.append([context.op.name, context.resources.r])

    @dg.op
    def context_of(context):
        return [
            context.op.name,
            context.op_def.name,
            context.job_name,
            context.has_tag("a"),
            context.get_tag("a"),
            context.retry_number,
            context.has_partition_key,
        ]

    @dg.job(tags={"a": "b"}, description="what it does")
    def contexts():
        context_of()

    @dg.op(out={"x": dg.Out(), "y": dg.Out(is_required=False)})
    def optional():
        yield dg.Output(1, "x", metadata={"m": 1})

    @dg.job
    def optional_job():
        outs = optional()
        inc(outs.x)
        inc.alias("never")(outs.y)

    @dg.op
    def fails_first(context):
        if context.retry_number == 0:
            raise dg.RetryRequested(max_retries=1) from ValueError("x")
        return "second"

    @dg.job
    def retrying():
        fails_first()

    @dg.op
    def failure():
        raise dg.Failure(description="described", metadata={"why": "because"})

    @dg.job
    def failing():
        inc(failure())

    @dg.op(required_resource_keys={"a", "b"})
    def two(context):
        return [context.resources.a, context.resources.b]

    class Res(dg.ConfigurableResource):
        word: str = "w"

    @dg.op
    def typed(res: Res):
        return res.word

    @dg.job(
        resource_defs={
            "a": dg.ResourceDefinition.hardcoded_resource(1),
            "b": dg.ResourceDefinition.none_resource(),
            "res": Res(word="z"),
        }
    )
    def resources():
        two()
        typed()

    class Store(dg.IOManager):
        def handle_output(self, context, obj):
            log.append(["out", context.step_key, context.name, obj, context.has_asset_key])

        def load_input(self, context):
            log.append(["in", context.name, context.upstream_output.step_key, context.upstream_output.name])
            return 10

    @dg.job(resource_defs={"io_manager": Store()})
    def stored():
        inc(one())

    def ran(job, node=None, **options):
        log.clear()
        result = job.execute_in_process(raise_on_error=False, **options)
        return [result.success, *([result.output_for_node(node)] if node else [])]

    def failure_data():
        event = failing.execute_in_process(raise_on_error=False).get_step_failure_events()[0]
        return [
            event.step_key,
            event.event_specific_data.error.cause.cls_name
            if event.event_specific_data.error.cause
            else event.event_specific_data.error.cls_name,
        ]

    def counts(result):
        kinds = [event.event_type_value for event in result.all_events]
        wanted = (
            "STEP_START",
            "STEP_SUCCESS",
            "STEP_FAILURE",
            "STEP_SKIPPED",
            "STEP_OUTPUT",
            "STEP_INPUT",
            "STEP_RESTARTED",
            "STEP_UP_FOR_RETRY",
        )
        return {kind: kinds.count(kind) for kind in wanted}

    def defined():
        defs = dg.Definitions(jobs=[contexts], schedules=[dg.ScheduleDefinition(job=contexts, cron_schedule="@daily")])
        return [defs.resolve_job_def("contexts").name, defs.resolve_job_def("contexts").description]

    def partition_request():
        job = dg.job(partitions_def=dg.StaticPartitionsDefinition(["a"]), name="p")(lambda: one() and None)
        return job.run_request_for_partition("a").partition_key

    return kit.outcomes(
        dg,
        {
            "job mapped": lambda: ran(mapped, "schema", run_config={"value": 5}),
            "job mapped in ops": lambda: ran(mapped, "schema", run_config={"ops": {"value": 5}}),
            "job mapped in config": lambda: ran(mapped, "schema", run_config={"config": {"value": 5}}),
            "job mapped wrong": lambda: ran(mapped, "schema", run_config={"value": "x"}),
            "dynamic graph": lambda: ran(dynamic_graph, "total"),
            "dynamic graph inner": lambda: ran(dynamic_graph, "inner.first"),
            "dynamic graph of it": lambda: ran(dynamic_graph, "inner"),
            "hook directly": lambda: [told(dg.build_hook_context(resources={"r": 1}, op=one)), list(log)],
            "hook directly without": lambda: told(dg.build_hook_context(op=one)),
            "context": lambda: ran(contexts, "context_of"),
            "description": lambda: contexts.description,
            "tags": lambda: dict(contexts.tags),
            "optional": lambda: ran(optional_job, "inc"),
            "optional counts": lambda: counts(optional_job.execute_in_process()),
            "retrying": lambda: ran(retrying, "fails_first"),
            "retrying counts": lambda: counts(retrying.execute_in_process()),
            "failing": failure_data,
            "failing counts": lambda: counts(failing.execute_in_process(raise_on_error=False)),
            "resources": lambda: [ran(resources, "two"), ran(resources, "typed")],
            "stored": lambda: [ran(stored, "inc"), list(log)],
            "definitions": defined,
            "jobs by name": lambda: sorted(
                one.name
                for one in dg.Definitions(jobs=[contexts, stored]).resolve_all_job_defs()
                if not one.name.startswith("__")
            ),
            "partition request": partition_request,
            "selection of what is not there": lambda: contexts.execute_in_process(op_selection=["nope"]).success,
            "input given": lambda: (
                dg.graph(name="g")(lambda x: inc(x)).execute_in_process(input_values={"x": 1}).output_value()
            ),
            "run id": lambda: contexts.execute_in_process().run_id == contexts.execute_in_process().run_id,
            "instance": lambda: _remembered(dg, contexts),
        },
    )


def _remembered(dg, job):
    instance = dg.DagsterInstance.ephemeral()
    job.execute_in_process(instance=instance)
    return [run.job_name for run in instance.get_runs()]
