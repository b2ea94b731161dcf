from __future__ import annotations

from datetime import UTC, datetime

import pytest

from upwell.events import Canary
from upwell.journal import feed
from upwell.journal.feed import Feed
from upwell.journal.journal import Record

NOW = datetime(2024, 5, 1, tzinfo=UTC)


def records(first: int, last: int) -> list[Record]:
    return [Record(id=number, at=NOW, event=Canary(nonce=str(number))) for number in range(first, last + 1)]


def publish(to: Feed, first: int, last: int, size: int = 10) -> None:
    to.publish(last, records(first, last), [size] * (last - first + 1))


def test_a_new_feed_remembers_nothing_of_what_is_on_disk() -> None:
    assert (Feed(7).head, Feed(7).oldest) == (7, 8)


def test_it_gives_what_follows_a_position() -> None:
    tail = Feed(7)
    publish(tail, 8, 12)
    publish(tail, 13, 14)
    assert [record.id for record in tail.after(9, 3)] == [10, 11, 12]
    assert [record.id for record in tail.after(7, 99)] == [8, 9, 10, 11, 12, 13, 14]


def test_it_forgets_the_oldest_beyond_a_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_MAX_RECORDS", 3)
    tail = Feed(0)
    publish(tail, 1, 5)
    assert tail.oldest == 3
    assert [record.id for record in tail.after(2, 99)] == [3, 4, 5]


def test_it_forgets_the_oldest_beyond_a_size_but_never_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_MAX_CHARACTERS", 100)
    tail = Feed(0)
    publish(tail, 1, 5, size=40)
    assert tail.oldest == 4
    publish(tail, 6, 6, size=1000)
    assert tail.oldest == 6


def test_it_starts_anew_when_somebody_else_wrote_in_between() -> None:
    tail = Feed(0)
    publish(tail, 1, 3)
    publish(tail, 7, 8)
    assert (tail.oldest, tail.head) == (7, 8)
