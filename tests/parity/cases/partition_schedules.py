"""Schedules that follow partitions of two dimensions."""


def run(dg, kit):
    regions = dg.StaticPartitionsDefinition(["eu", "us"])
    days = dg.DailyPartitionsDefinition("2024-01-01", timezone="Europe/Berlin", end_offset=0)
    both = dg.MultiPartitionsDefinition({"region": regions, "day": days})
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("shops", ["s1", "s2"])

    def tags(found):
        return {name: text for name, text in found.items() if f"{name}/".startswith("dagster/partition/")}

    def made(partitions, **options):
        @dg.asset(partitions_def=partitions)
        def sales():
            return 1

        job = dg.define_asset_job("sales_job", selection=[sales], partitions_def=partitions)
        schedule = dg.build_schedule_from_partitioned_job(job, **options)
        return dg.Definitions(assets=[sales], jobs=[job], schedules=[schedule]), schedule

    def tick(partitions, when, **options):
        def answer():
            project, schedule = made(partitions, **options)
            context = dg.build_schedule_context(
                instance=instance,
                scheduled_execution_time=kit.at(when),
                repository_def=project if dg.__name__ == "upwell" else project.get_repository_def(),
            )
            data = schedule.evaluate_tick(context)
            runs = [[one.run_key, one.partition_key, tags(one.tags)] for one in data.run_requests]
            return [schedule.cron_schedule, schedule.execution_timezone, runs, bool(data.skip_message)]

        return answer

    return kit.outcomes(
        dg,
        {
            "both": tick(both, "2024-01-03 00:30"),
            "both later": tick(both, "2024-01-03 06:30", hour_of_day=6, minute_of_hour=30),
            "before the first": tick(both, "2024-01-01 06:30"),
            "without time": tick(dg.MultiPartitionsDefinition({"a": regions, "b": regions}), "2024-01-03 00:30"),
            "two times": tick(dg.MultiPartitionsDefinition({"a": days, "b": days}), "2024-01-03 00:30"),
            "cron beside": tick(both, "2024-01-03 00:30", cron_schedule="0 6 * * *"),
            "dynamic alone": tick(dg.DynamicPartitionsDefinition(name="shops"), "2024-01-03 00:30"),
        },
    )
