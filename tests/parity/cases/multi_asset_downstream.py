"""Multi-asset sensors: which partitions of another asset are made of a partition."""


def run(dg, kit):
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01")
    weeks = dg.WeeklyPartitionsDefinition("2024-01-07", end_date="2024-02-01")
    letters = dg.StaticPartitionsDefinition(["a", "b"])
    numbers = dg.StaticPartitionsDefinition(["1", "2"])

    @dg.asset(partitions_def=days)
    def daily():
        return 1

    @dg.asset(partitions_def=days, deps=[daily])
    def same():
        return 1

    @dg.asset(
        partitions_def=days,
        deps=[dg.AssetDep(daily, partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))],
    )
    def next_day():
        return 1

    @dg.asset(partitions_def=weeks, deps=[daily])
    def weekly():
        return 1

    @dg.asset(partitions_def=letters)
    def by_letter():
        return 1

    @dg.asset(
        partitions_def=numbers,
        deps=[dg.AssetDep(by_letter, partition_mapping=dg.StaticPartitionMapping({"a": "1", "b": ["1", "2"]}))],
    )
    def by_number():
        return 1

    @dg.asset
    def plain():
        return 1

    assets = [daily, same, next_day, weekly, by_letter, by_number, plain]
    context = dg.build_multi_asset_sensor_context(
        monitored_assets=[daily.key, by_letter.key],
        instance=dg.DagsterInstance.ephemeral(),
        definitions=dg.Definitions(assets=assets),
    )

    def down(key, of, to):
        return lambda: sorted(context.get_downstream_partition_keys(key, dg.AssetKey(of), dg.AssetKey(to)))

    return kit.outcomes(
        dg,
        {
            "the same": down("2024-01-05", "daily", "same"),
            "the next": down("2024-01-05", "daily", "next_day"),
            "longer windows": down("2024-01-09", "daily", "weekly"),
            "named": down("a", "by_letter", "by_number"),
            "named, several": down("b", "by_letter", "by_number"),
            "of none": down("a", "plain", "by_number"),
            "to none": down("2024-01-05", "daily", "plain"),
            "to what nobody knows": down("2024-01-05", "daily", "nope"),
        },
    )
