"""What a sensor's context knows in a test."""


def run(dg, kit):
    context = dg.build_sensor_context()
    later = dg.build_sensor_context(
        cursor="1", sensor_name="looking", repository_name="shop", last_sensor_start_time=5.0
    )
    instance = dg.DagsterInstance.ephemeral()

    def updated():
        one = dg.build_sensor_context(cursor="1")
        before = one.cursor_updated
        one.update_cursor("2")
        return [before, one.cursor_updated, one.cursor]

    @dg.asset
    def orders():
        return 1

    defs = dg.Definitions(assets=[orders])

    class Tool(dg.ConfigurableResource):
        n: int

    def entered():
        with dg.build_sensor_context(resources={"tool": Tool(n=1)}) as one:
            return [one.resources.tool.n, hasattr(one.resources, "other")]

    return kit.outcomes(
        dg,
        {
            "empty": lambda: [
                context.cursor,
                context.last_run_key,
                context.last_tick_completion_time,
                context.is_first_tick_since_sensor_start,
                context.repository_name,
                context.repository_def,
                context.last_sensor_start_time,
            ],
            "given": lambda: [
                later.cursor,
                later.sensor_name,
                later.repository_name,
                later.last_sensor_start_time,
                later.is_first_tick_since_sensor_start,
            ],
            "no instance": lambda: context.instance,
            "instance": lambda: dg.build_sensor_context(instance=instance).instance is instance,
            "no name": lambda: context.sensor_name,
            "unknown resource": lambda: context.resources.tool,
            "cursor": updated,
            "cursor is no text": lambda: context.update_cursor(1),
            "cursor given is no text": lambda: dg.build_sensor_context(cursor=1),
            "definitions": lambda: dg.build_sensor_context(definitions=defs).repository_def is not None,
            "log": lambda: context.log.info("said"),
            "with resources": entered,
            "kind": lambda: isinstance(context, dg.SensorEvaluationContext),
        },
    )
