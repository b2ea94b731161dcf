"""Incidents against an oracle that looks at everything anew, and against faults that were put in on purpose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.alerts.incidents import Incidents
from upwell.alerts.lateness import LateAssets, Told
from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.events import FreshnessAtRisk, FreshnessChanged, FreshnessState, IncidentChanged
from upwell.journal.views import IncidentView

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

Above: TypeAlias = dict[str, set[str]]  # what each asset reads
Late: TypeAlias = dict[str, tuple[str, int]]  # its state, and the minute since when


@st.composite
def graphs(draw: st.DrawFn, most: int = 9) -> Above:
    """Any graph: an asset reads some of those that come before it."""
    names = [f"a{number}" for number in range(draw(st.integers(1, most)))]
    return {name: draw(st.sets(st.sampled_from(names[:place]))) if place else set() for place, name in enumerate(names)}


def ancestors(above: Above, asset: str) -> set[str]:
    found = set(above[asset])
    return found.union(*(ancestors(above, one) for one in found))


def to_blame(above: Above, late: Late, asset: str) -> str:
    """By the words of the docs, without any cleverness."""
    state, _ = late[asset]
    upstream = ancestors(above, asset)
    for states in ({"FAIL"}, {"FAIL", "WARN"}):
        if state == "FAIL" and "WARN" in states:
            continue
        candidates = {one for one in upstream if one in late and late[one][0] in states}
        topmost = {one for one in candidates if not ancestors(above, one) & candidates}
        if topmost:
            return min(topmost, key=lambda one: (late[one][1], one))
    return asset


def groups(above: Above, late: Late) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for asset in late:
        found.setdefault(to_blame(above, late, asset), set()).add(asset)
    return found


class Company:
    def __init__(self, above: Above) -> None:
        nodes = [
            AssetNode(key=key, step=key, deps=tuple(DepNode(asset=up) for up in ups)) for key, ups in above.items()
        ]
        self.graph = AssetGraph([Snapshot(location="here", assets=tuple(nodes))])
        self.late: Late = {}
        self.only_at_risk: set[str] = set()
        self.minute = 0
        self.events: list[IncidentChanged] = []
        self.start()

    def start(self) -> None:
        """Begin anew, with what was written."""
        views = list(written(self.events).values())
        self.incidents = Incidents()
        self.incidents.restore(view for view in views if view.open)
        self.assets = LateAssets(self.incidents)
        self.assets.restore()

    def moment(self, changes: dict[str, FreshnessState]) -> None:
        """These change at one moment."""
        self.minute += 1
        told = []
        for asset, state in changes.items():
            previous = self.late.pop(asset, ("PASS", 0))[0]
            self.only_at_risk.discard(asset)
            if state != "PASS":
                self.late[asset] = (state, self.minute)
            at = NOON + self.minute * MINUTE
            change = FreshnessChanged(asset=asset, state=state, previous_state=previous, changed_at=at)  # type: ignore[arg-type]
            told.append(Told(event_id=self.minute, change=change))
        self.events += self.assets.take(told, self.graph)
        self.incidents.validate()

    def risk(self, asset: str) -> None:
        """It will be late: that is as if it warned, unless it is late already."""
        self.minute += 1
        if asset not in self.late:
            self.late[asset] = ("WARN", self.minute)
            self.only_at_risk.add(asset)
        at = NOON + self.minute * MINUTE
        risk = FreshnessAtRisk(asset=asset, deadline=at + MINUTE, expected_at=at, slow_hop=asset, reason="slow")
        self.events += self.assets.take_risk(risk, self.minute, at, self.graph)
        self.incidents.validate()

    def make(self, asset: str) -> None:
        """What is only at risk is so no more; what is late is told of its end by its freshness."""
        self.minute += 1
        if asset in self.only_at_risk:
            self.only_at_risk.remove(asset)
            del self.late[asset]
        self.events += self.assets.made(asset, NOON + self.minute * MINUTE, self.graph)
        self.incidents.validate()

    def found(self) -> dict[str, set[str]]:
        return {one.subject: {name for name, _ in one.members} for one in self.incidents}


def written(events: list[IncidentChanged]) -> dict[str, IncidentView]:
    """What a database has after these events, made in the simplest way."""
    views: dict[str, IncidentView] = {}
    for event in events:
        members = {} if event.incident not in views else {one.name: one for one in views[event.incident].members}
        for member in event.left:
            members.pop(member.name, None)
        members |= {member.name: member for member in event.joined}
        views[event.incident] = IncidentView(
            incident=event.incident,
            number=event.number,
            trouble=event.trouble,
            subject=event.subject,
            severity=event.severity,
            opened_at=event.opened_at,
            happened_at=event.happened_at,
            summary=event.summary,
            open=event.change != "closed",
            assets=event.assets,
            lateness=event.lateness,
            members=tuple(members.values()),
        )
    return views


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_whatever_happens_the_incidents_are_those_of_somebody_who_looks_at_everything(data: st.DataObject) -> None:
    above = data.draw(graphs())
    company = Company(above)
    states = st.sampled_from(["WARN", "FAIL", "PASS"])
    moments = st.lists(st.dictionaries(st.sampled_from(sorted(above)), states, min_size=1, max_size=4), max_size=12)
    for moment in data.draw(moments):
        company.moment(moment)
        assert company.found() == groups(above, company.late)
        for asset in data.draw(st.lists(st.sampled_from(sorted(above)), max_size=2)):
            company.risk(asset)
            assert company.found() == groups(above, company.late)
            if data.draw(st.booleans()):
                company.make(asset)
                assert company.found() == groups(above, company.late)
        if data.draw(st.booleans()):
            company.start()
            assert company.found() == groups(above, company.late)
    company.moment(dict.fromkeys(above, "PASS"))
    assert company.found() == {}


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_there_are_as_many_incidents_as_independent_faults(data: st.DataObject) -> None:
    above = data.draw(graphs(most=12))
    # Faults are independent where none lies upstream of another.
    faults: set[str] = set()
    for asset in data.draw(st.permutations(sorted(above))):
        if not any(asset in ancestors(above, fault) or fault in ancestors(above, asset) for fault in faults):
            faults.add(asset)
    faults = set(sorted(faults)[: data.draw(st.integers(1, len(faults)))])
    suffering = sorted(asset for asset in above if ancestors(above, asset) & faults)
    late = faults | (data.draw(st.sets(st.sampled_from(suffering))) if suffering else set())
    company = Company(above)
    for asset in data.draw(st.permutations(sorted(late))):
        company.moment({asset: "FAIL"})
    assert {*company.found()} == faults
    members = [asset for group in company.found().values() for asset in group]
    assert sorted(members) == sorted(late)
    assert all(
        asset == root or root in ancestors(above, asset) for root, group in company.found().items() for asset in group
    )


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_each_beginning_has_one_end_and_each_end_a_beginning(data: st.DataObject) -> None:
    above = data.draw(graphs())
    company = Company(above)
    states = st.sampled_from(["FAIL", "PASS"])
    moments = st.lists(st.dictionaries(st.sampled_from(sorted(above)), states, min_size=1, max_size=3), max_size=10)
    for moment in data.draw(moments):
        company.moment(moment)
    company.moment(dict.fromkeys(above, "PASS"))
    by_incident: dict[str, list[IncidentChanged]] = {}
    for event in company.events:
        by_incident.setdefault(event.incident, []).append(event)
    for told in by_incident.values():
        assert [event.number for event in told] == list(range(1, len(told) + 1))
        assert [place for place, event in enumerate(told) if event.change == "opened"] == [0]
        assert [place for place, event in enumerate(told) if event.change == "closed"] == [len(told) - 1]
        assert [event.happened_at for event in told] == sorted(event.happened_at for event in told)
