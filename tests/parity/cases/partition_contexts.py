"""What a function and an IO manager are told of the partitions that they make and read."""


def run(dg, kit):
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-20")
    weeks = dg.WeeklyPartitionsDefinition("2024-01-01", end_date="2024-01-20")
    letters = dg.StaticPartitionsDefinition(["a", "b"])
    both = dg.MultiPartitionsDefinition({"day": days, "letter": letters})

    def window(found):
        return [found.start.isoformat(), found.end.isoformat()]

    def keys(found):
        return [found.start, found.end]

    def tags(found):
        return {name: text for name, text in found.items() if f"{name}/".startswith("dagster/partition/")}

    def told(up, down, key):
        seen = {}

        class Stored(dg.IOManager):
            def handle_output(self, context, obj):
                if context.has_asset_partitions:
                    seen["stored"] = io(context)

            def load_input(self, context):
                if context.has_asset_partitions:
                    seen["loaded"] = io(context)
                return 1

        def io(context):
            return kit.outcomes(
                dg,
                {
                    "range": lambda: keys(context.asset_partition_key_range),
                    "window": lambda: window(context.asset_partitions_time_window),
                    "count": lambda: len(context.asset_partition_keys),
                    "definition": lambda: type(context.asset_partitions_def).__name__,
                },
            )

        @dg.asset(partitions_def=up)
        def above():
            return 1

        @dg.asset(partitions_def=down)
        def below(context, above):
            seen["function"] = kit.outcomes(
                dg,
                {
                    "read": lambda: sorted(map(str, context.asset_partition_keys_for_input("above"))),
                    "read one": lambda: str(context.asset_partition_key_for_input("above")),
                    "read range": lambda: keys(context.asset_partition_key_range_for_input("above")),
                    "read window": lambda: window(context.asset_partitions_time_window_for_input("above")),
                    "read definition": lambda: type(context.asset_partitions_def_for_input("above")).__name__,
                    "read nothing": lambda: context.asset_partition_keys_for_input("other"),
                    "made": lambda: list(map(str, context.asset_partition_keys_for_output())),
                    "made one": lambda: str(context.asset_partition_key_for_output()),
                    "made range": lambda: keys(context.asset_partition_key_range_for_output("result")),
                    "made window": lambda: window(context.asset_partitions_time_window_for_output()),
                    "made definition": lambda: type(context.asset_partitions_def_for_output()).__name__,
                    "made nothing": lambda: context.asset_partition_keys_for_output("other"),
                    "several dimensions": lambda: dict(context.multi_partition_key.keys_by_dimension),
                    "range": lambda: [keys(context.partition_key_range), keys(context.asset_partition_key_range)],
                    "window": lambda: window(context.partition_time_window),
                    "tags": lambda: tags(context.run_tags),
                    "has": lambda: [context.has_partition_key, context.has_partition_key_range],
                },
            )
            return 2

        dg.materialize([above, below], selection=[below], partition_key=key, resources={"io_manager": Stored()})
        return seen

    return {
        "days of a week": told(days, weeks, "2024-01-07"),
        "letters": told(letters, letters, "a"),
        "whole to days": told(None, days, "2024-01-07"),
        "days to whole": told(days, None, None),
        "both": told(both, both, "2024-01-07|a"),
        "both to letters": told(both, letters, "a"),
    }
