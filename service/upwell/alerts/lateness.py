"""Which late assets are one incident: the one that is to blame, and all that are late because of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from upwell.alerts.incidents import Incident, Incidents, incident_id
from upwell.clock import NEVER
from upwell.definitions.graph import AssetGraph
from upwell.events import (
    FreshnessAtRisk,
    FreshnessChanged,
    IncidentChanged,
    IncidentStep,
    Lateness,
    Member,
    Severity,
    Trouble,
)
from upwell.planning.blame import Blame

LATE: Trouble = "freshness"

_WITHOUT_A_WORD = timedelta(minutes=1)  # after its deadline, until an asset that was not told late is at risk no more


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A change of freshness, and the event that told it."""

    event_id: int
    change: FreshnessChanged


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """Some changes of one moment: when each of these assets changed and by which event, and up to when."""

    told: Mapping[str, tuple[datetime, int]]
    at: datetime
    event_id: int = 0


@dataclass(slots=True)
class _Moves:
    """Who has to be with whom, by the asset to blame; and who has to leave which incident for that."""

    together: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    joined: dict[str, list[Member]] = field(default_factory=lambda: defaultdict(list))
    left: dict[str, list[Member]] = field(default_factory=lambda: defaultdict(list))


class LateAssets:
    """Follows who warns and who fails, and keeps the incidents of freshness.

    An asset that fails is part of the incident of the failing asset above it that is to blame; one that warns also of
    one that warns. A root that is fresh again is given `dwell` to prove it, in which those below stay with it.

    An asset whose deadline is at risk counts as one that warns. It opens an incident that worsens when the deadline is
    missed, and that is over when the asset was made.
    """

    def __init__(self, incidents: Incidents, dwell: timedelta = timedelta(0)) -> None:
        self._incidents = incidents
        self._dwell = dwell
        self._members: dict[str, Member] = {}
        self._late: dict[str, datetime] = {}  # warning or failing, since when
        self._failing: dict[str, datetime] = {}

    def restore(self) -> None:
        """Know who is late, after the incidents were restored."""
        for incident in self._incidents:
            if incident.trouble == LATE:
                for member in incident.members.values():
                    self._note(member)

    def take(self, told: Iterable[Told], graph: AssetGraph) -> list[IncidentChanged]:
        """Freshness changed, in this order. What was late and is so no more had its incident all the same."""
        changes: list[IncidentChanged] = []
        for group in _moments(told):
            for one in group.values():
                changes += self._take(one.change)
            last = max(group.values(), key=lambda one: one.event_id)
            at = max(one.change.changed_at for one in group.values())
            when = {asset: (one.change.changed_at, one.event_id) for asset, one in group.items()}
            changes += self._regroup(_Look(told=when, at=at, event_id=last.event_id), group, graph)
        return changes

    def take_risk(self, risk: FreshnessAtRisk, event_id: int, at: datetime, graph: AssetGraph) -> list[IncidentChanged]:
        """The deadline of an asset will be missed; of one that is late nobody is told that."""
        asset = risk.asset
        before, known = self._members.get(asset), self._incidents.about(LATE, asset)
        if before is not None and before.severity == "error":
            return []
        late = Lateness(state="PASS", previous_state="PASS") if before is None else before.lateness
        member = Member(
            name=asset,
            since=at if before is None else before.since,
            severity="warning",
            lateness=replace(
                late or Lateness(state="WARN", previous_state="PASS"),
                deadline=risk.deadline,
                risk=risk.reason,
                slow_hop=risk.slow_hop,
            ),
        )
        self._note(member)
        if known is None:
            look = _Look(told={asset: (at, event_id)}, at=at, event_id=event_id)
            return self._regroup(look, {asset}, graph)
        known.lateness, known.summary = member.lateness, _summary(asset, member.lateness)
        known.severity, known.closes_at = member.severity, _expires_at(member.lateness)
        self._incidents.hush(known, at)
        return [self._incidents.change(known, "worsened", at, joined=[member])]

    def made(self, asset: str, at: datetime, graph: AssetGraph) -> list[IncidentChanged]:
        """An asset was made: if it was at risk, it is so no more."""
        member = self._members.get(asset)
        if member is None or member.lateness is None or not member.lateness.only_at_risk:
            return []
        self._relieve(asset)
        return self._regroup(_Look(told={}, at=at), {asset}, graph)

    def proven(self, now: datetime, graph: AssetGraph) -> list[IncidentChanged]:
        """Close what has been fresh for long enough."""
        changes: list[IncidentChanged] = []
        due = [(one.closes_at, one.subject) for one in self._incidents if one.closes_at is not None]
        for closes_at, asset in sorted(pair for pair in due if pair[0] <= now):
            self._relieve(asset)
            changes += self._regroup(_Look(told={}, at=closes_at), {asset}, graph)
        return changes

    def next_proven(self) -> datetime:
        """When the next one has been fresh for long enough."""
        return min((one.closes_at for one in self._incidents if one.closes_at is not None), default=NEVER)

    def _take(self, change: FreshnessChanged) -> list[IncidentChanged]:
        """Note what an asset has become, and tell what that changes in the incident that it is to blame for."""
        known = self._incidents.about(LATE, change.asset)
        if change.state in ("WARN", "FAIL"):
            member = _member(change, self._members.get(change.asset))
            self._note(member)
            return [] if known is None else [self._went_on(known, member, change)]
        if known is not None and known.lateness is not None and known.lateness.only_at_risk:
            self._relieve(change.asset)
            return []
        if known is not None:
            known.lateness, known.summary = _lateness(change), _summary(change.asset, _lateness(change))
        if known is None or change.state != "PASS" or not self._dwell:
            self._forget(change.asset)
            return []
        known.closes_at = change.changed_at + self._dwell
        return [self._incidents.change(known, "recovering", change.changed_at)]

    def _went_on(self, known: Incident, member: Member, change: FreshnessChanged) -> IncidentChanged:
        """What is to blame already became worse or better, or did not prove itself after all."""
        step: IncidentStep = "changed"
        if known.severity != member.severity:
            step = "worsened" if member.severity == "error" else "eased"
        known.severity, known.closes_at = member.severity, None
        known.lateness, known.summary = member.lateness, _summary(change.asset, member.lateness)
        if step == "worsened":
            self._incidents.hush(known, change.changed_at)
        return self._incidents.change(known, step, change.changed_at, joined=[member])

    def _regroup(self, look: _Look, changed: Collection[str], graph: AssetGraph) -> list[IncidentChanged]:
        """Have everybody whose blame may have changed be in the incident of the one to blame."""
        over = [known for asset in changed if (known := self._over(asset)) is not None]
        moves = self._moves(self._scope(changed, graph), changed, graph)
        changes = [self._incidents.change(incident, "closed", look.at) for incident in over]
        new = [root for root in moves.together if self._incidents.about(LATE, root) is None]
        new.sort(key=lambda root: (self._late[root], root))
        changes += [self._open(root, moves.joined.pop(root), look) for root in new]
        changes += self._merged(moves, look)
        ended = {change.incident for change in changes if change.change == "closed"}
        touched = {one.id: one for root in moves.joined if (one := self._incidents.about(LATE, root)) is not None}
        touched |= {one.id: one for one in map(self._incidents.get, moves.left.keys() - ended) if one is not None}
        for incident in touched.values():
            joined, left = moves.joined.get(incident.subject, ()), moves.left.get(incident.id, ())
            changes.append(self._incidents.change(incident, "changed", look.at, joined=joined, left=left))
        return changes

    def _merged(self, moves: _Moves, look: _Look) -> Iterator[IncidentChanged]:
        """Close the incidents whose asset to blame turned out to be late because of another."""
        for root, assets in moves.together.items():
            into = self._incidents.about(LATE, root)
            for asset in assets:
                old = None if asset == root else self._incidents.about(LATE, asset)
                if old is not None and into is not None:
                    yield self._incidents.change(old, "closed", look.at, merged_into=into.id)

    def _moves(self, scope: Collection[str], changed: Collection[str], graph: AssetGraph) -> _Moves:
        moves = _Moves()
        blames = (Blame(graph, self._failing), Blame(graph, self._late))
        for asset in sorted(scope):
            member, old = self._members.get(asset), self._incidents.of(LATE, (asset, None))
            if member is None:
                if old is not None and asset in changed:
                    moves.left[old.id].append(old.members[asset, None])
                continue
            root = self._root(member, old, graph, blames)
            moves.together[root].append(asset)
            if old is None or old.subject != root or old.members[asset, None] != member:
                moves.joined[root].append(member)
            if old is not None and old.subject != root:
                moves.left[old.id].append(old.members[asset, None])
        for root in moves.together:
            if root not in scope and self._incidents.about(LATE, root) is None:
                moves.joined[root].append(self._members[root])  # the graph has changed since it was looked at
        return moves

    def _root(self, member: Member, old: Incident | None, graph: AssetGraph, blames: tuple[Blame, Blame]) -> str:
        known = member.name in graph.assets and (old is None or old.subject in graph.assets)
        if not known and old is not None and old.subject in self._members:
            return old.subject  # a code location that is not loaded (yet) changes nobody's blame
        failing, late = blames
        root = failing.cause(member.name)
        if root is None and member.severity == "warning":
            root = late.cause(member.name)
        return member.name if root is None else root

    def _scope(self, changed: Collection[str], graph: AssetGraph) -> set[str]:
        """Those who changed, and the late ones whom that may concern: below, or in the incident of one of them."""
        found, todo = set(changed), [asset for asset in changed if asset in graph.assets]
        while todo and self._late:
            for child in graph.downstream(todo.pop()):
                if child not in found:
                    found.add(child)
                    todo.append(child)
        scope = (found & self._late.keys()) | set(changed)
        for asset in changed:
            incident = self._incidents.about(LATE, asset)
            scope |= set() if incident is None else {name for name, _ in incident.members}
        return scope

    def _over(self, asset: str) -> Incident | None:
        """The incident that `asset` was to blame for, now that it is late no more."""
        return None if asset in self._members else self._incidents.about(LATE, asset)

    def _open(self, root: str, joined: Sequence[Member], look: _Look) -> IncidentChanged:
        at, event_id, lateness = look.at, look.event_id, self._members[root].lateness
        if root in look.told:
            at, event_id = look.told[root]
        elif lateness is not None and lateness.deadline is not None and at > lateness.deadline:
            # It was part of another incident until now; of its own it is as late as it is by now.
            lateness = replace(lateness, overdue_seconds=(at - lateness.deadline).total_seconds())
        incident = Incident(
            id=incident_id(LATE, root, at, event_id),
            trouble=LATE,
            subject=root,
            severity=self._members[root].severity,
            opened_at=at,
            summary=_summary(root, lateness),
            assets=(root,),
            lateness=lateness,
            closes_at=_expires_at(lateness),
        )
        return self._incidents.open(incident, joined, now=at, follows=root not in look.told)

    def _note(self, member: Member) -> None:
        self._forget(member.name)
        self._members[member.name] = member
        self._late[member.name] = member.since
        if member.severity == "error":
            self._failing[member.name] = member.since

    def _relieve(self, asset: str) -> None:
        """Have it be late, or at risk, no more."""
        known = self._incidents.about(LATE, asset)
        if known is not None and known.lateness is not None and known.lateness.only_at_risk:
            known.summary = f"{asset} is at risk no more"
        self._forget(asset)

    def _forget(self, asset: str) -> None:
        self._members.pop(asset, None)
        self._late.pop(asset, None)
        self._failing.pop(asset, None)


def _moments(told: Iterable[Told]) -> Iterator[dict[str, Told]]:
    """The changes of one moment each, so that what is caught up with leads to what it would have led to then."""
    group: dict[str, Told] = {}
    at: datetime | None = None
    for one in told:
        if one.change.asset in group or (group and one.change.changed_at != at):
            yield group
            group = {}
        group[one.change.asset], at = one, one.change.changed_at
    if group:
        yield group


def _member(change: FreshnessChanged, before: Member | None) -> Member:
    severity: Severity = "error" if change.state == "FAIL" else "warning"
    lateness, old = _lateness(change), None if before is None else before.lateness
    if old is not None and change.state == "WARN" and change.deadline == old.deadline:
        lateness = replace(lateness, risk=old.risk, slow_hop=old.slow_hop)  # what was said of this deadline holds
    return Member(name=change.asset, since=change.changed_at, severity=severity, lateness=lateness)


def _lateness(change: FreshnessChanged) -> Lateness:
    return Lateness(
        state=change.state,
        previous_state=change.previous_state,
        deadline=change.deadline,
        last_materialized=change.last_materialized,
        overdue_seconds=change.overdue_seconds,
        caught_up=change.caught_up,
    )


def _expires_at(lateness: Lateness | None) -> datetime | None:
    """When what is only at risk will have been told late, or is not."""
    if lateness is None or not lateness.only_at_risk or lateness.deadline is None:
        return None
    return lateness.deadline + _WITHOUT_A_WORD


def _summary(asset: str, lateness: Lateness | None) -> str:
    if lateness is not None and lateness.risk is not None:
        return f"{asset} will miss its deadline"
    match None if lateness is None else lateness.state:
        case "PASS":
            return f"{asset} is fresh again"
        case "WARN":
            return f"{asset} will be late unless it is made soon"
        case "FAIL":
            return f"{asset} is late"
        case _:
            return f"the freshness of {asset} is watched no more"
