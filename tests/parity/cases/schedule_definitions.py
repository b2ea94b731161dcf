"""What schedules are declared with, what they tell of it, and what is refused; calling one directly."""


def run(dg, kit):
    @dg.asset
    def orders():
        return 1

    job = dg.define_asset_job("daily", selection=[orders])
    status = dg.DefaultScheduleStatus

    def made(**options):
        return dg.ScheduleDefinition(**{"job": job, "cron_schedule": "0 6 * * *", **options})

    def by_function(function=kit.body, **options):
        return dg.schedule(**{"cron_schedule": "0 6 * * *", "job": job, **options})(function)

    @dg.schedule("0 6 * * *", job=job)
    def ticking(context):
        return dg.RunRequest(context.scheduled_execution_time.isoformat())

    @dg.schedule("0 6 * * *", job=job)
    def without():
        return {"a": 1}

    class Shop(dg.ConfigurableResource):
        url: str

    def with_shop(context, shop: Shop):
        return dg.SkipReason(shop.url)

    context = dg.build_schedule_context(scheduled_execution_time=kit.at("2024-01-05"))
    function = lambda context: {}  # noqa: E731 - a function of no name
    return kit.outcomes(
        dg,
        {
            "names": lambda: [made().name, made(name="other").name, by_function().name, by_function(name="x").name],
            "name by the job's": lambda: dg.ScheduleDefinition(job_name="daily", cron_schedule="@daily").name,
            "a bad name": lambda: made(name="a-b"),
            "a taken name": lambda: made(name="type"),
            "cron": lambda: [made().cron_schedule, list(made(cron_schedule=["@daily", "0 6 * * *"]).cron_schedule)],
            "no cron": lambda: made(cron_schedule=None),
            "a list of nothing": lambda: made(cron_schedule=[]),
            "a list with a bad one": lambda: made(cron_schedule=["@daily", "nope"]),
            "a list of numbers": lambda: made(cron_schedule=[1]),
            "zone": lambda: [made().execution_timezone, made(execution_timezone="Europe/Berlin").execution_timezone],
            "no such zone": lambda: made(execution_timezone="Mars/Base"),
            "no such zone of a function": lambda: by_function(execution_timezone="Mars/Base"),
            "description": lambda: [made().description, made(description="why").description, by_function().description],
            "status": lambda: [made().default_status.value, made(default_status=status.RUNNING).default_status.value],
            "status of text": lambda: made(default_status="RUNNING"),
            "tags": lambda: [
                dict(made(tags={"a": "b"}).tags),
                dict(made().tags),
                dict(by_function(tags={"a": "b"}).tags),
            ],
            "metadata": lambda: made(metadata={"a": 1}).metadata["a"].value,
            "owners": lambda: list(made(owners=["team:data"]).owners),
            "owner is none": lambda: made(owners=["somebody"]),
            "job": lambda: [made().job_name, made().job.name, by_function().job_name],
            "job by its name": lambda: dg.ScheduleDefinition(name="a", job_name="daily", cron_schedule="@daily").job,
            "another job": lambda: made().with_updated_job(dg.define_asset_job("hourly")).job_name,
            "no job": lambda: dg.ScheduleDefinition(name="a", cron_schedule="@daily"),
            "no job of a function": lambda: dg.schedule("@daily")(kit.body),
            "job and its name": lambda: made(job_name="daily"),
            "job and target": lambda: made(target=[orders]),
            "target": lambda: dg.ScheduleDefinition(name="a", target=[orders], cron_schedule="@daily").job_name,
            "target without a name": lambda: dg.ScheduleDefinition(target=[orders], cron_schedule="@daily"),
            "target is a job": lambda: dg.ScheduleDefinition(name="a", target=job, cron_schedule="@daily").job_name,
            "tags and a function of tags": lambda: made(tags={"a": "b"}, tags_fn=function),
            "tags and a function of tags, decorating": lambda: by_function(tags={"a": "b"}, tags_fn=function),
            "config and a function of config": lambda: made(run_config={"a": 1}, run_config_fn=function),
            "a function and config": lambda: made(execution_fn=function, run_config={"a": 1}),
            "a function and whether it should": lambda: made(execution_fn=function, should_execute=function),
            "a function and tags": lambda: dict(made(execution_fn=function, tags={"a": "b"}).tags),
            "resources": lambda: [
                sorted(by_function(with_shop).required_resource_keys),
                sorted(by_function(required_resource_keys={"x"}).required_resource_keys),
            ],
            "resources both ways": lambda: by_function(with_shop, required_resource_keys={"x"}),
            "called": lambda: ticking(context).run_key,
            "called without a context": lambda: ticking(),
            "called with two": lambda: ticking(context, context),
            "called with something else": lambda: ticking(1),
            "called, takes none": lambda: without(),
            "called, takes none, given one": lambda: without(context),
            "called with a resource": lambda: (
                by_function(with_shop)(dg.build_schedule_context(), shop=Shop(url="y")).skip_message
            ),
            "called without a resource": lambda: by_function(with_shop)(context),
            "called, no function": lambda: made()(context),
            "context": lambda: context.scheduled_execution_time.isoformat(),
            "context without a time": lambda: dg.build_schedule_context().scheduled_execution_time,
            "context of a wrong time": lambda: dg.build_schedule_context(scheduled_execution_time="2024"),
            "context without an instance": lambda: context.instance,
            "context without definitions": lambda: context.repository_def,
            "context's kind": lambda: isinstance(context, dg.ScheduleEvaluationContext),
            "log": lambda: context.log.info("said"),
        },
    )
