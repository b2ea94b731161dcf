"""Run status sensors, evaluated over the runs of an instance."""


def run(dg, kit):
    @dg.asset
    def good():
        return 1

    @dg.asset
    def bad():
        raise ValueError("it broke")

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a"]))
    def sales():
        return 1

    job = dg.define_asset_job("daily", selection=[good])
    defs = dg.Definitions(assets=[good, bad], jobs=[job])
    status = dg.DagsterRunStatus

    def ticks(function, *between, sensor=None, **options):
        instance = dg.DagsterInstance.ephemeral()
        made = sensor or dg.run_status_sensor(**{"run_status": status.SUCCESS, "name": "told", **options})(function)
        cursor, shown = None, []
        for step in (lambda instance: None, *between):
            step(instance)
            context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
            data = made.evaluate_tick(context)
            shown.append(
                [
                    [kit.request(one) for one in data.run_requests],
                    bool(data.skip_message),
                    [[one.run_status.value, one.error is not None] for one in data.dagster_run_reactions],
                    data.cursor is not None and data.cursor != cursor,
                ]
            )
            cursor = data.cursor
        return shown

    def wins(instance):
        dg.materialize([good], instance=instance, tags={"n": "1"})

    def fails(instance):
        dg.materialize([bad], instance=instance, raise_on_error=False)

    def runs_the_job(instance):
        look = defs.resolve_job_def if hasattr(defs, "resolve_job_def") else defs.get_job_def
        look("daily").execute_in_process(instance=instance)

    def makes_a_day(instance):
        dg.materialize([sales], instance=instance, partition_key="a")

    def both(instance):
        wins(instance)
        fails(instance)
        wins(instance)

    def asks(context):
        return dg.RunRequest(tags={"of": context.dagster_run.status.value})

    def breaks(context):
        raise ValueError("no")

    def result(context):
        return dg.SensorResult(run_requests=[dg.RunRequest("a"), dg.RunRequest("b")])

    def result_with_cursor(context):
        return dg.SensorResult(cursor="9")

    def yields(context):
        yield dg.RunRequest("a")
        yield dg.RunRequest("b")

    failure = dg.run_failure_sensor(name="failed", request_job=job)(asks)
    return kit.outcomes(
        dg,
        {
            "nothing happens": lambda: ticks(asks, lambda instance: None, request_job=job),
            "a success": lambda: ticks(asks, wins, request_job=job),
            "a failure": lambda: ticks(asks, fails, request_job=job),
            "a failure, watched": lambda: ticks(None, fails, sensor=failure),
            "one after the other": lambda: ticks(asks, wins, fails, wins, request_job=job),
            "answers nothing": lambda: ticks(lambda context: None, wins),
            "answers nothing, of two": lambda: ticks(lambda context: None, both),
            "answers a reason": lambda: ticks(lambda context: dg.SkipReason("why"), wins),
            "breaks": lambda: ticks(breaks, wins),
            "a result": lambda: ticks(result, wins, request_job=job),
            "a result with a cursor": lambda: ticks(result_with_cursor, wins),
            "yields": lambda: ticks(yields, wins, request_job=job),
            "watches a job": lambda: ticks(lambda context: None, wins, monitored_jobs=[job]),
            "watches a job that runs": lambda: ticks(lambda context: None, runs_the_job, monitored_jobs=[job]),
            "names the job": lambda: ticks(
                lambda context: dg.RunRequest(context.dagster_run.job_name), runs_the_job, wins, request_job=job
            ),
            "names the partition": lambda: ticks(
                lambda context: dg.RunRequest(context.partition_key), makes_a_day, request_job=job
            ),
            "without a target": lambda: ticks(asks, wins),
            "without an instance": lambda: failure.evaluate_tick(dg.build_sensor_context()),
        },
    )
