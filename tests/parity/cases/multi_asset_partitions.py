"""Multi-asset sensors over partitions: what was left out stays known."""


def run(dg, kit):
    letters = dg.StaticPartitionsDefinition(["x", "y", "z"])

    @dg.asset(partitions_def=letters)
    def a():
        return 1

    @dg.asset(partitions_def=letters)
    def b():
        return 1

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["1", "2"]))
    def numbers():
        return 1

    defs = dg.Definitions(assets=[a, b, numbers])
    one, two = dg.AssetKey("a"), dg.AssetKey("b")

    def history(*happened):
        instance = dg.DagsterInstance.ephemeral()
        for name, partition in happened:
            instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=partition))
        return instance

    def context_of(instance, cursor=None, keys=(one, two)):
        return dg.build_multi_asset_sensor_context(
            monitored_assets=list(keys), instance=instance, definitions=defs, cursor=cursor
        )

    def by_partition(context, key=one, **more):
        return list(context.latest_materialization_records_by_partition(key, **more))

    def moved(context, used):
        context.advance_cursor(used)
        context.update_cursor_after_evaluation()
        return context_of(context.instance, context.cursor)

    def leaving_out():
        instance = history(("a", "x"), ("a", "y"), ("a", "z"))
        context = context_of(instance)
        newest = context.latest_materialization_records_by_partition(one)
        after = moved(context, {one: newest["y"]})
        left = [record.partition_key for record in after.get_trailing_unconsumed_events(one)]
        seen = [by_partition(after), after.get_cursor_partition(one), left]
        then = moved(after, {one: after.latest_materialization_records_by_partition(one)["x"]})
        seen.append([by_partition(then), then.get_cursor_partition(one)])
        last = moved(then, {one: then.latest_materialization_records_by_partition(one)["z"]})
        return [*seen, by_partition(last), last.get_cursor_partition(one)]

    def all_past():
        context = context_of(history(("a", "x"), ("a", "y"), ("b", "x")))
        context.advance_all_cursors()
        context.update_cursor_after_evaluation()
        after = context_of(context.instance, context.cursor)
        return [by_partition(after), by_partition(after, two), after.get_cursor_partition(one)]

    def together():
        context = context_of(history(("a", "x"), ("b", "x"), ("a", "y"), ("a", "x")))
        found = context.latest_materialization_records_by_partition_and_asset()
        return {partition: sorted(key.to_user_string() for key in of) for partition, of in found.items()}

    def whole(partitions, *happened):
        return lambda: context_of(history(*happened)).all_partitions_materialized(one, partitions)

    return kit.outcomes(
        dg,
        {
            "by partition": lambda: by_partition(context_of(history(("a", "x"), ("a", "y"), ("a", "x")))),
            "of no partition": lambda: by_partition(context_of(history(("a", None), ("a", "y")))),
            "of no known partition": lambda: by_partition(context_of(history(("a", "nope"), ("a", "y")))),
            "nothing": lambda: by_partition(context_of(history(("b", "x")))),
            "leaving out": leaving_out,
            "all past": all_past,
            "together": together,
            "together, of two kinds": lambda: context_of(
                history(), keys=(one, dg.AssetKey("numbers"))
            ).latest_materialization_records_by_partition_and_asset(),
            "after the cursor's partition": lambda: by_partition(
                moved(
                    context_of(instance := history(("a", "y"), ("a", "x"), ("a", "z"))),
                    {one: next(iter(context_of(instance).materialization_records_for_key(one, limit=1)))},
                ),
                after_cursor_partition=True,
            ),
            "not watched": lambda: by_partition(context_of(history()), dg.AssetKey("numbers")),
            "all partitions": whole(None, ("a", "x"), ("a", "y"), ("a", "z")),
            "not all partitions": whole(None, ("a", "x")),
            "some partitions": whole(["x"], ("a", "x")),
            "no partitions": whole([], ("a", "x")),
        },
    )
