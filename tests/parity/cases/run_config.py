"""`RunConfig` where sensors, schedules and jobs take config."""


def run(dg, kit):
    class Load(dg.Config):
        path: str
        retries: int = 2

    @dg.asset
    def orders(config: Load):
        return config.path

    whole = dg.RunConfig(ops={"orders": Load(path="a.csv")})
    job = dg.define_asset_job("daily", selection=[orders])

    def ops(config):
        return dict(config)["ops"]

    @dg.sensor(job=job)
    def looking(context):
        return dg.RunRequest("a", run_config=whole)

    @dg.schedule("@daily", job=job)
    def ticking(context):
        return dg.RunRequest(run_config=whole)

    fields = dg.ScheduleDefinition("fields", job=job, cron_schedule="@daily", run_config=whole)
    by_function = dg.ScheduleDefinition("fields", job=job, cron_schedule="@daily", run_config_fn=lambda context: whole)
    context = dg.build_schedule_context(scheduled_execution_time=kit.at("2024-01-05"))

    return kit.outcomes(
        dg,
        {
            "as data": lambda: whole.to_config_dict(),
            "empty": lambda: dg.RunConfig().to_config_dict(),
            "plain data within": lambda: dg.RunConfig(ops={"a": {"config": {"x": 1}}}).to_config_dict()["ops"],
            "request": lambda: dict(dg.RunRequest(run_config=whole).run_config),
            "sensor": lambda: ops(looking.evaluate_tick(dg.build_sensor_context()).run_requests[0].run_config),
            "schedule": lambda: ops(ticking.evaluate_tick(context).run_requests[0].run_config),
            "schedule of fields": lambda: ops(fields.evaluate_tick(context).run_requests[0].run_config),
            "schedule of a function": lambda: ops(by_function.evaluate_tick(context).run_requests[0].run_config),
            "materialize": lambda: dg.materialize(
                [orders], run_config=whole, instance=dg.DagsterInstance.ephemeral()
            ).output_for_node("orders"),
            "job": lambda: (
                dg.Definitions(assets=[orders], jobs=[dg.define_asset_job("now", selection=[orders], config=whole)])
                .resolve_job_def("now")
                .execute_in_process(instance=dg.DagsterInstance.ephemeral())
                .success
            ),
        },
    )
