"""Which late assets are one incident, in the cases that are awkward."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from upwell.alerts.incidents import Incidents, Quiet
from upwell.alerts.lateness import LateAssets, Told
from upwell.definitions.graph import AssetGraph
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.events import FreshnessAtRisk, FreshnessChanged, FreshnessState, IncidentChanged
from upwell.journal.views import IncidentView

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def graph(edges: str) -> AssetGraph:
    """`a>b` says that b reads a."""
    above: dict[str, list[str]] = {}
    for edge in edges.split():
        parent, _, child = edge.partition(">")
        above.setdefault(parent, [])
        above.setdefault(child, []).append(parent)
    nodes = [AssetNode(key=key, step=key, deps=tuple(DepNode(asset=up) for up in ups)) for key, ups in above.items()]
    return AssetGraph([Snapshot(location="here", assets=tuple(nodes))])


class Company:
    """Its late assets, one change a minute."""

    def __init__(self, edges: str, dwell: timedelta = timedelta(0), grace: timedelta = timedelta(0)) -> None:
        self.graph = graph(edges)
        self.incidents = Incidents(grace=grace)
        self.late = LateAssets(self.incidents, dwell)
        self.now = NOON
        self.events: list[IncidentChanged] = []
        self._states: dict[str, FreshnessState] = {}

    def change(self, asset: str, state: FreshnessState) -> FreshnessChanged:
        previous, self._states[asset] = self._states.get(asset, "PASS"), state
        return FreshnessChanged(
            asset=asset, state=state, previous_state=previous, changed_at=self.now, deadline=self.now
        )

    def take(self, *changes: FreshnessChanged) -> list[str]:
        """What people are told of these changes of one moment."""
        told = [Told(event_id=int((one.changed_at - NOON) / MINUTE), change=one) for one in changes]
        return self._told(self.late.take(told, self.graph))

    def _told(self, events: Iterable[IncidentChanged]) -> list[str]:
        events = list(events)
        self.events += events
        self.incidents.validate()
        return [
            f"{event.change} {event.subject}" + (" merged" if event.merged_into else "")
            for event in events
            if event.change != "changed"
        ]

    def play(self, story: str) -> list[str]:
        """`a!` fails, `a?` warns, `a.` is fresh again, one after the other; `a!b!` at one moment."""
        told: list[str] = []
        for moment in story.split():
            self.now += MINUTE
            marks = {"!": "FAIL", "?": "WARN", ".": "PASS", "-": "NOT_APPLICABLE"}
            told += self.take(*(self.change(moment[at], marks[moment[at + 1]]) for at in range(0, len(moment), 2)))
        return told

    def risk(self, asset: str, deadline: datetime) -> list[str]:
        """A minute later the deadline of `asset` is at risk."""
        self.now += MINUTE
        risk = FreshnessAtRisk(
            asset=asset, deadline=deadline, expected_at=deadline, slow_hop="raw", reason="raw is slow"
        )
        return self._told(self.late.take_risk(risk, int((self.now - NOON) / MINUTE), self.now, self.graph))

    def make(self, asset: str) -> list[str]:
        self.now += MINUTE
        return self._told(self.late.made(asset, self.now, self.graph))

    def proven(self, now: datetime) -> list[str]:
        return self._told(self.late.proven(now, self.graph))

    def groups(self) -> dict[str, set[str]]:
        """By the asset to blame: everybody in its incident."""
        return {one.subject: {name for name, _ in one.members} for one in self.incidents}


@pytest.mark.parametrize(
    ("edges", "story", "told", "groups"),
    [
        # Down a chain: one incident, however many are late.
        ("a>b b>c", "a! b! c!", ["opened a"], {"a": {"a", "b", "c"}}),
        # The child was late first: it turns out to be part of it.
        ("a>b", "b! a!", ["opened b", "opened a", "closed b merged"], {"a": {"a", "b"}}),
        # The root recovers, a child does not: from then on it is its own.
        ("a>b b>c", "a! b! c! a.", ["opened a", "closed a", "opened b"], {"b": {"b", "c"}}),
        # All recover from the top down: the child was never told of, since it recovers at the same moment.
        ("a>b", "a! b! a.b.", ["opened a", "closed a"], {}),
        # A folded one recovers alone.
        ("a>b a>c", "a! b! c! b.", ["opened a"], {"a": {"a", "c"}}),
        # Two roots, one child: it is in the incident of the one that is late for longer, and goes on to the other.
        ("a>c b>c", "a! b! c! a.", ["opened a", "opened b", "closed a"], {"b": {"b", "c"}}),
        # A diamond is one incident.
        ("a>b a>c b>d c>d", "a! d! b! c!", ["opened a"], {"a": {"a", "b", "c", "d"}}),
        # An asset in between that is on time, or has no policy, passes the blame on.
        ("a>b b>c", "a! c!", ["opened a"], {"a": {"a", "c"}}),
        # A warning below a warning is part of it; when the child fails first it is its own, until the root fails too.
        (
            "a>b",
            "a? b? b! a!",
            ["opened a", "opened b", "worsened a", "closed b merged"],
            {"a": {"a", "b"}},
        ),
        # A warning below a failure is part of it, and stays so when it becomes a failure.
        ("a>b", "a! b? b!", ["opened a"], {"a": {"a", "b"}}),
        # Missed and made at the same moment: it was late, and that is told.
        ("a>b", "a!a.", ["opened a", "closed a"], {}),
        # The policy of the root is gone: those below answer for themselves.
        ("a>b", "a! b! a-", ["opened a", "closed a", "opened b"], {"b": {"b"}}),
        # The middle one is to blame when it is late and the top is not; then the top takes over everything.
        ("a>b b>c", "b! c! a!", ["opened b", "opened a", "closed b merged"], {"a": {"a", "b", "c"}}),
        # Unrelated ones are incidents of their own, also at one moment.
        ("a>b c>d", "a!b!c!d!", ["opened a", "opened c"], {"a": {"a", "b"}, "c": {"c", "d"}}),
        # Better, but not well.
        ("a>b", "a! a?", ["opened a", "eased a"], {"a": {"a"}}),
    ],
)
def test_incidents_have_one_cause_each(edges: str, story: str, told: list[str], groups: dict[str, set[str]]) -> None:
    company = Company(edges)
    assert company.play(story) == told
    assert company.groups() == groups


def test_who_was_late_before_the_root_is_named_in_its_alert() -> None:
    company = Company("a>b a>c")
    company.play("b! c! a!")
    opened = next(event for event in company.events if (event.change, event.subject) == ("opened", "a"))
    assert sorted(member.name for member in opened.joined) == ["a", "b", "c"]
    assert opened.affected == 2


def test_an_incident_is_dated_at_the_deadline_and_closed_when_the_asset_was_made() -> None:
    company = Company("a>b")
    company.play("a! b! a.")
    told = [(event.change, event.subject, (event.happened_at - NOON) / MINUTE) for event in company.events]
    assert told == [("opened", "a", 1), ("changed", "a", 2), ("closed", "a", 3), ("opened", "b", 3)]


def test_a_child_with_an_incident_of_its_own_is_as_late_as_it_is_by_then() -> None:
    company = Company("a>b")
    company.play("a! b! a.")
    lateness = company.events[-1].lateness
    assert lateness is not None
    assert (lateness.state, lateness.overdue_seconds) == ("FAIL", 60.0)


class TestDwell:
    def test_what_is_late_again_meanwhile_was_never_told_to_be_well(self) -> None:
        company = Company("a>b", dwell=5 * MINUTE)
        assert company.play("a! a. a!") == ["opened a", "recovering a"]
        assert company.late.proven(company.now + 60 * MINUTE, company.graph) == []
        assert company.groups() == {"a": {"a"}}

    def test_those_below_stay_with_the_root_until_it_is_proven(self) -> None:
        company = Company("a>b", dwell=5 * MINUTE)
        assert company.play("a! b! a.") == ["opened a", "recovering a"]
        assert company.groups() == {"a": {"a", "b"}}
        due = company.late.next_proven()
        assert due == company.now + 5 * MINUTE
        assert company._told(company.late.proven(due, company.graph)) == ["closed a", "opened b"]
        assert company.late.next_proven() > due

    def test_there_is_none_before_something_is_told_to_be_late(self) -> None:
        company = Company("a>b", dwell=5 * MINUTE)
        company.play("a!")
        assert company.events[0].happened_at == NOON + MINUTE


def test_after_a_restart_it_goes_on_as_if_there_had_been_none() -> None:
    before = Company("a>b b>c")
    before.play("a! b! c!")
    after = Company("a>b b>c")
    after.now, after._states = before.now, dict(before._states)
    after.incidents.restore([view_of(before, event.incident) for event in before.events if event.change == "opened"])
    after.late.restore()
    assert after.play("a.") == before.play("a.")
    assert after.events == before.events[-2:]


def view_of(company: Company, incident: str) -> IncidentView:
    known = company.incidents.get(incident)
    assert known is not None
    return IncidentView(
        incident=known.id,
        number=known.number,
        trouble=known.trouble,
        subject=known.subject,
        severity=known.severity,
        opened_at=known.opened_at,
        happened_at=known.opened_at,
        summary=known.summary,
        open=True,
        assets=known.assets,
        lateness=known.lateness,
        members=tuple(known.members.values()),
    )


def test_ten_thousand_that_are_late_because_of_one_are_one_incident_and_cheap() -> None:
    company = Company(" ".join(f"a>c{number}" for number in range(10_000)))
    company.play("a!")
    for number in range(10_000):
        company.now += timedelta(seconds=1)
        change = company.change(f"c{number}", "FAIL")
        company.late.take([Told(event_id=1, change=change)], company.graph)
    assert len(company.incidents) == 1
    assert len(company.groups()["a"]) == 10_001


class TestCatchingUp:
    def test_who_follows_the_root_soon_is_never_told_of(self) -> None:
        company = Company("a>b b>c", grace=5 * MINUTE)
        company.play("a! b! c! a. b. c.")
        assert [event.subject for event in company.events if event.silenced is None] == ["a"] * 4
        assert company.incidents.review(company.now + 60 * MINUTE) == []

    def test_who_does_not_is_told_when_the_grace_is_over(self) -> None:
        company = Company("a>b b>c", grace=5 * MINUTE)
        company.play("a! b! c! a.")
        due = company.incidents.next_review()
        assert due == company.now + 5 * MINUTE
        assert company.incidents.review(due - MINUTE) == []
        [told] = company.incidents.review(due)
        assert (told.change, told.subject, told.affected, told.silenced) == ("unsilenced", "b", 1, None)

    def test_who_is_being_made_has_longer_but_not_for_ever(self) -> None:
        company = Company("a>b", grace=5 * MINUTE)
        company.play("a! b! a.")
        reviews = 0
        while not company.incidents.review(company.incidents.next_review(), busy={"b"}):
            reviews += 1
        assert reviews == 11

    def test_who_misses_a_deadline_of_its_own_is_told_at_once(self) -> None:
        company = Company("a>b", grace=5 * MINUTE)
        company.play("a! a. b!")
        assert [event.silenced for event in company.events] == [None, None, None]


class TestSilence:
    def test_keeps_back_what_begins_in_it_and_tells_it_when_it_is_over(self) -> None:
        company = Company("a>b")
        until = NOON + 10 * MINUTE
        company.incidents.quiet_for = lambda assets, now: Quiet(reason="moving", until=until) if now < until else None
        company.play("a!")
        assert [event.silenced for event in company.events] == ["moving"]
        assert company.incidents.next_review() == until
        told = company.incidents.review(until)
        assert [(event.change, event.silenced) for event in told] == [("unsilenced", None)]

    def test_says_nothing_of_what_began_and_ended_in_it(self) -> None:
        company = Company("a>b")
        company.incidents.quiet_for = lambda assets, now: Quiet(reason="moving")
        company.play("a! a.")
        assert [event.silenced for event in company.events] == ["moving", "moving"]
        assert company.incidents.review(company.now) == []


def test_a_deadline_at_risk_is_a_warning_that_worsens_when_it_is_missed() -> None:
    company = Company("a>b")
    assert company.risk("a", NOON + 2 * MINUTE) == ["opened a"]
    opened = company.events[-1]
    assert (opened.severity, opened.summary) == ("warning", "a will miss its deadline")
    assert company.play("a!") == ["worsened a"]
    missed = company.events[-1]
    assert (missed.incident, missed.severity, missed.summary) == (opened.incident, "error", "a is late")
    assert company.proven(NOON + 60 * MINUTE) == []
    assert company.play("a.") == ["closed a"]


def test_what_is_made_in_time_is_at_risk_no_more() -> None:
    company = Company("a>b")
    company.risk("a", NOON + 60 * MINUTE)
    assert company.make("b") == []
    assert company.make("a") == ["closed a"]
    assert company.events[-1].summary == "a is at risk no more"
    assert company.make("a") == []


def test_a_warning_that_follows_the_risk_goes_on_with_its_incident_and_keeps_the_reason() -> None:
    company = Company("a>b")
    company.risk("a", NOON + 2 * MINUTE)
    assert company.play("a?") == []
    [incident] = company.incidents
    assert incident.lateness is not None
    assert (incident.lateness.state, incident.lateness.risk) == ("WARN", "raw is slow")


def test_of_what_warns_already_the_risk_is_worse() -> None:
    company = Company("a>b")
    company.play("a?")
    assert company.risk("a", NOON + 60 * MINUTE) == ["worsened a"]
    assert company.make("a") == []  # whether that is enough its freshness tells
    assert company.play("a.") == ["closed a"]


def test_of_what_is_late_or_below_something_late_no_risk_is_told() -> None:
    company = Company("a>b")
    company.play("a!")
    assert company.risk("a", NOON + 60 * MINUTE) == []
    assert company.risk("b", NOON + 60 * MINUTE) == []
    assert company.groups() == {"a": {"a", "b"}}


def test_a_risk_that_nothing_came_of_ends_a_minute_after_its_deadline() -> None:
    company = Company("a>b")
    company.risk("a", NOON + 2 * MINUTE)
    assert company.late.next_proven() == NOON + 3 * MINUTE
    assert company.proven(NOON + 3 * MINUTE) == ["closed a"]
