"""Asset sensors: called about the newest materialisation that the cursor has not passed."""


def run(dg, kit):
    @dg.asset
    def orders(context):
        context.add_output_metadata({"rows": 3})
        return 1

    @dg.asset
    def customers():
        return 1

    job = dg.define_asset_job("daily", selection=[customers])
    defs = dg.Definitions(assets=[orders, customers], jobs=[job])
    key = dg.AssetKey("orders")
    want, skip, result = dg.RunRequest, dg.SkipReason, dg.SensorResult

    def made(function, **options):
        return dg.asset_sensor(**{"asset_key": key, "name": "told", "job": job, **options})(function)

    def history(*happened):
        instance = dg.DagsterInstance.ephemeral()
        for one in happened:
            instance.report_runless_asset_event(one)
        return instance

    def thing(**more):
        return dg.AssetMaterialization(key, **more)

    def tick(function, instance, cursor=None):
        context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
        data = kit.tick(made(function).evaluate_tick(context), "why")
        data["cursor"] = None if data["cursor"] is None else "moved" if data["cursor"] != cursor else "kept"
        return data

    def answering(answer):
        return lambda: tick(lambda context, event: answer, history(thing()), "0")

    def told(context, event):
        materialization = event.dagster_event.event_specific_data.materialization
        yield want(
            run_key=str(materialization.partition),
            tags={
                "key": event.dagster_event.asset_key.to_user_string(),
                "rows": materialization.metadata["rows"].value if "rows" in materialization.metadata else "none",
                "why": str(event.asset_materialization.description),
                "again": str(event.dagster_event.step_materialization_data.materialization is materialization),
                "type": event.dagster_event.event_type_value,
                "run": str(bool(event.run_id)),
                "time": str(event.timestamp > 1),
            },
        )

    def after_run():
        instance = dg.DagsterInstance.ephemeral()
        dg.materialize([orders], instance=instance)
        return tick(told, instance)

    def twice():
        instance = history(thing(partition="a"))
        sensor = made(told)
        first = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, definitions=defs))
        again = dg.build_sensor_context(instance=instance, cursor=first.cursor, definitions=defs)
        second = sensor.evaluate_tick(again)
        instance.report_runless_asset_event(thing(partition="b"))
        instance.report_runless_asset_event(thing(partition="c"))
        third = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=second.cursor, definitions=defs))
        keys = [[one.run_key for one in data.run_requests] for data in (first, second, third)]
        return [keys, second.cursor == first.cursor, int(third.cursor) > int(first.cursor), bool(second.skip_message)]

    def with_cursor(context, event):
        context.update_cursor("99")
        return want()

    class Shop(dg.ConfigurableResource):
        url: str

    def with_shop(context, event, shop: Shop):
        return skip(shop.url)

    def resources(function, **given):
        context = dg.build_sensor_context(instance=history(thing()), resources=given, definitions=defs)
        return kit.tick(made(function).evaluate_tick(context), "y")["skip"]

    def called():
        answers = made(told)(dg.build_sensor_context(instance=history(thing(partition="a")), definitions=defs))
        return [one.run_key for one in answers]

    return kit.outcomes(
        dg,
        {
            "of a run": after_run,
            "by hand": lambda: tick(told, history(thing(partition="a", description="why", metadata={"rows": 2}))),
            "the newest of several": lambda: tick(told, history(thing(partition="a"), thing(partition="b"))),
            "nothing": lambda: tick(told, history()),
            "of another asset": lambda: tick(told, history(dg.AssetMaterialization("customers"))),
            "an observation": lambda: tick(told, history(dg.AssetObservation(key))),
            "call after call": twice,
            "answers nothing": answering(None),
            "answers a reason": answering(skip("why")),
            "answers a run": answering(want("a")),
            "answers a list": answering([want("a"), want("b")]),
            "answers an empty list": answering([]),
            "answers a result": answering(result(run_requests=[want("a")])),
            "answers a result with a reason": answering(result(skip_reason="why")),
            "answers a result with a cursor": answering(result(cursor="9")),
            "answers text": answering("why"),
            "answers a dict": answering({}),
            "sets the cursor": lambda: tick(with_cursor, history(thing()))["runs"],
            "an error": lambda: tick(lambda context, event: 1 // 0, history(thing())),
            "a cursor of another form": lambda: tick(lambda context, event: skip("why"), history(thing()), "abc"),
            "without an argument": lambda: tick(lambda: skip("why"), history(thing())),
            "only the context": lambda: tick(lambda context: skip("why"), history(thing())),
            "without an instance": lambda: made(told).evaluate_tick(dg.build_sensor_context()),
            "resource": lambda: resources(with_shop, shop=Shop(url="y")),
            "resource missing": lambda: resources(with_shop),
            "called": called,
            "called with the event": lambda: made(told)(dg.build_sensor_context(), 1),
            "cursor as seen": lambda: tick(
                lambda context, event: skip("why") if context.cursor else None, history(thing()), "0"
            ),
        },
    )
