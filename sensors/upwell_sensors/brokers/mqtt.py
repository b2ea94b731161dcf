"""MQTT: a session that the broker keeps, acknowledged as the journal commits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import anyio.lowlevel
from faststream import AckPolicy
from faststream.mqtt import MQTTBroker, QoS
from faststream.mqtt.message import MQTTMessage
from zmqtt import MQTTClient, ReconnectConfig

from upwell.clock import Clock
from upwell.events import MessageReceived
from upwell.sources.source import Cursor
from upwell_sensors.brokers.inflow import Inflow
from upwell_sensors.brokers.payloads import data_of, identity_of, kept_headers
from upwell_sensors.brokers.source import (
    FAREWELL,
    BrokerSource,
    FailureLog,
    as_it_is,
    connection_lost,
    durable_name,
)
from upwell_sensors.brokers.topics import MQTT_TOPIC, TopicPattern

_SESSION = 7 * 24 * 3600  # seconds for which the broker keeps what comes while nobody is there (MQTT 5)
_TURNS = 100  # of the event loop, in which FastStream hands over what was read before the answer to a ping

# It tells of each connection.
logging.getLogger("zmqtt").setLevel(logging.WARNING)


class MQTTSource(BrokerSource[MQTTMessage]):
    """Hears a topic; the cursor only tells when something was heard, since the position is the broker's session."""

    def __init__(
        self,
        name: str,
        *,
        topic: str,
        url: str,
        qos: int = 1,
        client_id: str | None = None,
        start: str = "new",
        identity: str | None = None,
        version: Literal["5.0", "3.1.1"] = "5.0",
    ) -> None:
        super().__init__(name, url)
        self._pattern = TopicPattern.parse(topic, MQTT_TOPIC)
        self._url = url
        self._qos = QoS(qos)
        self._client_id = client_id or durable_name(name)
        self._all = start == "all"
        self._identity = identity
        self._version = version
        self._client: MQTTClient | None = None
        self._resumed = False  # whether the broker still had our session
        self._catching_up = False

    def _broker(self, inflow: Inflow[MQTTMessage]) -> MQTTBroker:
        async def lost() -> None:
            inflow.fail(connection_lost("the MQTT broker"))

        return MQTTBroker(
            self._url,
            client_id=self._client_id,
            clean_session=False,
            session_expiry_interval=_SESSION,
            # No receive_maximum: Mosquitto 2.0 exceeds it when a session is resumed, and the client would hang up each
            # time. What is too much waits in the client's queue, and then in the socket.
            session_replay_buffer_size=0,  # no limit of the client's own, at which it hangs up
            version=self._version,
            mqtt_connect_timeout=10.0,
            keepalive=20,
            # After a reconnection the messages under way come again beside those that are here; start again instead.
            reconnect=ReconnectConfig(enabled=False),
            on_connection_recovery_failed=lost,
            apply_types=False,
            graceful_timeout=FAREWELL,
            logger=FailureLog(self.name, inflow),
        )

    async def _start(self, broker: MQTTBroker, inflow: Inflow[MQTTMessage], cursor: Cursor, clock: Clock) -> None:
        self._client = await broker.connect()
        self._resumed = self._catching_up = self._client.connection_info.session_present
        subscriber = broker.subscriber(
            self._pattern.filter, qos=self._qos, ack_policy=AckPolicy.MANUAL, no_reply=True, decoder=as_it_is
        )
        subscriber(partial(self._hand, inflow))
        await broker.start()

    async def _hand(self, inflow: Inflow[MQTTMessage], message: MQTTMessage) -> None:
        # A broker repeats what it retains with each subscription, also to who has heard it.
        if message.raw_message.retain and (self._resumed or not self._all):
            await message.ack()
        else:
            await inflow.hand(message)

    async def _before_waiting(self, inflow: Inflow[MQTTMessage]) -> None:
        """Find out whether there is a backlog still: a broker sends what it has before it answers a ping."""
        while self._catching_up and inflow.is_empty:
            assert self._client is not None
            before = inflow.handed
            await self._client.ping()
            for _ in range(_TURNS):
                await anyio.lowlevel.checkpoint()
            self._catching_up = inflow.handed != before

    def _event(self, message: MQTTMessage, clock: Clock) -> MessageReceived:
        raw = message.raw_message
        data = data_of(raw.payload, message.content_type)
        return MessageReceived(
            source=self.name,
            path=raw.topic,
            data=data,
            headers=kept_headers(message.headers),
            captures=self._pattern.captures(raw.topic),
            delivery_id=identity_of(data, self._identity),
            caught_up=raw.retain or self._catching_up,
            cursor={"heard_at": clock.now().isoformat()},
        )

    async def _acknowledge(self, messages: Sequence[MQTTMessage]) -> None:
        for message in messages:
            await message.ack()

    async def _stop(self, broker: Any, unacknowledged: Sequence[MQTTMessage]) -> None:
        # Disconnected first: FastStream would unsubscribe, and the broker would keep nothing for us.
        if self._client is not None:
            await self._client.disconnect()
        await broker.stop()
