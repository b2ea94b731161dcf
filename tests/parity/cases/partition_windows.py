"""Time windows: keys, ranges, ends, offsets, formats, odd crons, changes of the clock."""


def run(dg, kit):
    at = kit.at

    def keys(definition, now="2024-06-01 00:00"):
        return list(definition.get_partition_keys(current_time=at(now)))

    def window(definition, key):
        found = definition.time_window_for_partition_key(key)
        return [found.start.isoformat(), found.end.isoformat()]

    def between(definition, start, end):
        return lambda: list(definition.get_partition_keys_in_range(dg.PartitionKeyRange(start, end)))

    custom = dg.TimeWindowPartitionsDefinition(
        cron_schedule="30 */6 * * *", start="2024-01-01", fmt="%Y-%m-%d", end="2024-01-03"
    )
    quarters = dg.TimeWindowPartitionsDefinition(cron_schedule="0 0 1 1,4,7,10 *", start="2023-02-10", fmt="%Y-%m-%d")
    workdays = dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 9 * * 1-5", start="2024-01-05-00:00", fmt="%Y-%m-%d-%H:%M", timezone="Europe/Berlin"
    )
    twice = dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 6,18 * * *", start="2024-01-01-00:00", fmt="%Y-%m-%d-%H:%M", end_offset=2
    )
    compact = dg.DailyPartitionsDefinition("20240101", end_date="20240105", fmt="%Y%m%d")
    havana = dg.HourlyPartitionsDefinition("2024-11-03-00:00", end_date="2024-11-03-06:00", timezone="America/Havana")
    spring = dg.DailyPartitionsDefinition("2024-03-29", end_date="2024-04-02", hour_offset=2, timezone="Europe/Berlin")
    half = dg.HourlyPartitionsDefinition("2024-01-01-00:30", end_date="2024-01-01-04:00", minute_offset=30)
    weekly = dg.WeeklyPartitionsDefinition("2024-01-03", end_date="2024-02-05", day_offset=3, hour_offset=5)
    monthly = dg.MonthlyPartitionsDefinition("2023-10-05", day_offset=15, end_offset=-1)
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-10")
    future = dg.DailyPartitionsDefinition("2024-05-28", end_offset=2)
    both = dg.DailyPartitionsDefinition("2024-05-28", end_date="2024-06-01", end_offset=3)
    return kit.outcomes(
        dg,
        {
            "custom": lambda: [keys(quarters), window(quarters, "2023-10-01")],
            "custom of one day": lambda: len(keys(custom)),
            "workdays": lambda: [keys(workdays, "2024-01-10 12:00"), window(workdays, "2024-01-05-09:00")],
            "twice": lambda: keys(twice, "2024-01-02 07:00"),
            "compact": lambda: [keys(compact), window(compact, "20240102")],
            "havana": lambda: keys(havana, "2024-12-01 00:00"),
            "spring": lambda: [keys(spring), *(window(spring, key) for key in keys(spring))],
            "half": lambda: [keys(half), window(half, "2024-01-01-01:30")],
            "weekly": lambda: [keys(weekly), window(weekly, "2024-01-10")],
            "monthly": lambda: keys(monthly),
            "future": lambda: keys(future),
            "both": lambda: keys(both),
            "first and last": lambda: (
                [one.get_first_partition_key() for one in (days, quarters, compact)]
                + [one.get_last_partition_key() for one in (days, compact)]
            ),
            "next": lambda: [days.get_next_partition_key("2024-01-03"), days.get_next_partition_key("2024-01-09")],
            "range": between(days, "2024-01-03", "2024-01-05"),
            "range of one": between(days, "2024-01-03", "2024-01-03"),
            "range back": between(days, "2024-01-05", "2024-01-03"),
            "range past the end": between(days, "2024-01-08", "2024-01-12"),
            "range before the start": between(days, "2023-12-30", "2024-01-02"),
            "range of no key": between(days, "yesterday", "2024-01-02"),
            "has": lambda: [
                days.has_partition_key(key)
                for key in ("2024-01-01", "2024-01-09", "2024-01-10", "2023-12-31", "2024-1-2", "x", "")
            ],
            "in a window": lambda: list(
                days.get_partition_keys_in_time_window(dg.TimeWindow(at("2024-01-02 12:00"), at("2024-01-05 00:00")))
            ),
            "in range of a window": lambda: [
                [found.start, found.end]
                for found in (
                    days.get_partition_key_range_for_time_window(dg.TimeWindow(at("2024-01-03"), at("2024-01-06"))),
                    weekly.get_partition_key_range_for_time_window(
                        dg.TimeWindow(at("2024-01-10 05:00"), at("2024-01-24 05:00"))
                    ),
                )
            ],
            "windows beside": lambda: [
                found and [found.start.isoformat(), found.end.isoformat()]
                for found in (
                    days.get_next_partition_window(at("2024-01-03 05:00")),
                    days.get_next_partition_window(at("2024-01-03")),
                    days.get_next_partition_window(at("2024-01-20")),
                    days.get_prev_partition_window(at("2024-01-03 05:00")),
                    days.get_prev_partition_window(at("2024-01-03")),
                    days.get_prev_partition_window(at("2024-01-01")),
                    days.get_first_partition_window(),
                    days.get_last_partition_window(),
                    spring.get_next_partition_window(at("2024-03-31 00:30")),
                    workdays.get_prev_partition_window(at("2024-01-08 06:00")),
                )
            ],
            "at an instant": lambda: [
                days.get_partition_key_for_timestamp(at("2024-01-03 05:00").timestamp()),
                days.get_partition_key_for_timestamp(at("2024-01-03").timestamp()),
                days.get_partition_key_for_timestamp(at("2024-01-03").timestamp(), end_closed=True),
                twice.get_partition_key_for_timestamp(at("2024-01-03 06:00").timestamp()),
            ],
            "start and end": lambda: [
                days.start_time_for_partition_key("2024-01-03").isoformat(),
                weekly.end_time_for_partition_key("2024-01-10").isoformat(),
            ],
            "no schedule": lambda: dg.TimeWindowPartitionsDefinition(start="2024-01-01", fmt="%Y-%m-%d") and 1,
            "no zone": lambda: dg.DailyPartitionsDefinition("2024-01-01", timezone="Mars/Base") and 1,
            "no cron": lambda: (
                dg.TimeWindowPartitionsDefinition(cron_schedule="often", start="2024-01-01", fmt="%Y-%m-%d") and 1
            ),
            "start of another format": lambda: dg.DailyPartitionsDefinition("01/02/2024") and 1,
            "end before start": lambda: keys(dg.DailyPartitionsDefinition("2024-01-05", end_date="2024-01-01")),
            "equal": lambda: [
                days == dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-10"),
                days == dg.DailyPartitionsDefinition("2024-01-01"),
                days == dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-10", timezone="UTC"),
            ],
            "count": lambda: [days.get_num_partitions(), compact.get_num_partitions()],
            "cron": lambda: [weekly.get_cron_schedule(), days.get_cron_schedule(), days.cron_schedule],
        },
    )
