"""Sensors and schedules as parts of definitions: found, merged, refused."""


def run(dg, kit):
    @dg.asset
    def orders():
        return 1

    @dg.asset
    def customers():
        return 1

    def letters(*keys):
        return dg.StaticPartitionsDefinition(list(keys))

    @dg.asset(partitions_def=letters("a"))
    def regions():
        return 1

    job = dg.define_asset_job("daily", selection=[orders])
    sensor = dg.sensor(name="looking", job=job)(kit.body)
    schedule = dg.ScheduleDefinition(name="ticking", job=job, cron_schedule="@daily")
    defs = dg.Definitions(assets=[orders], jobs=[job], sensors=[sensor], schedules=[schedule])

    def look(project, kind, name):
        for prefix in ("resolve", "get"):
            if hasattr(project, f"{prefix}_{kind}_def"):
                return getattr(project, f"{prefix}_{kind}_def")(name)
        raise AssertionError(kind)

    def load(**parts):
        return kit.fine(lambda: dg.Definitions.validate_loadable(dg.Definitions(**parts)))

    def bare(**options):
        return dg.sensor(name="looking", **options)(kit.body)

    merged = dg.Definitions.merge(
        dg.Definitions(assets=[orders], jobs=[job], sensors=[sensor]),
        dg.Definitions(assets=[customers], schedules=[schedule]),
    )
    return kit.outcomes(
        dg,
        {
            "look up": lambda: [look(defs, "sensor", "looking").name, look(defs, "schedule", "ticking").name],
            "unknown sensor": lambda: look(defs, "sensor", "nope"),
            "unknown schedule": lambda: look(defs, "schedule", "nope"),
            "merged": lambda: [look(merged, "sensor", "looking").name, look(merged, "schedule", "ticking").name],
            "job comes along": lambda: look(dg.Definitions(assets=[orders], sensors=[sensor]), "job", "daily").name,
            "loads": load(assets=[orders], jobs=[job], sensors=[sensor], schedules=[schedule]),
            "job is not listed": load(assets=[orders], sensors=[sensor]),
            "asset of the target is not listed": load(sensors=[bare(target=[orders])]),
            "two of one name": load(assets=[orders], jobs=[job], sensors=[sensor, bare()]),
            "the same twice": load(assets=[orders], jobs=[job], sensors=[sensor, sensor]),
            "sensor and schedule of one name": load(
                assets=[orders],
                jobs=[job],
                sensors=[sensor],
                schedules=[dg.ScheduleDefinition(name="looking", job=job, cron_schedule="@daily")],
            ),
            "another job of that name": load(
                assets=[orders], jobs=[job], sensors=[bare(job=dg.define_asset_job("daily", selection=[orders]))]
            ),
            "job by a name nobody knows": load(assets=[orders], sensors=[bare(job_name="nope")]),
            "target nobody knows": load(assets=[orders], sensors=[bare(target=["nope"])]),
            "job of other partitions than its assets": load(
                assets=[regions], jobs=[dg.define_asset_job("regional", [regions], partitions_def=letters("z"))]
            ),
            "job of its assets' partitions": load(
                assets=[regions, orders],
                jobs=[dg.define_asset_job("regional", [regions, orders], partitions_def=letters("a"))],
            ),
            "function": load(sensors=[kit.body]),
            "sensor among schedules": load(assets=[orders], schedules=[sensor]),
            "schedule among sensors": load(assets=[orders], sensors=[schedule]),
        },
    )
