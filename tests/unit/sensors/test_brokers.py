"""Declaring brokers, and what the sources of all brokers share."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell import EnvVar
from upwell.errors import DefinitionError, SourceError
from upwell_sensors import kafka, mqtt, nats, rabbitmq, redis_stream
from upwell_sensors.brokers.inflow import Inflow
from upwell_sensors.brokers.payloads import data_of, identity_of, kept_headers
from upwell_sensors.brokers.source import FailureLog, durable_name
from upwell_sensors.brokers.topics import AMQP_ROUTING_KEY, MQTT_TOPIC, NATS_SUBJECT, FlatPattern, TopicPattern

WORDS = st.lists(st.text("abcXYZ019_-", min_size=1), min_size=1, max_size=5)


class TestDeclaring:
    def test_it_is_plain_data_with_a_stable_name(self) -> None:
        source = nats("orders.{region}", debounce="2s").source
        assert (source.kind, source.name) == ("nats", "nats:orders.{region}")
        assert source.params["url"] == "nats://localhost:4222"

    @pytest.mark.parametrize(
        ("declare", "url"),
        [
            (nats, "nats://alice:tr0ub4dor@broker"),
            (nats, "nats://a,nats://s3cr3ttoken@b"),
            (redis_stream, "redis://:tr0ub4dor@broker"),
            (redis_stream, "redis://broker?password=tr0ub4dor"),
            (rabbitmq, "amqp://alice:tr0ub4dor@broker/"),
            (mqtt, "mqtt://alice:tr0ub4dor@broker"),
        ],
    )
    def test_credentials_in_code_are_refused_without_being_repeated(self, declare: Any, url: str) -> None:
        with pytest.raises(DefinitionError, match="EnvVar") as refused:
            declare("orders", url=url)
        assert "tr0ub4dor" not in str(refused.value)
        assert "s3cr3t" not in str(refused.value)

    @pytest.mark.parametrize("declare", [nats, redis_stream, rabbitmq, mqtt, kafka])
    def test_a_url_may_stand_in_the_environment(self, declare: Any) -> None:
        assert declare("orders", url=EnvVar("BROKER")).source.params["url"] == {"env": "BROKER"}

    def test_kafka_takes_its_credentials_from_the_environment_only(self) -> None:
        params = kafka("orders", username=EnvVar("USER"), password=EnvVar("PASSWORD")).source.params
        assert (params["username"], params["password"]) == ({"env": "USER"}, {"env": "PASSWORD"})
        with pytest.raises(DefinitionError, match=r'username=EnvVar\("KAFKA_USERNAME"\)'):
            kafka("orders", username="alice", password=EnvVar("PASSWORD"))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("declare", "problem"),
        [
            (lambda: nats("orders.{region}-x"), "whole word"),
            (lambda: nats("orders..new"), "no word"),
            (lambda: nats(">.orders"), "only come last"),
            (lambda: mqtt("sensors/{site}/{site}"), "twice"),
            (lambda: mqtt("sensors/a+"), "stand alone"),
            (lambda: kafka("orders new"), "letters, digits"),
            (lambda: rabbitmq(), "topic"),
            (lambda: redis_stream(""), "key of the stream"),
            (lambda: nats("orders", start="old"), "choose 'new', 'all'"),  # type: ignore[arg-type]
            (lambda: nats("orders", url="localhost"), "nats://"),
            (lambda: mqtt("orders", identity="$["), "JSONPath"),
        ],
    )
    def test_what_cannot_be_is_refused_where_it_is_written(self, declare: Any, problem: str) -> None:
        with pytest.raises(DefinitionError, match=problem):
            declare()

    @pytest.mark.parametrize("declare", [nats, redis_stream, rabbitmq, mqtt, kafka])
    def test_what_is_declared_can_be_made_by_the_entry_point_of_its_kind(self, declare: Any) -> None:
        spec = declare("orders").source
        project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
        module, _, name = project["entry-points"]["upwell.sources"][spec.kind].partition(":")
        assert getattr(import_module(module), name)(spec.name, **spec.params).name == spec.name

    def test_declaring_loads_no_client(self) -> None:
        program = (
            "import sys; from upwell_sensors import nats; nats('orders'); "
            "print({'faststream', 'nats', 'redis', 'aio_pika', 'zmqtt', 'aiokafka'} & set(sys.modules))"
        )
        answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert answer.stdout == "set()\n"

    def test_each_source_has_a_durable_name_of_its_own_that_every_broker_takes(self) -> None:
        names = {durable_name(name) for name in ("nats:orders.*", "nats:orders.>", "nats:orders")}
        assert len(names) == 3
        assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for name in names)


class TestTopics:
    @pytest.mark.parametrize(
        ("pattern", "filter_", "name", "captures"),
        [
            (TopicPattern.parse("orders.{region}", NATS_SUBJECT), "orders.*", "orders.eu", {"region": "eu"}),
            (TopicPattern.parse("orders.{region}.>", NATS_SUBJECT), "orders.*.>", "orders.eu.a.b", {"region": "eu"}),
            (TopicPattern.parse("sensors/{site}/temp", MQTT_TOPIC), "sensors/+/temp", "sensors/a/temp", {"site": "a"}),
            (TopicPattern.parse("{site}/#", MQTT_TOPIC), "+/#", "a", {"site": "a"}),
            (TopicPattern.parse("/{site}", MQTT_TOPIC), "/+", "/a", {"site": "a"}),
            (TopicPattern.parse("#.{kind}", AMQP_ROUTING_KEY), "#.*", "a.b.new", {"kind": "new"}),
            (TopicPattern.parse("*.{kind}", AMQP_ROUTING_KEY), "*.*", "other", {}),
        ],
    )
    def test_a_capture_is_a_wildcard_for_the_broker(
        self, pattern: TopicPattern, filter_: str, name: str, captures: dict[str, str]
    ) -> None:
        assert pattern.filter == filter_
        assert pattern.captures(name) == captures

    @given(WORDS)
    def test_every_word_may_be_captured(self, words: list[str]) -> None:
        pattern = TopicPattern.parse("/".join(f"{{w{at}}}" for at in range(len(words))), MQTT_TOPIC)
        assert list(pattern.captures("/".join(words)).values()) == words

    def test_a_kafka_pattern_is_a_regular_expression_for_the_client(self) -> None:
        pattern = FlatPattern.parse("orders.{region}-v1")
        assert pattern.regex == r"^orders\.(?:[^.]+)\-v1$"
        assert pattern.captures("orders.eu-v1") == {"region": "eu"}


class TestPayloads:
    @given(st.binary() | st.text().map(str.encode) | st.floats().map(lambda each: str(each).encode()))
    def test_every_body_is_data_that_json_can_hold(self, body: bytes) -> None:
        data = data_of(body)
        assert data_of(_json(data)) == data or isinstance(data, str)

    @pytest.mark.parametrize(
        ("body", "content_type", "data"),
        [
            (b'{"a": 1}', None, {"a": 1}),
            (b"42", None, 42),
            (b"42", "text/plain", "42"),
            (b"plain", "application/json", "plain"),
            (b"\xff", None, {"base64": "/w=="}),
            (b"NaN", None, "NaN"),
            (b"[1e999]", None, "[1e999]"),
            (b'"Infinity"', None, "Infinity"),
            (b"[" * 5000, None, "[" * 5000),
            (b"", None, None),
        ],
    )
    def test_a_body_is_json_or_text_or_bytes(self, body: bytes, content_type: str | None, data: object) -> None:
        assert data_of(body, content_type) == data

    def test_headers_that_sound_of_secrets_are_left_out(self) -> None:
        headers = {"Authorization": "Bearer x", "X-Api-Key": "x", "set-cookie": "x", "trace": 7, b"raw": b"\xff"}
        assert kept_headers(headers) == {"trace": "7", "raw": "\\xff"}

    def test_an_identity_comes_out_of_the_data(self) -> None:
        assert identity_of({"id": "a1"}, "$.id") == "a1"
        assert identity_of({"id": None}, "$.id") is None
        assert identity_of({"id": "a1"}, None) is None
        assert identity_of({"a": 1}, "$") == identity_of({"a": 1}, "$") != identity_of({"a": 2}, "$")
        assert identity_of("text", "$") is not None


@pytest.mark.anyio
class TestInflow:
    async def test_what_is_there_comes_in_one_batch_in_order_and_no_more_than_asked(self) -> None:
        inflow: Inflow[int] = Inflow(10)
        for number in range(5):
            await inflow.hand(number)
        assert await inflow.next(3) == [0, 1, 2]
        assert await inflow.next(3) == [3, 4]

    async def test_who_hands_over_waits_while_it_is_full(self) -> None:
        inflow: Inflow[int] = Inflow(2)

        async def hand_over() -> None:
            for number in range(5):
                await inflow.hand(number)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hand_over)
            await anyio.wait_all_tasks_blocked()
            assert inflow.handed == 2
            told = [*await inflow.next(9)]
            while len(told) < 5:
                told += await inflow.next(9)
        assert told == [0, 1, 2, 3, 4]

    async def test_a_repeat_of_what_is_here_is_not_taken_twice(self) -> None:
        inflow: Inflow[str] = Inflow(10)
        await inflow.hand("a", key=1)
        assert await inflow.next(9) == ["a"]
        await inflow.hand("a once more", key=1)
        inflow.settled()
        await inflow.hand("a again, later", key=1)
        assert await inflow.next(9) == ["a again, later"]

    async def test_a_failure_comes_before_what_waits(self) -> None:
        inflow: Inflow[int] = Inflow(10)
        await inflow.hand(1)
        FailureLog("source", inflow).log(40, "gone", exc_info=ConnectionError("gone"))
        FailureLog("source", inflow).log(50, "and more")
        with pytest.raises(ConnectionError, match="gone"):
            await inflow.next(9)

    async def test_what_is_only_logged_ends_the_source_all_the_same(self) -> None:
        inflow: Inflow[int] = Inflow(10)
        FailureLog("source", inflow).log(30, "a warning")
        FailureLog("source", inflow).log(40, "an error")
        with pytest.raises(SourceError, match="an error"):
            await inflow.next(9)

    async def test_closing_lets_go_and_answers_what_was_not_acknowledged(self) -> None:
        inflow: Inflow[int] = Inflow(2)
        await inflow.hand(1)
        await inflow.hand(2)
        await inflow.next(1)
        await inflow.hand(3)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(inflow.hand, 4)
            await anyio.wait_all_tasks_blocked()
            assert inflow.close() == [1, 2, 3]


def _json(data: object) -> bytes:
    return json.dumps(data).encode()
