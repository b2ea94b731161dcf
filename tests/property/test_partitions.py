"""Time windows: keys and windows are two names for one thing, in one order, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.definitions.partitions.mapping import (
    TimeWindowPartitionMapping,
    downstream_partitions,
    upstream_partitions,
)
from upwell.definitions.partitions.time_windows import ScheduleType, TimeWindowPartitionsDefinition

ZONES = ["UTC", "America/New_York", "Europe/Berlin", "America/Havana", "Asia/Kolkata", "Australia/Lord_Howe"]
STARTS = st.datetimes(min_value=datetime(2015, 1, 1), max_value=datetime(2024, 12, 31))

definitions = st.builds(
    lambda schedule, start, zone, minute, hour, end_offset: TimeWindowPartitionsDefinition(
        start=start.replace(microsecond=0),
        fmt="%Y-%m-%d-%H:%M",
        schedule_type=schedule,
        timezone=zone,
        minute_offset=minute,
        hour_offset=hour,
        end_offset=end_offset,
    ),
    st.sampled_from(ScheduleType),
    STARTS,
    st.sampled_from(ZONES),
    st.sampled_from([0, 15, 30]),
    st.integers(0, 23),
    st.integers(-1, 2),
)


def some_time_after(definition: TimeWindowPartitionsDefinition, share: float) -> datetime:
    step = definition.ticks.after(definition.first_start) - definition.first_start
    return definition.first_start + 60 * share * step


@settings(max_examples=150, deadline=None)
@given(definition=definitions, share=st.floats(0, 1))
def test_each_key_names_one_window_and_the_window_names_the_key(
    definition: TimeWindowPartitionsDefinition, share: float
) -> None:
    now = some_time_after(definition, share)
    keys = definition.get_partition_keys(now)
    assert len(set(keys)) == len(keys)
    for key in keys:
        window = definition.time_window_for_partition_key(key)
        assert definition.key_of(window.start) == key
        assert definition.has_partition_key(key, now)


@settings(max_examples=150, deadline=None)
@given(definition=definitions, share=st.floats(0, 1))
def test_windows_follow_each_other_without_gap_or_overlap_and_in_the_order_of_their_keys(
    definition: TimeWindowPartitionsDefinition, share: float
) -> None:
    now = some_time_after(definition, share)
    keys = definition.get_partition_keys(now)
    windows = [definition.time_window_for_partition_key(key) for key in keys]
    assert all(earlier.end == later.start for earlier, later in pairwise(windows))
    assert all(earlier.astimezone(UTC) < later.astimezone(UTC) for earlier, later in windows)
    assert [*keys] == sorted(keys, key=definition.order_of)


@settings(max_examples=150, deadline=None)
@given(definition=definitions, share=st.floats(0, 1))
def test_first_last_next_and_previous_agree_with_the_list(
    definition: TimeWindowPartitionsDefinition, share: float
) -> None:
    now = some_time_after(definition, share)
    keys = list(definition.get_partition_keys(now))
    assert definition.get_first_partition_key(now) == (keys[0] if keys else None)
    assert definition.get_last_partition_key(now) == (keys[-1] if keys else None)
    assert definition.get_num_partitions(now) == len(keys)
    for earlier, later in pairwise(keys):
        assert definition.get_next_partition_key(earlier, now) == later
        assert definition.get_prev_partition_key(later) == earlier
    if keys:
        assert definition.get_next_partition_key(keys[-1], now) is None
        assert definition.get_prev_partition_key(keys[0]) is None


@settings(max_examples=150, deadline=None)
@given(definition=definitions, share=st.floats(0, 1))
def test_every_instant_lies_in_one_window(definition: TimeWindowPartitionsDefinition, share: float) -> None:
    instant = some_time_after(definition, share)
    start = definition.ticks.before(instant + timedelta(microseconds=1))
    window = definition.time_window_for_partition_key(definition.key_of(start))
    assert window.start <= instant < window.end


offsets = st.integers(-2, 0).flatmap(lambda start: st.tuples(st.just(start), st.integers(start, 1)))


@settings(max_examples=150, deadline=None)
@given(
    grains=st.tuples(st.sampled_from(ScheduleType), st.sampled_from(ScheduleType)),
    offset=offsets,
    zone=st.sampled_from(["UTC", "America/New_York"]),
    pick=st.integers(0, 10_000),
)
def test_a_partition_is_reached_by_exactly_what_it_reads(
    grains: tuple[ScheduleType, ScheduleType], offset: tuple[int, int], zone: str, pick: int
) -> None:
    up, down = (
        TimeWindowPartitionsDefinition(
            start="2024-02-20-00:00", fmt="%Y-%m-%d-%H:%M", schedule_type=grain, timezone=zone
        )
        for grain in grains
    )
    mapping = TimeWindowPartitionMapping(*offset, allow_nonexistent_upstream_partitions=True)
    now = datetime(2024, 4, 15, 12, tzinfo=UTC)
    up_keys, down_keys = up.get_partition_keys(now), down.get_partition_keys(now)
    key = up_keys[pick % len(up_keys)]
    reached = downstream_partitions(mapping, up, down, key, now)
    reading = [one for one in down_keys if key in upstream_partitions(mapping, up, down, one, now)]
    assert list(reached) == reading
