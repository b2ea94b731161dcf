"""Graphs of ops: nested, with inputs and outputs, as jobs; config mapped, mapped inputs, resources, partitions."""


def run(dg, kit):
    class Conf(dg.Config):
        n: int = 1

    @dg.op
    def one():
        return 1

    @dg.op
    def inc(x):
        return x + 1

    @dg.op
    def configured(config: Conf):
        return config.n

    @dg.op(config_schema={"k": int})
    def schema(context):
        return context.op_config["k"]

    @dg.op(required_resource_keys={"r"})
    def res(context):
        return context.resources.r

    @dg.graph
    def twice(x):
        return inc(inc(x))

    @dg.graph
    def constant():
        return twice(one())

    @dg.graph(out={"first": dg.GraphOut(), "second": dg.GraphOut()})
    def several(x):
        a = inc(x)
        return {"first": a, "second": inc.alias("again")(a)}

    @dg.graph(out={"first": dg.GraphOut(), "second": dg.GraphOut()})
    def pair(x):
        return inc(x), inc.alias("b")(x)

    @dg.graph(ins={"start": dg.GraphIn()}, out=dg.GraphOut())
    def with_in(start):
        return inc(start)

    @dg.job
    def nested():
        inc.alias("last")(twice(twice.alias("more")(one())))

    @dg.job
    def outputs():
        outs = several(one())
        inc.alias("on_first")(outs.first)
        inc.alias("on_second")(outs.second)

    @dg.job
    def takes_config():
        configured()
        schema()

    @dg.graph
    def inner_config():
        return configured()

    @dg.job
    def nested_config():
        inc(inner_config())

    @dg.config_mapping(config_schema={"value": int})
    def mapping(val):
        return {"configured": {"config": {"n": val["value"]}}}

    @dg.graph(config=mapping)
    def mapped():
        return configured()

    @dg.job
    def uses_mapped():
        inc(mapped())

    @dg.job(config={"ops": {"configured": {"config": {"n": 5}}, "schema": {"config": {"k": 6}}}})
    def fixed():
        configured()
        schema()

    @dg.job(config=dg.RunConfig(ops={"configured": Conf(n=8)}))
    def fixed_object():
        configured()

    daily = dg.DailyPartitionsDefinition("2024-01-01")

    @dg.op
    def partition(context):
        return [context.has_partition_key, context.partition_key]

    @dg.job(partitions_def=daily)
    def partitioned():
        partition()

    @dg.job(
        config=dg.static_partitioned_config(["a", "b"])(
            lambda key: {"ops": {"schema": {"config": {"k": 1 if key == "a" else 2}}}}
        )
    )
    def partitioned_config():
        schema()

    def of(job, node, output="result", **options):
        result = job.execute_in_process(raise_on_error=False, **options)
        return [result.success, result.output_for_node(node, output)]

    @dg.graph
    def needs_resource():
        return res()

    def ops(**configs):
        return {"ops": {name: {"config": config} for name, config in configs.items()}}

    def steps(result):
        return sorted(e.step_key for e in result.get_step_success_events())

    hard = dg.ResourceDefinition.hardcoded_resource

    return kit.outcomes(
        dg,
        {
            "nested": lambda: of(nested, "last"),
            "nested steps": lambda: steps(nested.execute_in_process()),
            "nested node": lambda: of(nested, "twice"),
            "nested inner node": lambda: of(nested, "twice.inc_2"),
            "graph outputs": lambda: [
                of(outputs, "on_first"),
                of(outputs, "on_second"),
                of(outputs, "several", "second"),
            ],
            "graph in process": lambda: constant.execute_in_process().output_value(),
            "graph in process with a value": lambda: twice.execute_in_process(input_values={"x": 5}).output_value(),
            "graph in process outputs": lambda: several.execute_in_process(input_values={"x": 5}).output_value(
                "second"
            ),
            "pair in process": lambda: pair.execute_in_process(input_values={"x": 5}).output_value("second"),
            "graph in": lambda: with_in.execute_in_process(input_values={"start": 1}).output_value(),
            "graph in process without its value": lambda: twice.execute_in_process().success,
            "graph as a job": lambda: constant.to_job().execute_in_process().output_value(),
            "graph as a job named": lambda: constant.to_job(name="other").name,
            "graph with resources": lambda: (
                needs_resource.to_job(resource_defs={"r": hard("R")}).execute_in_process().output_value()
            ),
            "graph without its resources": lambda: needs_resource.to_job().execute_in_process().success,
            "graph in process with resources": lambda: needs_resource.execute_in_process(
                resources={"r": "plain"}
            ).output_value(),
            "op in process": lambda: one.to_job if hasattr(one, "to_job") else "none",
            "job with input": lambda: twice.to_job(input_values={"x": 3}).execute_in_process().output_value(),
            "config": lambda: of(takes_config, "configured", run_config=ops(schema={"k": 1}, configured={"n": 3})),
            "config default": lambda: of(takes_config, "configured", run_config=ops(schema={"k": 1})),
            "config missing": lambda: of(takes_config, "schema"),
            "config unknown op": lambda: of(takes_config, "schema", run_config=ops(schema={"k": 1}, other={})),
            "config object": lambda: of(
                takes_config,
                "configured",
                run_config=dg.RunConfig(ops={"configured": Conf(n=4), "schema": {"config": {"k": 1}}}),
            ),
            "config nested": lambda: of(
                nested_config,
                "inc",
                run_config={"ops": {"inner_config": {"ops": {"configured": {"config": {"n": 6}}}}}},
            ),
            "config nested wrong": lambda: of(
                nested_config,
                "inc",
                run_config={"ops": {"inner_config": {"ops": {"configured": {"config": {"n": "x"}}}}}},
            ),
            "config nested flat": lambda: of(nested_config, "inc", run_config=ops(configured={"n": 6})),
            "config mapped": lambda: of(uses_mapped, "inc", run_config=ops(mapped={"value": 9})),
            "config mapped wrong": lambda: of(uses_mapped, "inc", run_config=ops(mapped={"value": "x"})),
            "config mapped missing": lambda: of(uses_mapped, "inc"),
            "config fixed": lambda: [of(fixed, "configured"), of(fixed, "schema")],
            "config fixed overridden": lambda: of(fixed, "configured", run_config=ops(schema={"k": 1})),
            "config fixed object": lambda: of(fixed_object, "configured"),
            "op configured": lambda: kit.outcome(
                dg, lambda: _job_of(dg, schema.configured({"k": 4}, name="four")).output_for_node("four")
            ),
            "partition": lambda: of(partitioned, "partition", partition_key="2024-01-02"),
            "partition unknown": lambda: of(partitioned, "partition", partition_key="2023-01-02"),
            "partition missing": lambda: of(partitioned, "partition"),
            "partition tag": lambda: partitioned.execute_in_process(partition_key="2024-01-02").dagster_run.tags.get(
                "dagster/partition"
            ),
            "partitioned config": lambda: of(partitioned_config, "schema", partition_key="b"),
            "resources by run": lambda: of(
                needs_resource.to_job(resource_defs={"r": hard("R")}), "res", resources={"r": "run"}
            ),
            "in definitions": lambda: (
                dg.Definitions(jobs=[nested]).resolve_job_def("nested").execute_in_process().output_for_node("last")
            ),
            "in definitions with resources": lambda: (
                dg.Definitions(jobs=[needs_resource.to_job(name="n")], resources={"r": "defs"})
                .resolve_job_def("n")
                .execute_in_process()
                .output_for_node("res")
            ),
            "in definitions without resources": lambda: dg.Definitions.validate_loadable(
                dg.Definitions(jobs=[needs_resource.to_job(name="n")])
            ),
            "in a schedule": lambda: (
                dg.Definitions(schedules=[dg.ScheduleDefinition(job=nested, cron_schedule="@daily")])
                .resolve_job_def("nested")
                .name
            ),
            "in a sensor": lambda: kit.tick(
                dg.sensor(job=nested)(_asking(dg)).evaluate_tick(dg.build_sensor_context())
            ),
            "only some ops": lambda: steps(nested.execute_in_process(op_selection=["one"])),
            "ops below": lambda: steps(nested.execute_in_process(op_selection=["*more"])),
        },
    )


def _asking(dg):
    def ask():
        return dg.RunRequest("k")

    return ask


def _job_of(dg, op):
    @dg.job
    def j():
        op()

    return j.execute_in_process()
