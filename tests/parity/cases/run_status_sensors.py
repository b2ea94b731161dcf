"""Run status and run failure sensors: called about a run that reached a status."""


def run(dg, kit):
    @dg.asset
    def good():
        return 1

    @dg.asset
    def bad():
        raise ValueError("it broke")

    job = dg.define_asset_job("daily", selection=[good])
    status = dg.DagsterRunStatus
    want, skip = dg.RunRequest, dg.SkipReason
    instance = dg.DagsterInstance.ephemeral()
    success = dg.materialize([good], instance=instance, tags={"team": "data"})
    failure = dg.materialize([bad], instance=instance, raise_on_error=False)

    def context_of(ended, event, **more):
        return dg.build_run_status_sensor_context(
            sensor_name="told", dagster_instance=instance, dagster_run=ended.dagster_run, dagster_event=event, **more
        )

    def good_context(**more):
        return context_of(success, success.get_run_success_event(), **more)

    def bad_context(**more):
        return context_of(failure, failure.get_run_failure_event(), **more)

    @dg.run_status_sensor(run_status=status.SUCCESS, request_job=job)
    def after_success(context):
        return want(
            run_key=context.sensor_name,
            tags={
                "status": context.dagster_run.status.value,
                "team": context.dagster_run.tags["team"],
                "same": str(context.dagster_run.run_id == success.run_id),
                "partition": str(context.partition_key),
                "instance": str(context.instance is instance),
                "won": str(context.dagster_run.is_success),
            },
        )

    @dg.run_failure_sensor
    def after_failure(context):
        errors = {event.step_key: event.event_specific_data.error for event in context.get_step_failure_events()}
        return skip(
            " ".join(
                [
                    *errors,
                    str("it broke" in errors["bad"].to_string()),
                    str(context.failure_event is context.dagster_event),
                    str(context.dagster_run.is_failure),
                    type(context).__name__,
                ]
            )
        )

    @dg.run_failure_sensor(name="renamed", description="why", request_job=job, monitored_jobs=[job])
    def with_options(context):
        return want("x")

    class Shop(dg.ConfigurableResource):
        url: str

    @dg.run_status_sensor(run_status=status.SUCCESS)
    def with_shop(context, shop: Shop):
        return skip(shop.url)

    @dg.run_status_sensor(run_status=status.SUCCESS)
    def without():
        return skip("none")

    def declared(**options):
        return kit.fine(lambda: dg.run_status_sensor(**{"run_status": status.SUCCESS, **options})(kit.body))

    return kit.outcomes(
        dg,
        {
            "success": lambda: kit.request(after_success(good_context())),
            "success, by name": lambda: after_success(context=good_context()).run_key,
            "failure": lambda: after_failure(bad_context()).skip_message,
            "event of a success": lambda: [
                success.get_run_success_event().event_type_value,
                success.get_run_success_event().job_name,
                success.get_run_success_event().is_failure,
            ],
            "event of a failure": lambda: [
                failure.get_run_failure_event().event_type_value,
                failure.get_run_failure_event().is_failure,
                bool(failure.get_run_failure_event().message),
                failure.get_run_failure_event().step_key,
            ],
            "event of a step's failure": lambda: [
                [
                    event.event_type_value,
                    event.step_key,
                    event.is_step_failure,
                    event.is_failure,
                    event.event_specific_data.error.cause.cls_name,
                    event.step_failure_data.error.cause.message.strip()[-8:],
                ]
                for event in failure.get_step_failure_events()
            ],
            "no event of a success": lambda: failure.get_run_success_event(),
            "no event of a failure": lambda: success.get_run_failure_event(),
            "failure, renamed": lambda: [with_options.name, with_options.description, with_options.job_name],
            "failure, called": lambda: with_options(bad_context()).run_key,
            "without a context": lambda: after_success(),
            "with something else": lambda: after_success(1),
            "with two": lambda: after_success(good_context(), good_context()),
            "takes none": lambda: without().skip_message,
            "resource": lambda: with_shop(good_context(), shop=Shop(url="y")).skip_message,
            "resource in the context": lambda: with_shop(good_context(resources={"shop": Shop(url="z")})).skip_message,
            "resource missing": lambda: with_shop(good_context()),
            "partition": lambda: good_context(partition_key="a").partition_key,
            "kinds": lambda: [
                isinstance(good_context(), dg.RunStatusSensorContext),
                isinstance(good_context().for_run_failure(), dg.RunFailureSensorContext),
                isinstance(after_success, dg.RunStatusSensorDefinition),
                isinstance(after_failure, dg.SensorDefinition),
            ],
            "context of nothing": lambda: dg.build_run_status_sensor_context("told", None, instance, None),
            "declared": declared(),
            "declared for text": declared(run_status="SUCCESS"),
            "declared with jobs and all": declared(monitored_jobs=[job], monitor_all_code_locations=True),
            "declared with two requests": declared(request_job=job, request_jobs=[job]),
            "declared with strange jobs": declared(monitored_jobs=["daily"]),
            "declared with a job's selector": declared(
                monitored_jobs=[dg.JobSelector(location_name="here", job_name="daily")]
            ),
            "declared without a name": lambda: dg.run_status_sensor(status.FAILURE)(kit.body).name,
            "statuses": lambda: sorted(
                one.value for one in status if one.value in ("STARTED", "SUCCESS", "FAILURE", "CANCELED", "QUEUED")
            ),
        },
    )
