"""What a partition reads of another asset, and which mappings do not suit."""


def run(dg, kit):
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("shops", ["s1", "s2"])
    letters = dg.StaticPartitionsDefinition(["a", "b", "c"])
    numbers = dg.StaticPartitionsDefinition(["1", "2", "3"])
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-20")
    later = dg.DailyPartitionsDefinition("2024-01-05", end_date="2024-01-08")
    hours = dg.HourlyPartitionsDefinition("2024-01-01-00:00", end_date="2024-01-20-00:00")
    weeks = dg.WeeklyPartitionsDefinition("2024-01-01", end_date="2024-01-20")
    berlin = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-20", timezone="Europe/Berlin")
    shops = dg.DynamicPartitionsDefinition(name="shops")
    day_letter = dg.MultiPartitionsDefinition({"day": days, "letter": letters})
    day_number = dg.MultiPartitionsDefinition({"date": days, "number": numbers})
    week_letter = dg.MultiPartitionsDefinition({"letter": letters, "week": weeks})
    two_letters = dg.MultiPartitionsDefinition({"x": letters, "y": letters})
    shop_day = dg.MultiPartitionsDefinition({"shop": shops, "day": days})
    windows = dg.TimeWindowPartitionMapping
    dimension = dg.DimensionPartitionMapping

    class Seen(dg.IOManager):
        def __init__(self):
            self.read = None

        def handle_output(self, context, obj):
            pass

        def load_input(self, context):
            if context.has_asset_partitions:
                self.read = sorted(map(str, context.asset_partition_keys))
            else:
                self.read = None
            return 0

    def reads(up, down, key, mapping=None):
        def answer():
            seen = Seen()
            given = {} if mapping is None else {"partition_mapping": mapping}

            @dg.asset(partitions_def=up)
            def above():
                return 1

            @dg.asset(partitions_def=down, ins={"above": dg.AssetIn(**given)})
            def below(above):
                return 2

            dg.materialize(
                [above, below],
                selection=[below],
                partition_key=key,
                resources={"io_manager": seen},
                instance=instance,
            )
            if seen.read is not None and len(seen.read) > 6:
                return [len(seen.read), seen.read[0], seen.read[-1]]
            return seen.read

        return answer

    return kit.outcomes(
        dg,
        {
            "same": reads(letters, letters, "a"),
            "other names": reads(letters, numbers, "1"),
            "names to days": reads(letters, days, "2024-01-02"),
            "all to one": reads(letters, None, None),
            "one to all": reads(None, letters, "a"),
            "hours of a day": reads(hours, days, "2024-01-03"),
            "day of an hour": reads(days, hours, "2024-01-03-05:00"),
            "days of a week": reads(days, weeks, "2024-01-07"),
            "week of a day": reads(weeks, days, "2024-01-09"),
            "week that is not there": reads(weeks, days, "2024-01-02"),
            "starts later": reads(later, days, "2024-01-02"),
            "starts later, allowed": reads(
                later, days, "2024-01-02", windows(allow_nonexistent_upstream_partitions=True)
            ),
            "week half there, allowed": reads(
                later, weeks, "2024-01-07", windows(allow_nonexistent_upstream_partitions=True)
            ),
            "week half there": reads(later, weeks, "2024-01-07"),
            "offset": reads(days, days, "2024-01-05", windows(start_offset=-2)),
            "both offsets": reads(days, days, "2024-01-05", windows(start_offset=-2, end_offset=-1)),
            "offset of weeks": reads(days, weeks, "2024-01-14", windows(start_offset=-1, end_offset=-1)),
            "offset of hours": reads(days, hours, "2024-01-05-01:00", windows(start_offset=-3)),
            "offset before the start": reads(days, days, "2024-01-01", windows(start_offset=-2)),
            "offset after the end": reads(days, days, "2024-01-19", windows(end_offset=2)),
            "all before the start": reads(days, days, "2024-01-01", windows(start_offset=-1, end_offset=-1)),
            "other zone": reads(berlin, days, "2024-01-05"),
            "other zone said": reads(berlin, days, "2024-01-05", windows()),
            "windows of names": reads(letters, days, "2024-01-05", windows()),
            "last": reads(days, letters, "a", dg.LastPartitionMapping()),
            "last of dimensions": reads(day_letter, None, None, dg.LastPartitionMapping()),
            "specific": reads(days, None, None, dg.SpecificPartitionsPartitionMapping(["2024-01-03", "2024-01-09"])),
            "specific, absent": reads(days, None, None, dg.SpecificPartitionsPartitionMapping(["2025-01-03"])),
            "static": reads(letters, numbers, "2", dg.StaticPartitionMapping({"a": "1", "b": "2", "c": ["2", "3"]})),
            "static, nothing": reads(letters, numbers, "3", dg.StaticPartitionMapping({"a": "1"})),
            "static of unknown up": reads(letters, numbers, "2", dg.StaticPartitionMapping({"z": "1"})),
            "static of days": reads(days, numbers, "2", dg.StaticPartitionMapping({"2024-01-02": "2"})),
            "identity of days": reads(days, later, "2024-01-06", dg.IdentityPartitionMapping()),
            "identity absent": reads(later, days, "2024-01-02", dg.IdentityPartitionMapping()),
            "multi to letter": reads(day_letter, letters, "b"),
            "letter to multi": reads(letters, day_letter, "2024-01-03|b"),
            "day to multi": reads(days, day_letter, "2024-01-03|b"),
            "multi to day": reads(day_letter, days, "2024-01-03"),
            "multi to week": reads(day_letter, weeks, "2024-01-07"),
            "week to multi": reads(weeks, day_letter, "2024-01-09|c"),
            "multi to other names": reads(day_letter, numbers, "1"),
            "multi to one": reads(day_letter, None, None),
            "said multi to letter": reads(
                day_letter, letters, "b", dg.MultiToSingleDimensionPartitionMapping("letter")
            ),
            "two that match": reads(two_letters, letters, "b"),
            "to single between multis": reads(
                day_letter, day_letter, "2024-01-03|b", dg.MultiToSingleDimensionPartitionMapping()
            ),
            "same multi": reads(day_letter, day_letter, "2024-01-03|b"),
            "other multi": reads(day_letter, day_number, "2024-01-03|1"),
            "multi by day": reads(
                day_letter,
                day_number,
                "2024-01-03|1",
                dg.MultiPartitionMapping({"day": dimension("date", dg.IdentityPartitionMapping())}),
            ),
            "multi by both": reads(
                day_letter,
                day_number,
                "2024-01-03|1",
                dg.MultiPartitionMapping(
                    {
                        "day": dimension("date", windows(start_offset=-1)),
                        "letter": dimension("number", dg.StaticPartitionMapping({"a": "1", "b": "1", "c": "2"})),
                    }
                ),
            ),
            "multi of weeks": reads(
                day_letter,
                week_letter,
                "b|2024-01-07",
                dg.MultiPartitionMapping(
                    {"day": dimension("week", windows()), "letter": dimension("letter", dg.IdentityPartitionMapping())}
                ),
            ),
            "multi of last": reads(
                day_letter,
                day_number,
                "2024-01-03|1",
                dg.MultiPartitionMapping({"day": dimension("date", dg.LastPartitionMapping())}),
            ),
            "multi of no dimension": reads(day_letter, day_number, "2024-01-03|1", dg.MultiPartitionMapping({})),
            "multi of unknown up": reads(
                day_letter,
                day_number,
                "2024-01-03|1",
                dg.MultiPartitionMapping({"z": dimension("date", dg.IdentityPartitionMapping())}),
            ),
            "multi of unknown down": reads(
                day_letter,
                day_number,
                "2024-01-03|1",
                dg.MultiPartitionMapping({"day": dimension("z", dg.IdentityPartitionMapping())}),
            ),
            "multi between singles": reads(
                days,
                days,
                "2024-01-03",
                dg.MultiPartitionMapping({"day": dimension("day", dg.IdentityPartitionMapping())}),
            ),
            "dynamic same": reads(shops, shops, "s1"),
            "dynamic all": reads(shops, None, None),
            "dynamic last": reads(shops, letters, "a", dg.LastPartitionMapping()),
            "dynamic unknown": reads(shops, shops, "s9"),
            "dynamic to multi": reads(shops, shop_day, "2024-01-03|s2"),
            "multi to dynamic": reads(shop_day, shops, "s2"),
            "multi with dynamic to day": reads(shop_day, days, "2024-01-02"),
        },
    )
