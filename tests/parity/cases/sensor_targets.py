"""Which runs a sensor may ask for: of its jobs, of its assets, of partitions that exist."""


def run(dg, kit):
    letters = dg.StaticPartitionsDefinition(["a", "b"])
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-10")

    @dg.asset
    def orders():
        return 1

    @dg.asset(partitions_def=letters)
    def regions():
        return 1

    @dg.asset(partitions_def=days)
    def sales():
        return 1

    plain = dg.define_asset_job("plain", selection=[orders])
    by_region = dg.define_asset_job("by_region", selection=[regions])
    by_day = dg.define_asset_job("by_day", selection=[sales], partitions_def=days)
    defs = dg.Definitions(assets=[orders, regions, sales], jobs=[plain, by_region, by_day])
    instance = dg.DagsterInstance.ephemeral()
    want, key = dg.RunRequest, dg.AssetKey

    def tick(answer, known=defs, **target):
        @dg.sensor(**target)
        def looking(context):
            return answer

        context = dg.build_sensor_context(instance=instance, definitions=known)
        return lambda: kit.tick(looking.evaluate_tick(context))["runs"]

    return kit.outcomes(
        dg,
        {
            "no target": tick(want()),
            "no target, no run": tick(None),
            "a job": tick(want(), job=plain),
            "a job, named": tick(want(job_name="plain"), job=plain),
            "another job": tick(want(job_name="by_region"), job=plain),
            "a job by its name": tick(want(), job_name="plain"),
            "one of several": tick([want(job_name="by_region"), want(job_name="plain")], jobs=[plain, by_region]),
            "several, none named": tick(want(), jobs=[plain, by_region]),
            "several, another named": tick(want(job_name="by_day"), jobs=[plain, by_region]),
            "one in a list": tick(want(), jobs=[plain]),
            "assets": tick(want(), asset_selection=[orders, regions]),
            "some of the assets": tick(want(asset_selection=[key("orders")]), asset_selection=[orders, regions]),
            "other assets": tick(want(asset_selection=[key("regions")]), asset_selection=[orders]),
            "assets nobody knows": tick(want(asset_selection=[key("nope")]), asset_selection=[orders]),
            "assets without definitions": tick(want(), None, asset_selection=[orders]),
            "assets, and a job": tick(want(job_name="plain"), asset_selection=[orders]),
            "target": tick(want(), target=[orders]),
            "a partition": tick(want(partition_key="a"), job=by_region),
            "a partition nobody knows": tick(want(partition_key="z"), job=by_region),
            "a partition of none": tick(want(partition_key="a"), job=plain),
            "a partition without definitions": tick(want(partition_key="a"), None, job=by_region),
            "a partition of several jobs": tick(
                [want(partition_key="a", job_name="by_region"), want(partition_key="2024-01-02", job_name="by_day")],
                jobs=[by_region, by_day],
            ),
            "a partition of the other job": tick(want(partition_key="a", job_name="by_day"), jobs=[by_region, by_day]),
            "a day": tick(want(partition_key="2024-01-09"), job=by_day),
            "a day that never comes": tick(want(partition_key="2024-01-10"), job=by_day),
            "assets and a partition": tick(want(partition_key="b"), asset_selection=[regions]),
            "assets and a partition nobody knows": tick(want(partition_key="z"), asset_selection=[regions]),
            "assets without partitions, and one": tick(want(partition_key="a"), asset_selection=[orders]),
            "assets of two kinds, and one": tick(want(partition_key="a"), asset_selection=[regions, sales]),
            "assets with and without, and one": tick(want(partition_key="a"), asset_selection=[regions, orders]),
            "no run of nothing": tick([], jobs=[plain, by_region]),
            "partition request of the job": lambda: kit.request(
                by_day.run_request_for_partition("2024-01-03", run_key="k", tags={"x": "y"})
            ),
            "partition request of a job without": lambda: plain.run_request_for_partition("a"),
            "partition request nobody knows": lambda: by_day.run_request_for_partition("2023-01-03"),
            "partition request, ticked": tick(by_day.run_request_for_partition("2024-01-03"), None, job=by_day),
        },
    )
