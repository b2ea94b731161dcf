from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell import events
from upwell.events import (
    KINDS,
    Event,
    FilterEvaluated,
    FreshnessDemanded,
    PlannedStep,
    RunRequested,
    RunSubmitted,
    SensorEvaluated,
    SourceAdvanced,
    WantedRun,
    WebhookAccepted,
    decode,
    encode,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
st.register_type_strategy(datetime, INSTANTS)
# Fields whose types do not say what to draw.
DRAWN: dict[type[Event], dict[str, st.SearchStrategy[object]]] = {
    SourceAdvanced: {"cursor": st.dictionaries(st.text(), JSON, max_size=3)},
    FilterEvaluated: {"answers": st.dictionaries(st.text(), st.booleans(), max_size=3)},
    SensorEvaluated: {"runs": st.lists(st.builds(WantedRun, config=JSON), max_size=3).map(tuple)},
    RunSubmitted: {"config": JSON},
    RunRequested: {"config": JSON},
    FreshnessDemanded: {"targets": st.dictionaries(st.text(), st.lists(st.text()).map(tuple), max_size=3)},
}
# Of all that is a mapping hypothesis also draws what no event holds, such as ChainMap.
st.register_type_strategy(
    Mapping, lambda kind: st.dictionaries(*(st.from_type(one) for one in get_args(kind)), max_size=3)
)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


def test_every_event_of_the_union_has_a_kind_of_its_own() -> None:
    assert len(KINDS) == len(get_args(Event))


def test_an_event_names_its_kind_like_a_log_line() -> None:
    assert all(kind == kind.lower() and "." in kind for kind in KINDS)


@pytest.mark.parametrize("cls", list(KINDS.values()), ids=list(KINDS))
def test_an_event_has_keyword_only_fields_and_is_frozen(cls: type[Event]) -> None:
    assert all(field.kw_only for field in fields(cls))
    assert cls.__dataclass_params__.frozen  # type: ignore[union-attr]


@given(data=JSON, at=INSTANTS, headers=st.dictionaries(st.text(), st.text(), max_size=3))
def test_a_source_event_survives_the_journal(data: object, at: datetime, headers: dict[str, str]) -> None:
    event = WebhookAccepted(source="webhook:orders", data=data, headers=headers, occurred_at=at, delivery_id="1")
    assert decode(event.kind, encode(event)) == event


@given(st.data())
def test_every_event_survives_the_journal(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from([c for c in KINDS.values() if "data" not in {f.name for f in fields(c)}]))
    drawn: st.SearchStrategy[Any] = st.builds(cls, **DRAWN.get(cls, {}))
    event: Event = data.draw(drawn)
    assert decode(event.kind, encode(event)) == event


def test_a_plan_survives_the_journal() -> None:
    step = PlannedStep(id="b@2024", step="b", assets=("b",), partition="2024", waits_for=("a@2024",), asked=False)
    event = RunRequested(run_id=events.new_run_id(), lane="a@2024", plan=(step,), reason="webhook:orders was posted")
    assert decode(event.kind, encode(event)) == event


def test_defaults_take_no_room_in_the_journal() -> None:
    assert encode(WebhookAccepted(source="webhook:x")) == b'{"source":"webhook:x"}'
