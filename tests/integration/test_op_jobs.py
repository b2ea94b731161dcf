"""Jobs of ops in a real service: asked for over HTTP and by a sensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.service

PROJECT = """
    from upwell import (
        AssetMaterialization, Config, ConfigurableResource, Definitions, RunRequest, job, op, sensor,
    )
    from upwell_sensors import webhook

    class Greeting(ConfigurableResource):
        word: str = "hello"

    class Whom(Config):
        name: str = "world"

    @op
    def whom(config: Whom):
        return config.name

    @op
    def greet(context, name, greeting: Greeting):
        context.log.info("%s %s", greeting.word, name)
        context.log_event(AssetMaterialization("greeted", metadata={"name": name}))
        if name == "nobody":
            raise ValueError("nobody is there")

    @job(tags={"team": "a"})
    def greetings():
        greet(whom())

    @sensor(on=webhook("guests", insecure=True), job=greetings)
    def on_guest(context):
        return RunRequest(run_config={"ops": {"whom": {"config": {"name": context.events[0].data["name"]}}}})

    defs = Definitions(jobs=[greetings], sensors=[on_guest], resources={"greeting": Greeting()})
"""


def test_a_job_of_ops_runs_when_it_is_asked_for(serve: Callable[..., Any]) -> None:
    service = serve(PROJECT)
    listed = service.get("/api/v1/jobs")["jobs"]
    assert [(job["name"], job["assets"], job["step"]) for job in listed] == [("greetings", [], "job:greetings")]
    run_id = httpx.post(f"{service.url}/api/v1/runs", json={"job": "greetings"}).json()["run_id"]
    service.wait_for("asset.materialized", run_id=run_id, asset="greeted")
    service.wait_for("run.succeeded", run_id=run_id)
    run = service.get(f"/api/v1/runs/{run_id}")
    assert (run["job"], run["tags"], [step["status"] for step in run["steps"]]) == (
        "greetings",
        {"team": "a"},
        ["SUCCESS"],
    )


def test_a_sensor_asks_for_a_job_of_ops_with_config(serve: Callable[..., Any]) -> None:
    service = serve(PROJECT)
    service.post("guests", {"name": "nobody"})
    failed = service.wait_for("run.failed")
    assert "nobody is there" in failed["reason"]
    service.post("guests", {"name": "alice"})
    service.wait_for("run.succeeded")
    log = "".join(path.read_text() for path in (service.home / "logs").rglob("*.log"))
    assert "hello alice" in log and "op greet failed: ValueError" in log
