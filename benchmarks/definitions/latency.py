"""An asset for each way in that is timed; what listens to a server is declared where `BENCH_…_URL` names one."""

import os

from upwell import DagsterRunStatus, RunRequest, asset, define_asset_job, run_status_sensor, sensor
from upwell_sensors import files, nats, redis_stream, webhook

LANDING, NAME = os.environ["BENCH_LANDING"], os.environ["BENCH_NAME"]


def listener(name, on):
    @asset(name=name, on=[on])
    def listen() -> None:
        return None

    return listen


by_webhook = listener("by_webhook", webhook("told", insecure=True))
by_file = listener("by_file", files(f"{LANDING}/*.csv", settle="100ms"))

if url := os.environ.get("BENCH_REDIS_URL"):
    by_redis = listener("by_redis", redis_stream(NAME, url=url))
if url := os.environ.get("BENCH_NATS_URL"):
    by_nats = listener("by_nats", nats(f"{NAME}.told", url=url, start="all"))


@asset
def asked_for() -> None:
    return None


@sensor(on=webhook("asked", insecure=True), target=[asked_for])
def asks(context):
    return RunRequest()


@asset
def earlier() -> None:
    return None


@asset
def later() -> None:
    return None


earlier_job = define_asset_job("earlier_job", selection=[earlier])
later_job = define_asset_job("later_job", selection=[later])


@run_status_sensor(run_status=DagsterRunStatus.SUCCESS, monitored_jobs=[earlier_job], request_job=later_job)
def follows(context):
    return RunRequest()


@sensor(on=webhook("begin", insecure=True), job=earlier_job)
def begins(context):
    return RunRequest()
