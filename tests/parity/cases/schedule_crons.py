"""Which cron expressions a schedule takes."""

TAKEN = [
    "* * * * *", "0 6 * * *", "*/5 * * * *", "0-59/7 * * * *", "5/15 * * * *", "0 9-17 * * MON-FRI", "0 22-2 * * *",
    "0 0 L * *", "0 0 ? * *", "0 0 * * ?", "0 0 * * 1#2", "0 0 * * L5", "0 0 * * MON", "0 0 * * mon", "0 0 * * 7",
    "0 0 * JAN *", "0 0 29 2 *", "0 0 1,31 2 *", "0 0 1,15 * *", "0 0 1 * MON", "@hourly", "@daily", "@midnight",
    "@weekly", "@monthly", "@yearly", "@annually", "@DAILY",
]  # fmt: skip
REFUSED = [
    "", " ", "0 0 1 1", "0 0 * * * *", "0 0 0 * * * *", "@reboot", "@never", "nope", "61 * * * *", "0 24 * * *",
    "0 0 0 * *", "0 0 32 * *", "0 0 * 13 *", "0 0 * * 8", "0 0 31 2 *", "0 0 30 2 *", "0 0 31 2 1", "0 0 * * 1#6",
    "0 0 * * Monday", "H * * * *", "60/1 * * * *", "*/0 * * * *", "- * * * *", "0 0 * * L",
]  # fmt: skip


def run(dg, kit):
    @dg.asset
    def orders():
        return 1

    job = dg.define_asset_job("daily", selection=[orders])

    def declared(cron):
        return kit.fine(lambda: dg.ScheduleDefinition(job=job, cron_schedule=cron))

    return kit.outcomes(dg, {cron: declared(cron) for cron in [*TAKEN, *REFUSED]})
