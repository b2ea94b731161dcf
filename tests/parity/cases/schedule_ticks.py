"""What a schedule asks for at a tick."""


def run(dg, kit):
    @dg.asset
    def orders():
        return 1

    job = dg.define_asset_job("daily", selection=[orders])
    want, skip = dg.RunRequest, dg.SkipReason

    def context(when="2024-01-05 09:30", **more):
        return dg.build_schedule_context(scheduled_execution_time=kit.at(when), **more)

    def by_function(answer, **options):
        def function(context):
            return answer(context) if callable(answer) else answer

        made = dg.schedule(cron_schedule="@daily", job=job, name="ticking", **options)(function)
        return lambda: kit.tick(made.evaluate_tick(context()), "why")

    def by_fields(**options):
        def asked():
            made = dg.ScheduleDefinition("ticking", cron_schedule="@daily", job=job, **options)
            return kit.tick(made.evaluate_tick(context()), "why")

        return asked

    def yielding(*items, last=None):
        @dg.schedule("@daily", job=job)
        def ticking(context):
            yield from items
            return last

        return lambda: kit.tick(ticking.evaluate_tick(context()), "why")

    def broken(context):
        raise ValueError("no")

    class Shop(dg.ConfigurableResource):
        url: str

    @dg.schedule("@daily", job=job)
    def with_shop(context, shop: Shop):
        return skip(shop.url)

    def when(context):
        return context.scheduled_execution_time.isoformat()

    return kit.outcomes(
        dg,
        {
            "a run": by_function(want("a")),
            "a list": by_function([want("a"), want("b")]),
            "a list of one": by_function([want()]),
            "a list without keys": by_function([want(), want()]),
            "a list with one key": by_function([want("a"), want()]),
            "an empty list": by_function([]),
            "nothing": by_function(None),
            "a reason": by_function(skip("why")),
            "a reason and a run": by_function([skip("why"), want("a")]),
            "text": by_function("why"),
            "a result": by_function(dg.SensorResult(skip_reason="why")),
            "config": by_function({"ops": {"orders": {"config": {"a": 1}}}}),
            "an empty config": by_function({}),
            "config and tags": by_function({}, tags={"a": "b"}),
            "config and a function of tags": by_function({}, tags_fn=lambda context: {"when": when(context)}),
            "a run and tags": by_function(want("a"), tags={"a": "b"}),
            "an error": by_function(broken),
            "it should": by_function(want("a"), should_execute=lambda context: True),
            "it should not": by_function(want("a"), should_execute=lambda context: False),
            "whether it should is an error": by_function(want("a"), should_execute=broken),
            "tags are an error": by_function({}, tags_fn=broken),
            "time": by_function(lambda context: want(when(context))),
            "yields": yielding(want("a"), want("b")),
            "yields nothing": yielding(),
            "yields a reason": yielding(skip("why")),
            "yields and returns": yielding(want("a"), last=want("b")),
            "fields": by_fields(run_config={"ops": {}}, tags={"a": "b"}),
            "no fields": by_fields(),
            "config by a function": by_fields(run_config_fn=lambda context: {"when": when(context)}),
            "config by a function of nothing": by_fields(run_config_fn=lambda: {"a": 1}),
            "tags by a function": by_fields(tags_fn=lambda context: {"when": when(context)}),
            "fields, it should not": by_fields(should_execute=lambda context: False),
            "config is an error": by_fields(run_config_fn=broken),
            "by hand": by_fields(execution_fn=lambda context: want(when(context))),
            "by hand, yielding": by_fields(execution_fn=lambda context: (want(key) for key in "ab")),
            "by hand, broken": by_fields(execution_fn=broken),
            "by hand, a reason": by_fields(execution_fn=lambda context: skip("why")),
            "resource": lambda: with_shop.evaluate_tick(context(resources={"shop": Shop(url="why")})).skip_message,
            "resource missing": lambda: with_shop.evaluate_tick(context()),
            "no time": lambda: dg.schedule("@daily", job=job)(when).evaluate_tick(dg.build_schedule_context()),
            "with something else": lambda: with_shop.evaluate_tick(1),
        },
    )
