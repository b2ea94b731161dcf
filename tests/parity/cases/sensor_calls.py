"""Calling a sensor directly, in a test: contexts and resources."""


def run(dg, kit):
    @dg.asset
    def orders():
        return 1

    job = dg.define_asset_job("daily", selection=[orders])

    class Shop(dg.ConfigurableResource):
        url: str = "x"

    @dg.sensor(job=job)
    def plain(context):
        return dg.SkipReason(context.cursor)

    @dg.sensor(job=job)
    def oddly_named(whatever):
        whatever.update_cursor("new")
        return dg.RunRequest(whatever.cursor)

    @dg.sensor(job=job)
    def without():
        return dg.SkipReason("none")

    @dg.sensor(job=job)
    def with_shop(context, shop: Shop):
        return dg.SkipReason(f"{shop.url} {context.cursor}")

    @dg.sensor(job=job)
    def shop_only(shop: Shop):
        return dg.SkipReason(shop.url)

    @dg.sensor(job=job, required_resource_keys={"shop"})
    def by_key(context):
        return dg.SkipReason(context.resources.shop.url)

    @dg.sensor(job=job)
    def param(context, tool: dg.ResourceParam[str]):
        return dg.SkipReason(tool)

    @dg.sensor(job=job)
    def several(context):
        yield dg.RunRequest("a")
        yield dg.RunRequest("b")

    context = dg.build_sensor_context
    return kit.outcomes(
        dg,
        {
            "plain": lambda: plain(context(cursor="1")).skip_message,
            "by name": lambda: plain(context=context(cursor="1")).skip_message,
            "by a wrong name": lambda: plain(other=context()),
            "without a context": lambda: plain(),
            "with two": lambda: plain(context(), context()),
            "with something else": lambda: plain(1),
            "oddly named": lambda: oddly_named(context()).run_key,
            "takes none": lambda: without().skip_message,
            "takes none, given one": lambda: without(context()).skip_message,
            "resource by keyword": lambda: with_shop(context(cursor="1"), shop=Shop(url="y")).skip_message,
            "resource in the context": lambda: with_shop(context(resources={"shop": Shop(url="z")})).skip_message,
            "resource in both": lambda: (
                with_shop(context(resources={"shop": Shop(url="z")}), shop=Shop(url="y")).skip_message
            ),
            "resource missing": lambda: with_shop(context()),
            "resource by place": lambda: with_shop(context(), Shop()),
            "resource only": lambda: shop_only(shop=Shop(url="y")).skip_message,
            "resource only, by context": lambda: shop_only(context(resources={"shop": Shop(url="y")})).skip_message,
            "resource only, missing": lambda: shop_only(),
            "by key, missing": lambda: by_key(context()),
            "any type": lambda: param(context(), tool="hammer").skip_message,
            "any type, in the context": lambda: param(context(resources={"tool": "saw"})).skip_message,
            "yields": lambda: [one.run_key for one in several(context())],
            "evaluated with resources": lambda: (
                with_shop.evaluate_tick(context(resources={"shop": Shop(url="y")}, cursor="c")).skip_message
            ),
            "evaluated without resources": lambda: with_shop.evaluate_tick(context()),
            "evaluated with something else": lambda: plain.evaluate_tick(1),
            "evaluated with a schedule's context": lambda: plain.evaluate_tick(dg.build_schedule_context()),
        },
    )
