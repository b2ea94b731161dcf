"""Multi-asset sensors: everything that is new of several assets, until they say that it was used."""


def run(dg, kit):
    @dg.asset
    def a():
        return 1

    @dg.asset
    def b():
        return 1

    @dg.asset
    def c():
        return 1

    job = dg.define_asset_job("daily", selection=[c])
    defs = dg.Definitions(assets=[a, b, c], jobs=[job])
    keys = [dg.AssetKey("a"), dg.AssetKey("b")]
    want, skip, result = dg.RunRequest, dg.SkipReason, dg.SensorResult

    def history(*names):
        instance = dg.DagsterInstance.ephemeral()
        for name in names:
            instance.report_runless_asset_event(dg.AssetMaterialization(name))
        return instance

    def made(function, **options):
        return dg.multi_asset_sensor(monitored_assets=options.pop("watched", keys), name="both", job=job, **options)(
            function
        )

    def tick(function, instance, cursor=None, **options):
        context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
        data = made(function, **options).evaluate_tick(context)
        shown = kit.tick(data, "why")
        shown["cursor"] = None if data.cursor is None else sorted(eval(data.cursor, {"null": None}).values(), key=str)
        return shown

    def new(context):
        found = context.latest_materialization_records_by_key()
        return {key.to_user_string(): record is not None for key, record in found.items()}

    def when_both(context):
        found = context.latest_materialization_records_by_key()
        if not all(found.values()):
            return skip("why")
        context.advance_cursor(found)
        return want(tags={key.to_user_string(): str(record.partition_key) for key, record in found.items()})

    def all_of_them(context):
        context.advance_all_cursors()
        return want(tags=new(context))

    def forgetful(context):
        return want()

    def only_a(context):
        context.advance_cursor({keys[0]: context.latest_materialization_records_by_key()[keys[0]]})
        return want()

    def yielding(context):
        yield want("1")
        context.advance_all_cursors()

    def records(context):
        found = [one.storage_id for one in context.materialization_records_for_key(keys[0], limit=2)]
        everything = len(list(context.materialization_records_for_key(keys[0], limit=99)))
        context.advance_all_cursors()
        return want(tags={"n": len(found), "rising": found == sorted(found), "all": everything})

    def with_cursor(context):
        return result(cursor="9")

    def advancing_result(context):
        context.advance_all_cursors()
        return result(run_requests=[want("a")])

    def twice():
        instance = history("a", "b")
        sensor = made(when_both)

        def once(cursor):
            return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs))

        first = once(None)
        second = once(first.cursor)
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
        third = once(second.cursor)
        instance.report_runless_asset_event(dg.AssetMaterialization("b"))
        fourth = once(third.cursor)
        return [len(data.run_requests) for data in (first, second, third, fourth)]

    def context_of(instance, **more):
        return dg.build_multi_asset_sensor_context(monitored_assets=keys, instance=instance, definitions=defs, **more)

    def directly():
        context = context_of(history("a", "b"))
        answer = made(when_both)(context)
        return [kit.request(answer), context.cursor_updated, context.latest_materialization_records_by_key()[keys[0]]]

    def keys_of(context):
        return sorted(key.to_user_string() for key in context.asset_keys)

    return kit.outcomes(
        dg,
        {
            "both are new": lambda: tick(when_both, history("a", "b")),
            "one is new": lambda: tick(when_both, history("a")),
            "nothing is new": lambda: tick(when_both, history()),
            "another is new": lambda: tick(when_both, history("c")),
            "call after call": twice,
            "all used": lambda: tick(all_of_them, history("a", "b", "b")),
            "one used": lambda: tick(only_a, history("a", "b")),
            "none used": lambda: tick(forgetful, history("a")),
            "none used, no run": lambda: tick(lambda context: skip("why"), history("a")),
            "nothing answered": lambda: tick(lambda context: None, history("a"), "{}"),
            "yields": lambda: tick(yielding, history("a")),
            "records": lambda: tick(records, history("a", "a", "b", "a"))["runs"],
            "sets its cursor": lambda: tick(with_cursor, history("a")),
            "a result": lambda: tick(advancing_result, history("a")),
            "a cursor of another form": lambda: tick(when_both, history("a", "b"), "7")["runs"],
            "selection": lambda: tick(all_of_them, history("a", "c"), watched=dg.AssetSelection.assets(a, c))["runs"],
            "without an instance": lambda: made(when_both).evaluate_tick(dg.build_sensor_context(definitions=defs)),
            "without definitions": lambda: made(when_both).evaluate_tick(dg.build_sensor_context(instance=history())),
            "directly": directly,
            "context's assets": lambda: keys_of(context_of(history())),
            "context of a selection": lambda: keys_of(
                dg.build_multi_asset_sensor_context(
                    monitored_assets=dg.AssetSelection.assets(b), instance=history(), definitions=defs
                )
            ),
            "context without definitions": lambda: dg.build_multi_asset_sensor_context(monitored_assets=keys),
            "context after everything": lambda: new(
                context_of(history("a", "b"), cursor_from_latest_materializations=True)
            ),
            "context after everything, and a cursor": lambda: context_of(
                history(), cursor="{}", cursor_from_latest_materializations=True
            ),
            "what is new of some": lambda: len(
                context_of(history("a")).latest_materialization_records_by_key([keys[1]])
            ),
            "what is not watched": lambda: context_of(history()).materialization_records_for_key(
                dg.AssetKey("c"), limit=1
            ),
            "cursor's partition": lambda: context_of(history()).get_cursor_partition(keys[0]),
            "cursor's partition of what": lambda: context_of(history()).get_cursor_partition(None),
            "cursor's partition of another": lambda: context_of(history()).get_cursor_partition(dg.AssetKey("c")),
            "no partitions": lambda: context_of(history()).latest_materialization_records_by_partition(keys[0]),
            "request assets": lambda: kit.tick(
                dg.multi_asset_sensor(keys, name="ask", request_assets=dg.AssetSelection.assets(c))(
                    all_of_them
                ).evaluate_tick(dg.build_sensor_context(instance=history("a"), definitions=defs))
            )["runs"],
        },
    )
