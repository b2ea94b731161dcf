"""Checks of freshness: what they take, and whether they pass by what was made before."""

from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
LAST_UPDATED = "dagster/last_updated_timestamp"


def run(dg, kit):
    severity = dg.AssetCheckSeverity
    daily = dg.DailyPartitionsDefinition(start_date="2024-01-01")

    @dg.asset
    def orders():
        return dg.MaterializeResult()

    @dg.asset
    def old():
        long_ago = dg.MetadataValue.timestamp(datetime(2024, 1, 1, tzinfo=UTC))
        return dg.MaterializeResult(metadata={LAST_UPDATED: long_ago})

    @dg.asset(partitions_def=daily)
    def days():
        return dg.MaterializeResult()

    def last_update(*assets, **options):
        return dg.build_last_update_freshness_checks(assets=[*assets], **{"lower_bound_delta": HOUR, **options})

    def by_partition(*assets, **options):
        return dg.build_time_partition_freshness_checks(assets=[*assets], **{"deadline_cron": "0 0 * * *", **options})

    def evaluated(asset, checks, *keys):
        instance = dg.DagsterInstance.ephemeral()
        for key in keys or (None,):
            result = dg.materialize([asset, *checks], instance=instance, partition_key=key)
        [found] = result.get_asset_check_evaluations()
        names = sorted(name for name in found.metadata if name.startswith("dagster/"))
        return [found.check_name, found.asset_key.to_user_string(), found.passed, found.severity.value, names]

    def keys_of(checks):
        return sorted(key.to_user_string() for one in checks for key in one.check_keys)

    def specs_of(checks):
        return [[spec.name, spec.blocking, sorted(spec.metadata)] for one in checks for spec in one.check_specs]

    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    questions = {
        "of assets and keys": lambda: keys_of(last_update(orders, "old", dg.AssetKey(["a", "b"]))),
        "specs": lambda: specs_of(last_update(orders)),
        "blocking": lambda: specs_of(by_partition(days, blocking=True)),
        "twice": lambda: last_update(orders, "orders"),
        "bad cron": lambda: last_update(orders, deadline_cron="nope"),
        "bad cron of partitions": lambda: by_partition(days, deadline_cron="nope"),
        "no delta": lambda: dg.build_last_update_freshness_checks(assets=[orders]),
        "delta is no timedelta": lambda: last_update(orders, lower_bound_delta=3600),
        "severity is no severity": lambda: last_update(orders, severity="WARN"),
        "just made": lambda: evaluated(orders, last_update(orders)),
        "just made, by a deadline": lambda: evaluated(orders, last_update(orders, deadline_cron="0 0 * * *")),
        "says it is old": lambda: evaluated(old, last_update(old)),
        "says it is old, by a deadline": lambda: evaluated(old, last_update(old, deadline_cron="0 0 * * *")),
        "says it is old, as an error": lambda: evaluated(old, last_update(old, severity=severity.ERROR)),
        "old enough": lambda: evaluated(old, last_update(old, lower_bound_delta=timedelta(days=36500))),
        "due partition is there": lambda: evaluated(days, by_partition(days), yesterday),
        "another partition": lambda: evaluated(days, by_partition(days), "2024-01-01"),
        "due partition was there before": lambda: evaluated(days, by_partition(days), yesterday, "2024-01-01"),
        "a yearly deadline": lambda: evaluated(days, by_partition(days, deadline_cron="0 0 2 1 *"), "2024-01-01"),
        "another time zone": lambda: evaluated(
            days, by_partition(days, timezone="America/Chicago", severity=severity.ERROR), "2024-01-01"
        ),
    }
    return kit.outcomes(dg, questions)
