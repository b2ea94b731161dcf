"""The journal: read it, follow it, and report what happened outside."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from upwell.definitions.data_times import data_time_in
from upwell.definitions.errors import DagsterInvariantViolationError
from upwell.definitions.graph import AssetGraph
from upwell.errors import PartitionError
from upwell.events import AssetMaterialized, AssetObserved, CheckEvaluated, Json
from upwell.planning.data_times import inherited
from upwell.web import cloudevents, models, payloads
from upwell.web.catalogue import find_asset
from upwell.web.parts import Parts, WebParts
from upwell.web.presenting import present_event
from upwell.web.problems import ProblemError, wrong_fields
from upwell.web.rejections import Rejected
from upwell.web.stream import StreamFilter

router = APIRouter(tags=["events"])

_REPORT: TypeAdapter[models.Report] = TypeAdapter(models.Report)
_CLOUD_TYPES = {
    AssetMaterialized.kind: "materialization",
    AssetObserved.kind: "observation",
    CheckEvaluated.kind: "check",
}
_REQUEST_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _REPORT.json_schema()}}}}


@router.get("/events")
async def list_events(
    parts: Parts,
    asset: str | None = None,
    run: str | None = None,
    kind: Annotated[list[str] | None, Query()] = None,
    source: str | None = None,
    after: int | None = None,
    before: int | None = None,
    order: Literal["desc", "asc"] = "desc",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> models.EventPage:
    """The journal, newest first (or oldest first), in pages."""
    records = await parts.queries.events(
        after=after,
        before=before,
        limit=limit,
        kinds=kind,
        asset=asset,
        run=run,
        source=source,
        newest_first=order == "desc",
    )
    following = records[-1].id if len(records) == limit else None
    return models.EventPage(events=tuple(map(present_event, records)), next=following)


@router.post("/events", status_code=202, openapi_extra=_REQUEST_BODY, responses={202: {"model": models.EventsAccepted}})
async def report_event(request: Request, parts: Parts) -> Response:
    """Report a materialisation, an observation or a check result from outside.

    As JSON, or as a CloudEvent of the type `asset.materialized`, `asset.observed` or `check.evaluated` whose data is
    that JSON without its `type`.
    """
    try:
        report = _REPORT.validate_python(_read_report(request, await request.body()))
    except ValidationError as error:
        return wrong_fields(error.errors())
    except Rejected as rejected:
        raise ProblemError(rejected.status, rejected.detail) from None
    event = _event(report, parts)
    if isinstance(event, AssetMaterialized) and event.data_time is None:
        event = await _with_data_time(event, parts)
    receipts = await parts.journal.append(event)
    accepted = models.EventsAccepted(event_ids=tuple(receipt.id for receipt in receipts))
    return Response(accepted.model_dump_json(), 202, media_type="application/json")


@router.get("/stream", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
async def follow_events(
    request: Request,
    kind: Annotated[list[str] | None, Query()] = None,
    asset: Annotated[list[str] | None, Query()] = None,
    after: int | None = None,
    last_event_id: Annotated[int | None, Header()] = None,
) -> Response:
    """Server-sent events: everything after `Last-Event-ID` (or `after`), or from now on."""
    wanted = StreamFilter(kinds=frozenset(kind or ()), assets=frozenset(asset or ()))
    stream: Response = request.app.state.streams.follow(last_event_id if last_event_id is not None else after, wanted)
    return stream


def _read_report(request: Request, body: bytes) -> Json:
    headers = dict(request.headers.raw)
    event = cloudevents.read(headers, body)
    if event is None:
        return payloads.parse(payloads.media_type(headers), body)
    kind = _CLOUD_TYPES.get(event.attributes["type"])
    if kind is None:
        raise Rejected(422, f"The CloudEvent's type is none of {', '.join(_CLOUD_TYPES)}.")
    data = event.data if isinstance(event.data, dict) else {}
    about: dict[str, Json] = {"asset": event.attributes["subject"]} if "subject" in event.attributes else {}
    if kind == "materialization" and event.occurred_at is not None:
        about["materialized_at"] = event.occurred_at
    return {**about, **data, "type": kind}


def _event(report: models.Report, parts: WebParts) -> AssetMaterialized | AssetObserved | CheckEvaluated:
    node = find_asset(parts, report.asset)
    if report.partition is not None:
        _check_partition(parts.project.graph, report.asset, report.partition, parts)
    match report:
        case models.MaterializationReport():
            return AssetMaterialized(**_fields(report))
        case models.ObservationReport():
            return AssetObserved(**_fields(report))
        case models.CheckReport():
            declared = parts.project.graph.checks.get(f"{node.key}:{report.check}")
            blocking = declared is not None and declared.blocking
            return CheckEvaluated(**report.model_dump(exclude={"type"}), blocking=blocking)


def _fields(report: models.MaterializationReport | models.ObservationReport) -> dict[str, Any]:
    """What was reported, by field; the data time may stand among the metadata, too."""
    fields = report.model_dump(exclude={"type"})
    try:
        said = data_time_in(report.metadata, f"asset {report.asset!r}")
    except DagsterInvariantViolationError as error:
        raise ProblemError(422, str(error)) from None
    return {**fields, "data_time": report.data_time or said}


async def _with_data_time(event: AssetMaterialized, parts: WebParts) -> AssetMaterialized:
    """What was made outside is as old as the oldest of what it reads, where nobody says otherwise."""
    graph, now = parts.project.graph, parts.clock.now()
    states = await parts.queries.asset_states(graph.upstream(event.asset))
    known = {state.asset: state.data_time for state in states.values()}
    return replace(event, data_time=inherited(graph, event.asset, event.partition, known, event.made_at(now)))


def _check_partition(graph: AssetGraph, asset: str, partition: str, parts: WebParts) -> None:
    definition = graph.assets[asset].partitions
    # Of an external asset nobody has told whether it has partitions.
    if definition is None and graph.assets[asset].step is None:
        return
    if definition is None or not definition.has_partition_key(partition, parts.clock.now()):
        raise PartitionError(f"{asset} has no partition {partition!r}")
