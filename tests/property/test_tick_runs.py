"""Which run came of which wish of a sensor's call: whatever it asked for and whatever the reactor made of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from upwell.events import RunId, RunRequested, WantedRun
from upwell.web.ticks import tick_runs

wishes = st.lists(
    st.builds(
        WantedRun,
        run_key=st.none() | st.sampled_from(["a", "b", "c"]),
        job=st.none() | st.just("nightly"),
        partition=st.none() | st.just("north"),
    ),
    max_size=8,
)


@given(wishes, st.data())
def test_every_run_is_shown_once_by_the_wish_that_it_came_of(wanted: list[WantedRun], data: st.DataObject) -> None:
    granted = data.draw(st.lists(st.sampled_from(range(len(wanted))), unique=True) if wanted else st.just([]))
    requested = [
        RunRequested(
            run_id=RunId(f"run{place}"),
            lane="l",
            plan=(),
            reason="r",
            job=wanted[place].job,
            run_key=wanted[place].run_key,
            partition=wanted[place].partition,
        )
        for place in sorted(granted)
    ]
    shown = list(tick_runs(wanted, requested, {}, answered=True))
    assert [(run.run_key, run.job, run.partition) for run in shown] == [
        (wish.run_key, wish.job, wish.partition) for wish in wanted
    ]
    assert sorted(run.run_id for run in shown if run.run_id is not None) == sorted(run.run_id for run in requested)


@given(wishes, st.sets(st.sampled_from(["a", "b", "c"])))
def test_what_was_not_requested_is_suppressed_exactly_where_its_key_is_taken(
    wanted: list[WantedRun], taken: set[str]
) -> None:
    shown = list(tick_runs(wanted, [], {key: f"first of {key}" for key in taken}, answered=True))
    assert [run.suppressed for run in shown] == [wish.run_key in taken for wish in wanted]
    assert all(run.run_id == f"first of {run.run_key}" for run in shown if run.suppressed)


@given(wishes)
def test_before_the_reactor_has_answered_nothing_is_said_of_keys(wanted: list[WantedRun]) -> None:
    taken = {wish.run_key: "run" for wish in wanted if wish.run_key is not None}
    assert not any(run.suppressed or run.run_id for run in tick_runs(wanted, [], taken, answered=False))
