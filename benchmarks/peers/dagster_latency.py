"""For Dagster: an asset sensor that asks for a run, and a run status sensor that asks for another."""

import dagster as dg

told = dg.AssetSpec("told")


@dg.asset
def earlier() -> None:
    return None


@dg.asset
def later() -> None:
    return None


earlier_job = dg.define_asset_job("earlier_job", selection=[earlier])
later_job = dg.define_asset_job("later_job", selection=[later])


@dg.asset_sensor(
    asset_key=dg.AssetKey("told"),
    job=earlier_job,
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def begins(context, asset_event):
    return dg.RunRequest()


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[earlier_job],
    request_job=later_job,
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def follows(context):
    return dg.RunRequest()


defs = dg.Definitions(
    assets=[told, earlier, later],
    jobs=[earlier_job, later_job],
    sensors=[begins, follows],
)
