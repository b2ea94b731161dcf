"""The options that every source takes alike."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from upwell.definitions.reactions import CalledOn, On, Rate, SourceSpec, plain
from upwell.errors import DefinitionError
from upwell.reactor.matching import holds
from upwell.sources.reaction import listener, parse_rate, predicate

SOURCE = SourceSpec(kind="webhook", name="webhook:orders")


def big(event: object) -> bool:
    return True


def bigger(least: int, event: object) -> bool:
    return True


def test_options_are_plain_data() -> None:
    found = listener(SOURCE, partition="$.day", debounce="2s", throttle="10/m")
    assert found == On(source=SOURCE, partition="$.day", debounce=2.0, throttle=Rate(count=10, seconds=60.0))


@pytest.mark.parametrize(
    "text",
    ["$.order.total > 100", "@.order.total > 100", "?@.order.total > 100", "$[?@.order.total > 100]"],
)
def test_a_predicate_may_be_written_in_several_ways(text: str) -> None:
    query = predicate(text)
    assert holds(query, {"order": {"total": 500}})
    assert not holds(query, {"order": {"total": 5}})
    assert not holds(query, {"no": "order"})
    assert not holds(query, "no object")


def test_a_predicate_on_several_parts_counts_when_it_holds() -> None:
    query = predicate("$.type == 'created' && $.order.total > 100")
    assert holds(query, {"type": "created", "order": {"total": 500}})
    assert not holds(query, {"type": "deleted", "order": {"total": 500}})


def test_a_users_filter_stays_where_the_code_is() -> None:
    found = listener(SOURCE, filter=big)
    assert isinstance(found, CalledOn)
    assert found.function is big
    assert found.filter_call is not None
    assert found.filter_call.startswith(f"{__name__}.big:")
    assert plain(found) == On(source=SOURCE, filter_call=found.filter_call)


def test_filters_that_one_line_or_one_function_makes_have_keys_of_their_own() -> None:
    def above(least: int) -> Any:
        return lambda event: event.data > least

    made = [above(10), above(100), partial(bigger, 10), partial(bigger, 100), lambda e: e.data, lambda e: e.path]
    keys = [listener(SOURCE, filter=one).filter_call for one in made]
    assert len(set(keys)) == len(keys)
    assert listener(SOURCE, filter=above(10)).filter_call == keys[0]


@pytest.mark.parametrize(("text", "rate"), [("10/m", Rate(count=10, seconds=60)), ("1/30s", Rate(count=1, seconds=30))])
def test_a_rate_says_how_many_in_what_time(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"filter": "$.["}, "filter='$.['"),
        ({"filter": 3}, "filter=3"),
        ({"filter": "$.[["}, "JSONPath predicate (expected a shorthand selector); write"),
        ({"filter": lambda: True}, "has to take one argument, the event"),
        ({"partition": 3}, "partition=3 is no JSONPath"),
        ({"partition": "$.["}, "partition='$.['"),
        ({"debounce": "soon"}, "debounce='soon'"),
        ({"throttle": "often"}, "throttle='often'"),
        ({"throttle": "0/m"}, "throttle='0/m'"),
        ({"debounce": "1s", "batch": timedelta(seconds=1)}, "debounce and batch"),
    ],
)
def test_an_option_that_cannot_be_read_is_named_with_the_mend(options: dict[str, object], named: str) -> None:
    with pytest.raises(DefinitionError, match=r"write|neither|choose|no duration") as caught:
        listener(SOURCE, **options)  # type: ignore[arg-type]
    assert named in str(caught.value)
