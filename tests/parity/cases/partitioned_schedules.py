"""`build_schedule_from_partitioned_job`: when it ticks, and which partition it asks for."""


def run(dg, kit):
    build = dg.build_schedule_from_partitioned_job

    def made(partitions, whens, job_partitions=None, job_tags=None, **options):
        @dg.asset(partitions_def=partitions)
        def sales():
            return 1

        job = dg.define_asset_job("sales_job", selection=[sales], partitions_def=job_partitions)
        schedule = build(job, **options)
        defs = dg.Definitions(assets=[sales], jobs=[job], schedules=[schedule])
        name = options.get("name", "sales_job_schedule")
        look = defs.resolve_schedule_def if hasattr(defs, "resolve_schedule_def") else defs.get_schedule_def
        found = look(name)
        shown = [found.cron_schedule, found.execution_timezone, found.job_name, found.default_status.value]
        for when in whens:
            context = dg.build_schedule_context(
                scheduled_execution_time=kit.at(when, found.execution_timezone or "UTC")
            )
            shown.append(kit.tick(found.evaluate_tick(context)))
        return shown

    def of(partitions, *whens, **options):
        return lambda: made(partitions, whens, **options)

    def both(partitions, *whens, **options):
        return lambda: made(partitions, whens, job_partitions=partitions, **options)

    daily, hourly = dg.DailyPartitionsDefinition, dg.HourlyPartitionsDefinition
    weekly, monthly = dg.WeeklyPartitionsDefinition, dg.MonthlyPartitionsDefinition
    days = daily("2024-01-01")
    letters = dg.StaticPartitionsDefinition(["a", "b"])
    return kit.outcomes(
        dg,
        {
            "days": of(days, "2024-01-05", "2024-01-05 12:00", "2024-01-01", "2023-12-01"),
            "days, by the job": both(days, "2024-01-05"),
            "days of a zone": of(daily("2024-01-01", timezone="Europe/Berlin"), "2024-03-31", "2024-04-01"),
            "days from an hour": of(daily("2024-01-01", hour_offset=2, minute_offset=15), "2024-01-05 02:15"),
            "days that end": of(daily("2024-01-01", end_date="2024-01-10"), "2024-01-10", "2024-02-01"),
            "days ahead": of(daily("2024-01-01", end_offset=1), "2024-01-05"),
            "hours": of(hourly("2024-01-01-00:00"), "2024-01-05 10:00", "2024-01-05 10:20"),
            "hours at a minute": of(hourly("2024-01-01-00:00"), "2024-01-05 10:20", minute_of_hour=20),
            "weeks": of(weekly("2024-01-01"), "2024-01-21", "2024-01-22"),
            "weeks at a time": of(
                weekly("2024-01-01"), "2024-01-23 04:05", day_of_week=2, hour_of_day=4, minute_of_hour=5
            ),
            "months": of(monthly("2024-01-01"), "2024-04-01", "2024-04-30"),
            "months at a time": of(monthly("2024-01-01"), "2024-04-05 04:00", day_of_month=5, hour_of_day=4),
            "days at a time": of(days, "2024-01-05 04:30", hour_of_day=4, minute_of_hour=30),
            "days at a minute": of(days, "2024-01-05 00:30", minute_of_hour=30),
            "windows by cron": of(
                dg.TimeWindowPartitionsDefinition(start="2024-01-01", fmt="%Y-%m-%d", cron_schedule="0 0 * * 1,4"),
                "2024-01-08",
            ),
            "letters": both(letters, "2024-01-05", cron_schedule="0 6 * * *", execution_timezone="Europe/Berlin"),
            "letters without a cron": both(letters),
            "letters, unknown to the job": of(letters),
            "letters, unknown to the job, with a cron": of(letters, cron_schedule="0 6 * * *"),
            "days with a cron": of(days, cron_schedule="0 6 * * *"),
            "days with a zone": both(days, execution_timezone="Europe/Berlin"),
            "no partitions": of(None),
            "days on a day of the week": of(days, day_of_week=1),
            "days on a day of the month": of(days, day_of_month=1),
            "hours at an hour": of(hourly("2024-01-01-00:00"), hour_of_day=1),
            "a day of the week and of the month": of(days, day_of_week=1, day_of_month=1),
            "a cron and an hour": both(letters, cron_schedule="0 6 * * *", hour_of_day=1),
            "named": of(days, "2024-01-05", name="other"),
            "badly named": of(days, name="a-b"),
            "with tags": of(days, "2024-01-05", tags={"a": "b"}),
            "running": of(days, default_status=dg.DefaultScheduleStatus.RUNNING),
            "owner is none": of(days, owners=["somebody"]),
        },
    )
