from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.multi import MultiPartitionsDefinition
from upwell.definitions.partitions.named import StaticPartitionsDefinition
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import FileChanged, SourceEvent, TimerFired, WebhookAccepted
from upwell.reactor.matching import match
from upwell.reactor.switches import Switches

NOW = datetime(2024, 1, 10, 12, tzinfo=UTC)
DAILY = DailyPartitionsDefinition(start_date="2024-01-01")
REGIONS = StaticPartitionsDefinition(["eu", "us"])
BOTH = MultiPartitionsDefinition({"region": REGIONS, "date": DAILY})


def listener(key: str, source: str, partition: str | None = None, **more: object) -> AssetNode:
    on = On(source=SourceSpec(kind="any", name=source), partition=partition)
    return AssetNode(key=key, step=key, on=(on,), **more)  # type: ignore[arg-type]


class Found(NamedTuple):
    targets: dict[str, tuple[str | None, ...]]
    misses: tuple[str, ...]


def found(event: SourceEvent, *assets: AssetNode) -> Found:
    matching = match(event, AssetGraph([Snapshot(location="here", assets=assets)]), Switches(), NOW)
    targets = {asset: keys for answer in matching.answers for asset, keys in answer.targets.items()}
    return Found(targets, matching.reservations)


def post(**more: object) -> WebhookAccepted:
    return WebhookAccepted(source="webhook:orders", **more)  # type: ignore[arg-type]


def test_every_listener_of_the_source_matches_and_no_other() -> None:
    assets = [listener("a", "webhook:orders"), listener("b", "webhook:orders"), listener("c", "webhook:users")]
    assert found(post(), *assets).targets == {"a": (None,), "b": (None,)}


def test_an_event_that_nothing_listens_to_says_so() -> None:
    assert found(post()).misses == ("nothing listens to webhook:orders",)


def test_an_asset_without_partitions_ignores_captures() -> None:
    event = FileChanged(source="files:x", path="x/2024-01-05.csv", captures={"date": "2024-01-05"})
    assert found(event, listener("a", "files:x")).targets == {"a": (None,)}


def test_a_capture_is_the_key_of_an_asset_with_one_dimension() -> None:
    event = FileChanged(source="files:x", path="x/2024-01-05.csv", captures={"date": "2024-01-05"})
    assert found(event, listener("a", "files:x", partitions=DAILY)).targets == {"a": ("2024-01-05",)}


def test_of_several_captures_the_one_called_partition_is_the_key() -> None:
    event = FileChanged(source="files:x", path="x", captures={"team": "t", "partition": "eu"})
    assert found(event, listener("a", "files:x", partitions=REGIONS)).targets == {"a": ("eu",)}


def test_several_captures_without_a_name_for_the_key_are_a_miss_with_the_mend() -> None:
    event = FileChanged(source="files:x", path="x", captures={"team": "t", "region": "eu"})
    (miss,) = found(event, listener("a", "files:x", partitions=REGIONS)).misses
    assert "call the one that is its key {partition}" in miss


def test_a_partition_that_does_not_exist_is_a_miss_that_says_which_do() -> None:
    event = FileChanged(source="files:x", path="x", captures={"date": "2023-12-31"})
    matching = found(event, listener("a", "files:x", partitions=DAILY))
    assert matching.targets == {}
    assert matching.misses == ("a has no partition '2023-12-31'; its partitions are 2024-01-01 to 2024-01-09",)


def test_captures_named_like_the_dimensions_make_the_key_of_several() -> None:
    event = FileChanged(source="files:x", path="x", captures={"region": "eu", "date": "2024-01-05", "team": "t"})
    assert found(event, listener("a", "files:x", partitions=BOTH)).targets == {"a": ("2024-01-05|eu",)}


def test_a_dimension_that_nothing_names_is_a_miss_with_the_mend() -> None:
    event = FileChanged(source="files:x", path="x", captures={"date": "2024-01-05"})
    (miss,) = found(event, listener("a", "files:x", partitions=BOTH)).misses
    assert miss == "the event does not name region of a; name every dimension, e.g. files('…/{date}/{region}.csv')"


def test_a_dimension_of_time_that_nothing_names_is_its_newest_window() -> None:
    event = FileChanged(source="files:x", path="x", captures={"region": "eu"})
    assert found(event, listener("a", "files:x", partitions=BOTH)).targets == {"a": ("2024-01-09|eu",)}


def test_a_path_names_the_dimension_that_was_not_captured() -> None:
    event = post(captures={"date": "2024-01-05"}, data={"regions": ["eu", "us"]})
    asset = listener("a", "webhook:orders", "$.regions[*]", partitions=BOTH)
    assert found(event, asset).targets == {"a": ("2024-01-05|eu", "2024-01-05|us")}


def test_a_path_may_name_the_whole_key_of_several_dimensions() -> None:
    asset = listener("a", "webhook:orders", "$.key", partitions=BOTH)
    assert found(post(data={"key": "2024-01-05|eu"}), asset).targets == {"a": ("2024-01-05|eu",)}
    (miss,) = found(post(data={"key": "eu|2024-01-05"}), asset).misses
    assert miss == "a has no partition 'eu|2024-01-05'; its partitions are 2024-01-01|eu to 2024-01-09|us"


def test_a_path_into_the_data_names_the_partition() -> None:
    asset = listener("a", "webhook:orders", "$.order.date", partitions=DAILY)
    assert found(post(data={"order": {"date": "2024-01-05"}}), asset).targets == {"a": ("2024-01-05",)}


def test_a_path_that_finds_several_means_each_of_them_once() -> None:
    asset = listener("a", "webhook:orders", "$.orders[*].region", partitions=REGIONS)
    data = {"orders": [{"region": "us"}, {"region": "eu"}, {"region": "us"}]}
    assert found(post(data=data), asset).targets == {"a": ("us", "eu")}


def test_data_without_anything_at_the_path_is_a_miss() -> None:
    asset = listener("a", "webhook:orders", "$.order.date", partitions=DAILY)
    for data in ({}, [], "text", 5, None):
        (miss,) = found(post(data=data), asset).misses
        assert miss == "the event's data has nothing at $.order.date, which names the partition of a"


def test_an_event_that_names_no_partition_is_about_the_newest_window() -> None:
    event = TimerFired(source="every:10s")
    assert found(event, listener("a", "every:10s", partitions=DAILY)).targets == {"a": ("2024-01-09",)}


def test_an_event_that_names_no_partition_means_nothing_to_static_keys() -> None:
    (miss,) = found(TimerFired(source="every:10s"), listener("a", "every:10s", partitions=REGIONS)).misses
    assert "the event names no partition" in miss


def test_one_listener_may_match_while_another_does_not() -> None:
    assets = [listener("a", "webhook:orders"), listener("b", "webhook:orders", "$.day", partitions=DAILY)]
    matching = found(post(data={"day": "1999-01-01"}), *assets)
    assert matching.targets == {"a": (None,)}
    assert len(matching.misses) == 1


def test_a_deleted_file_has_nothing_to_read() -> None:
    event = FileChanged(source="files:x", path="x/a.csv", change="deleted")
    assert found(event, listener("a", "files:x")).misses == ("x/a.csv was deleted, so there is nothing to read",)
