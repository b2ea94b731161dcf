"""What a sensor's function may answer, and what that comes to."""


def run(dg, kit):
    @dg.asset
    def orders():
        return 1

    job = dg.define_asset_job("daily", selection=[orders])
    defs = dg.Definitions(assets=[orders], jobs=[job])
    instance = dg.DagsterInstance.ephemeral()
    skip, want, result = dg.SkipReason, dg.RunRequest, dg.SensorResult

    def tick(answer, cursor=None):
        def function(context):
            return answer(context) if callable(answer) else answer

        sensor = dg.sensor(name="looking", job=job)(function)
        context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
        return lambda: kit.tick(sensor.evaluate_tick(context), "why", "first", "second")

    def yielding(*items, last=None):
        def function(context):
            yield from items
            return last

        sensor = dg.sensor(name="yielding", job=job)(function)
        context = dg.build_sensor_context(instance=instance, definitions=defs)
        return lambda: kit.tick(sensor.evaluate_tick(context), "why")

    return kit.outcomes(
        dg,
        {
            "nothing": tick(None, "kept"),
            "an empty list": tick([], "kept"),
            "a list of nothing": tick([None]),
            "a list of nothings": tick([None, None]),
            "one": tick(want("a")),
            "a list": tick([want("a"), want("b")]),
            "a tuple": tick((want("a"),)),
            "a dict": tick({}),
            "text": tick("why"),
            "a reason": tick(skip("why"), "kept"),
            "a reason without a word": tick(skip()),
            "a reason in a list": tick([skip("why")]),
            "two reasons": tick([skip("first"), skip("second")]),
            "a reason and a run": tick([skip("why"), want()]),
            "a result": tick(result(run_requests=[want("a")], cursor="1")),
            "an empty result": tick(result(), "kept"),
            "a result with a reason": tick(result(skip_reason="why", cursor="2"), "old"),
            "a result with a reason as such": tick(result(skip_reason=skip("why"))),
            "a result in a list": tick([result(cursor="1")]),
            "a result and more": tick([result(cursor="1"), want()]),
            "two results": tick([result(cursor="1"), result(cursor="2")]),
            "a cursor set": tick(lambda context: context.update_cursor("7"), "old"),
            "a cursor set twice": tick(lambda context: kit.after(context.update_cursor("1"), result(cursor="2"))),
            "a cursor set, and a result": tick(lambda context: kit.after(context.update_cursor("1"), result())),
            "an empty cursor": tick(result(cursor=""), "old"),
            "a cursor set to none": tick(lambda context: context.update_cursor(None), "old"),
            "an error": tick(lambda context: 1 // 0),
            "yields": yielding(want("a"), want("b")),
            "yields nothing": yielding(),
            "yields none": yielding(None),
            "yields a reason": yielding(skip("why")),
            "yields a reason and a run": yielding(skip("why"), want()),
            "yields a result": yielding(result(run_requests=[want("a")], cursor="3")),
            "yields and returns": yielding(want("a"), last=want("b")),
            "tags become text": tick(want(tags={"n": 1, "more": {"a": [1]}, "text": "x"})),
            "config is kept": tick(want(run_config={"ops": {"orders": {"config": {"a": 1}}}})),
        },
    )
