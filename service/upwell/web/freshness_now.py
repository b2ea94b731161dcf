"""What the API says of the freshness of an asset at present: its deadline, and whether it will be kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from upwell.clock import NEVER
from upwell.definitions.freshness.evaluate import Known, evaluate
from upwell.definitions.freshness.partitions import judged_by_partition
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.snapshot import AssetNode
from upwell.events import FreshnessAtRisk
from upwell.journal.queries import Queries
from upwell.journal.views import AssetState, FreshnessRow
from upwell.web.models import FreshnessRisk

_MOST_RISKS = 1000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


async def read_risks(
    queries: Queries, rows: Mapping[str, FreshnessRow], states: Mapping[str, AssetState], now: datetime
) -> dict[str, FreshnessRisk]:
    """The assets that are not late yet, and will be: nothing was made of them since that was told."""
    threatened = {
        demand.asset
        for demand in (await queries.demands()).values()
        if demand.risk_deadline is not None and demand.risk_deadline > now
    }
    if not threatened:
        return {}
    risks: dict[str, FreshnessRisk] = {}
    for record in await queries.events(kinds=(FreshnessAtRisk.kind,), limit=_MOST_RISKS):
        event = record.event
        if not isinstance(event, FreshnessAtRisk) or event.asset not in threatened:
            continue
        threatened.remove(event.asset)  # older ones are of deadlines before
        state, row = states.get(event.asset), rows.get(event.asset)
        made = state is not None and max(state.materialized_id, state.data_id) > record.id
        if not made and event.deadline > now and (row is None or row.state != "FAIL"):
            risks[event.asset] = FreshnessRisk(
                since=record.at,
                deadline=event.deadline,
                expected_at=event.expected_at,
                slow_hop=event.slow_hop,
                reason=event.reason,
            )
    return risks


def deadline_in_force(
    node: AssetNode, row: FreshnessRow | None, state: AssetState | None, now: datetime
) -> datetime | None:
    """The deadline that was missed, or else the next one; null where there is none or it depends on the partitions."""
    if row is None or node.freshness is None:
        return None
    if row.state == "FAIL":
        return row.deadline
    by_partition = isinstance(node.partitions, TimeWindowPartitionsDefinition)
    if by_partition or judged_by_partition(node.freshness, node.partitions):
        return row.deadline if row.deadline is not None and row.deadline > now else None
    known = Known(
        since=row.known_since or (row.changed_at if row.state == "UNKNOWN" else _LONG_AGO),
        made_at=state.materialized_at if state is not None else None,
        data_time=state.data_time if state is not None else None,
    )
    deadline = evaluate(node.freshness, known, now).deadline
    return None if deadline >= NEVER else deadline
