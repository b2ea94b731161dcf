"""What is to be begun, when, and which deadlines will not be kept: by what is known of a graph at an instant. Pure.

An asset is looked at closely only when its deadline is near enough that something above it could matter ("armed");
until then it costs one alarm. What may bring a start forward (something above was made, a step takes longer, a run
failed) has those looked at that it concerns; what puts it off is found out when the alarm rings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from upwell.clock import NEVER
from upwell.definitions.freshness.deadlines import EARLIEST
from upwell.definitions.freshness.evaluate import Known, evaluate
from upwell.definitions.graph import AssetGraph
from upwell.errors import DefinitionError
from upwell.events import Demand, FreshnessAtRisk, FreshnessDemanded, RunId
from upwell.freshness.circumstances import Circumstances
from upwell.freshness.occasions import Occasion, is_settled, occasion_of
from upwell.freshness.progress import Forecast, RunProgress, span, title
from upwell.planning.durations import Durations
from upwell.planning.lead_times import LeadTime, LongestWays, lead_time, slowest, times_until_made, with_spare
from upwell.planning.planner import plan
from upwell.planning.upkeep import Pair, Upkeep, data_time_after, keeps_fresh

_LEAST_NOTICE = timedelta(seconds=1)  # a warning right before the breach only repeats what is said then
_ARMED_BEFORE = 1.5  # times what everything above takes
_MOST_REASONS = 3  # of those that share a run


@dataclass(frozen=True, kw_only=True, slots=True)
class Want:
    """A run that is to begin at `starts_at`: what it makes, and what it is for."""

    occasion: Occasion
    targets: Mapping[str, tuple[str | None, ...]]
    lead: LeadTime
    starts_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What came of looking at an asset: when to look again, a run that is due, a risk to be told.

    `asks` are partitions of which has to be known first whether they are there.
    """

    at: datetime = NEVER
    want: Want | None = None
    risk: FreshnessAtRisk | None = None
    asks: frozenset[Pair] = frozenset()


class Outlook(Circumstances):
    """What follows from the circumstances by a graph."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._armed: dict[str, tuple[str, ...]] = {}
        self._deadlines: dict[str, datetime] = {}
        self.adopt(AssetGraph())

    def adopt(self, graph: AssetGraph) -> None:
        """Go on by a new graph."""
        self.graph = graph
        self._upkeep = Upkeep(graph)
        self._ways = LongestWays(self._made_here_above, self._steps_of, self.durations)
        for asset in list(self._armed):
            self._disarm(asset)
        for asset in [key for key in self.standings if key not in graph.assets]:
            del self.standings[asset]

    def slowed_down(self) -> set[str]:
        """The assets below steps of which has been learnt that they take longer, since this was asked last."""
        found: set[str] = set()
        open_keys = [key for key in self._grown if key in self.graph.assets]
        self._grown.clear()
        while open_keys:
            key = open_keys.pop()
            if key not in found:
                found.add(key)
                open_keys.extend(self.graph.downstream(key))
        self._ways.forget(found)
        return {asset for asset in found if asset in self.standings}

    def look(self, asset: str, now: datetime) -> Look:
        """What there is to do for an asset at `now`."""
        standing = self.standings.get(asset)
        node = self.graph.assets.get(asset)
        if standing is None or node is None or node.step is None:
            self._disarm(asset)
            return Look()
        keeps = keeps_fresh(self.graph, asset)
        last = self.demanded.get(asset) if keeps else None
        deadline = self._deadlines[asset] = standing.verdict(now).deadline
        longest, timed = self._ways.to(asset)
        lead = _ARMED_BEFORE * with_spare(longest)
        far = timed or not keeps
        if far and now < deadline < NEVER and is_settled(standing, last, deadline) and now < deadline - lead:
            self._disarm(asset)
            return Look(at=deadline - lead)
        occasion = occasion_of(standing, last, now)
        if occasion is None or (not keeps and deadline <= now):
            self._disarm(asset)
            return Look()
        self._deadlines[asset] = occasion.deadline
        nearest = deadline if now < deadline < occasion.deadline else occasion.deadline
        if far and now < nearest - lead:
            self._disarm(asset)
            return Look(at=nearest - lead)
        self._arm(asset)
        return self._look_closely(occasion, deadline, now, keeps=keeps)

    def _look_closely(self, occasion: Occasion, deadline: datetime, now: datetime, *, keeps: bool) -> Look:
        forecast = self._forecast(occasion, now)
        if forecast is not None:
            run_id, cast = forecast
            if now >= deadline:
                return Look()
            if cast.too_late:
                risk = self._risk(occasion.asset, deadline, cast.expected_at, title(cast.hop), cast.why, run_id)
                return Look(risk=risk)
            return Look(at=cast.look_at)
        last = self.demanded.get(occasion.asset)
        if keeps and last is not None and last.pending:
            return Look()
        want = self.want(occasion, now)
        if want is None:
            return Look()
        if keeps and (asks := self._unknown_partitions(want)) and want.starts_at <= now:
            return Look(asks=asks)
        if keeps and want.starts_at <= now:
            return Look(want=want)
        look = Look(at=want.starts_at) if keeps else Look()
        if keeps and occasion.attempt == 1 and occasion.deadline == deadline:
            return look  # it will be begun in time
        return self._nobody_has_begun(look, want, deadline, now)

    def _nobody_has_begun(self, look: Look, want: Want, deadline: datetime, now: datetime) -> Look:
        latest = deadline - want.lead.expected
        if now >= deadline or want.lead.expected < _LEAST_NOTICE:
            return look
        if now < latest:
            return replace(look, at=min(look.at, latest))
        hop = slowest(want.lead.path, self.durations)
        why = f"nobody has begun with it, and it usually takes {span(want.lead.expected)}"
        return replace(look, risk=self._risk(want.occasion.asset, deadline, now + want.lead.expected, title(hop), why))

    def _risk(
        self, asset: str, deadline: datetime, expected_at: datetime, hop: str, why: str, run_id: str | None = None
    ) -> FreshnessAtRisk | None:
        if self.told.get(asset) == deadline:
            return None
        by = f"{asset} is expected at {clock(expected_at)}, its deadline is {clock(deadline)}"
        return FreshnessAtRisk(
            asset=asset,
            deadline=deadline,
            expected_at=expected_at,
            slow_hop=hop,
            reason=f"{by}: {why}",
            run_id=RunId(run_id) if run_id is not None else None,
        )

    def _forecast(self, occasion: Occasion, now: datetime) -> tuple[str, Forecast] | None:
        """The run under way that will make the asset so that it counts, and when."""
        best: tuple[str, Forecast] | None = None
        for run_id in self._runs_of.get(occasion.asset, ()):
            run = self._runs[run_id]
            goals = run.makes(occasion.asset, occasion.keys[0])
            if not goals or all(goal in run.ended for goal in goals) or not self._helps(occasion, self._rest(run), now):
                continue
            cast = run.forecast(goals, occasion.deadline, self.durations, now, starts_at=self._held_until(run, now))
            if cast.expected_at < occasion.opens_at:
                continue  # too early to count
            if best is None or cast.expected_at < best[1].expected_at:
                best = (run_id, cast)
        return best

    def _rest(self, run: RunProgress) -> set[str]:
        return {asset for step in run.plan if step.id not in run.dead for asset in step.assets}

    def _held_until(self, run: RunProgress, now: datetime) -> datetime:
        """When a run that waits for another of its lane may start."""
        if run.started_at is not None:
            return now
        ends = [now]
        for run_id in self._runs_of.get(next((a for step in run.plan for a in step.assets), ""), ()):
            other = self._runs[run_id]
            if other.lane == run.lane and other.started_at is not None:
                goals = [step.id for step in other.plan if step.id not in other.dead]
                cast = other.forecast(goals, NEVER, self.durations, now, starts_at=now)
                ends.append(cast.expected_at)
        return max(ends)

    def want(self, occasion: Occasion, now: datetime) -> Want | None:
        """The run that would make the asset fresh, and its latest safe start; None when no run would."""
        targets = self._upkeep.needed(
            occasion.asset,
            occasion.keys,
            self.made,
            too_old=lambda key: self._is_too_old(key, occasion, now),
            is_due=lambda key: self._is_due(key, occasion, now),
            is_there=self._there.__contains__,
            now=now,
        )
        if not self._helps(occasion, targets, now):
            return None
        try:
            steps = plan(self.graph, targets, now=now, downstream=False)
        except DefinitionError:
            return None  # such steps cannot be run together at all; whoever asks for them is told
        lead = lead_time(steps, occasion.asset, self.durations)
        standing = self.standings[occasion.asset]
        counts_by_end = standing.coverage is None and standing.policy.basis == "run"
        earliest = occasion.opens_at
        if counts_by_end and earliest > EARLIEST:
            earliest -= lead.shortest
        starts_at = earliest if lead.untimed else max(earliest, occasion.deadline - lead.safe)
        return Want(occasion=occasion, targets=targets, lead=lead, starts_at=max(starts_at, occasion.not_before))

    def _helps(self, occasion: Occasion, making: Collection[str], now: datetime) -> bool:
        """Whether making these leaves the asset fresh beyond the deadline; of data, that depends on what is read."""
        standing = self.standings[occasion.asset]
        if standing.coverage is not None or standing.policy.basis == "run":
            return True
        data_time = data_time_after(self.graph, occasion.asset, making, self.made, now)
        if data_time is None:
            return False
        known = Known(since=standing.known_since, made_at=now, data_time=data_time)
        return evaluate(standing.policy, known, now).deadline > standing.verdict(now).deadline

    def _is_too_old(self, key: str, occasion: Occasion, now: datetime) -> bool:
        """By its own policy, if it has one; else as if it were the asset itself."""
        until = max(occasion.deadline, now)
        goal = self.standings[occasion.asset]
        own = self.standings.get(key)
        if own is not None and goal.policy.basis == "run":
            return own.verdict(now).deadline <= until
        made = self.made[key]
        known = Known(since=goal.known_since, made_at=made.at, data_time=made.data_time)
        return evaluate(goal.policy, known, now).deadline <= until

    def _is_due(self, key: str, occasion: Occasion, now: datetime) -> bool:
        own = self.standings.get(key)
        return own is not None and own.verdict(now).deadline <= max(occasion.deadline, now)

    def _unknown_partitions(self, want: Want) -> frozenset[Pair]:
        own = want.occasion.asset
        pairs = ((key, one) for key, keys in want.targets.items() if key != own for one in keys if one is not None)
        return frozenset(pair for pair in pairs if pair not in self._asked)

    # One run for several.

    def gather(self, due: Sequence[Want], now: datetime) -> FreshnessDemanded:
        """One demand for what is due now, with what would be due soon or would make the same things for a deadline."""
        group = {want.occasion.asset: want for want in due}
        deadlines = {want.occasion.deadline for want in due}
        grown = True
        while grown:
            targets = {key for want in group.values() for key in want.targets}
            joining = self._joining(group, targets, deadlines, now)
            grown = bool(joining)
            group |= joining
        if len(group) > len(due) and not self._fits(list(group.values()), now):
            group = {want.occasion.asset: want for want in due}
        return self._demand(list(group.values()))

    def _joining(
        self, group: Collection[str], targets: Collection[str], deadlines: Collection[datetime], now: datetime
    ) -> dict[str, Want]:
        found: dict[str, Want] = {}
        for asset in dict.fromkeys((*self._armed, *self._below(targets, deadlines))):
            if asset in group or asset in targets or not keeps_fresh(self.graph, asset):
                continue
            want = self._could_join(asset, now)
            if want is None:
                continue
            near = want.starts_at - now <= want.lead.safe / 2
            if near or (want.occasion.deadline in deadlines and any(key in targets for key in want.targets)):
                found[asset] = want
        return found

    def _fits(self, wants: Sequence[Want], now: datetime) -> bool:
        """Whether in one run nobody has to wait for the others longer than is safe."""
        try:
            steps = plan(self.graph, _together(wants), now=now, downstream=False)
        except DefinitionError:
            return False
        times = times_until_made(steps, self.durations)
        return all(times[want.occasion.asset] <= max(want.lead.usual, want.occasion.deadline - now) for want in wants)

    def _demand(self, wants: Sequence[Want]) -> FreshnessDemanded:
        wants = sorted(wants, key=lambda want: (want.occasion.deadline, want.occasion.asset))
        together = _together(wants)
        return FreshnessDemanded(
            demands=tuple(
                Demand(
                    asset=want.occasion.asset,
                    deadline=want.occasion.deadline,
                    partition=want.occasion.first,
                    attempt=want.occasion.attempt,
                )
                for want in wants
            ),
            targets={
                key: tuple(one for one in together[key] if one is not None) for key in self.graph.in_order(together)
            },
            reason="; ".join([_why(want, self.durations) for want in wants[:_MOST_REASONS]] + _and_more(wants)),
        )

    def _could_join(self, asset: str, now: datetime) -> Want | None:
        last = self.demanded.get(asset)
        if asset not in self.standings or (last is not None and last.pending):
            return None
        occasion = occasion_of(self.standings[asset], last, now)
        if occasion is None or occasion.not_before > now or self._forecast(occasion, now) is not None:
            return None
        want = self.want(occasion, now)
        if want is None or occasion.opens_at > now + want.lead.shortest:
            return None
        return want

    def _below(self, targets: Iterable[str], deadlines: Collection[datetime]) -> list[str]:
        """The assets below that have one of these deadlines, too."""
        found: dict[str, None] = {}
        open_keys = list(targets)
        while open_keys:
            for key in self.graph.downstream(open_keys.pop()):
                if key not in found:
                    found[key] = None
                    open_keys.append(key)
        return [key for key in found if self._deadlines.get(key) in deadlines]

    # What is looked at closely.

    def _arm(self, asset: str) -> None:
        if asset not in self._armed:
            above = {asset, *self._upkeep.above(asset)}
            self._armed[asset] = tuple({one for key in above for one in self.graph.upstream(key)} | above)
            for key in self._armed[asset]:
                self._watched[key].add(asset)

    def _disarm(self, asset: str) -> None:
        for key in self._armed.pop(asset, ()):
            self._watched[key].discard(asset)

    def _made_here_above(self, asset: str) -> list[str]:
        upstream = self.graph.upstream(asset)
        return [key for key in upstream if key != asset and self.graph.assets[key].step is not None]

    def _steps_of(self, asset: str) -> list[str]:
        step = self.graph.assets[asset].step
        checks = [check.step for check in self.graph.checks_of(asset) if check.blocking and check.step != step]
        return [*([step] if step is not None else []), *checks]


def _together(wants: Iterable[Want]) -> dict[str, tuple[str | None, ...]]:
    found: dict[str, dict[str | None, None]] = {}
    for want in wants:
        for key, keys in want.targets.items():
            found.setdefault(key, {}).update(dict.fromkeys(keys))
    return {key: tuple(keys) for key, keys in found.items()}


def _why(want: Want, durations: Durations) -> str:
    """Why the run begins now, for people to read."""
    occasion, lead = want.occasion, want.lead
    text = f"{occasion.asset} has to be made by {clock(occasion.deadline)}"
    if occasion.attempt > 1:
        text += f" (attempt {occasion.attempt})"
    if lead.untimed:
        return f"{text}, and how long {title(lead.untimed[0])} takes is not known yet"
    hops = ", ".join(f"{title(step)} {span(durations.usual(step.step))}" for step in lead.path[:_MOST_REASONS])
    return f"{text}, which usually takes {span(lead.usual)} ({hops})"


def _and_more(wants: Sequence[Want]) -> list[str]:
    more = len(wants) - _MOST_REASONS
    return [f"{more} more share the run"] if more > 0 else []


def clock(instant: datetime) -> str:
    """An instant for people to read."""
    return f"{instant:%Y-%m-%d %H:%M:%S} (UTC)"
