"""Schedules that ask for partitions: each has to exist at the tick."""


def run(dg, kit):
    days = dg.DailyPartitionsDefinition("2024-01-01")

    @dg.asset(partitions_def=days)
    def sales():
        return 1

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
    def regions():
        return 1

    @dg.asset
    def orders():
        return 1

    by_day = dg.define_asset_job("by_day", selection=[sales])
    by_region = dg.define_asset_job("by_region", selection=[regions])
    plain = dg.define_asset_job("plain", selection=[orders])
    want = dg.RunRequest

    def tick(answer, job, known=True, when="2024-01-05", **more):
        @dg.schedule("@daily", job=job)
        def ticking(context):
            return answer

        defs = dg.Definitions(assets=[sales, regions, orders], jobs=[by_day, by_region, plain], schedules=[ticking])
        context = dg.build_schedule_context(
            scheduled_execution_time=kit.at(when), repository_def=defs.get_repository_def() if known else None
        )
        return lambda: kit.tick(ticking.evaluate_tick(context))["runs"]

    return kit.outcomes(
        dg,
        {
            "a day": tick(want(partition_key="2024-01-04"), by_day),
            "several days": tick([want(key, partition_key=key) for key in ("2024-01-03", "2024-01-04")], by_day),
            "today": tick(want(partition_key="2024-01-05"), by_day),
            "before the first": tick(want(partition_key="2023-12-31"), by_day),
            "no day at all": tick(want(partition_key="nope"), by_day),
            "a region": tick(want(partition_key="a"), by_region),
            "a region nobody knows": tick(want(partition_key="z"), by_region),
            "no partitions": tick(want(partition_key="a"), plain),
            "no definitions": tick(want(partition_key="a"), by_region, False),
            "without a partition": tick(want(), by_day),
        },
    )
