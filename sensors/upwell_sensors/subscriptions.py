"""Message brokers as event sources: an event for each message, which is acknowledged once it is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias, Unpack, get_args
from urllib.parse import parse_qsl, urlsplit

from upwell.definitions.environment import EnvVar
from upwell.definitions.reactions import On, SourceSpec
from upwell.errors import DefinitionError
from upwell.events import Json
from upwell.sources.reaction import Reaction, listener
from upwell_sensors.brokers.topics import (
    AMQP_ROUTING_KEY,
    MQTT_TOPIC,
    NATS_SUBJECT,
    FlatPattern,
    TopicPattern,
    TopicSyntax,
)
from upwell_sensors.parameters import jsonpath

Start: TypeAlias = Literal["new", "all"]
Mechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
MQTTVersion: TypeAlias = Literal["5.0", "3.1.1"]

_SECRET_PARAMETER = re.compile(r"passw|token|secret|user", re.IGNORECASE)


def nats(
    subject: str,
    *,
    url: str | EnvVar = "nats://localhost:4222",
    stream: str | None = None,
    durable: str | None = None,
    start: Start = "new",
    name: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each message of a NATS JetStream subject, acknowledged once it is stored.

    Args:
        subject: with `*` for a word and `>` for the rest; `{region}` is a word that is captured: the partition.
        url: the server, or several between commas; an `EnvVar` where a user, a password or a token is in it.
        stream: the stream; found by the subject where it is left out. It must exist.
        durable: the name of the durable consumer that keeps the position at the broker; of the source's own.
        start: whether the very first start begins with what is `new`, or with `all` that the stream has.
        name: the source's identity, where one subject is heard at two servers.
        reaction: see `upwell.sources.reaction.Reaction`.

    Raises:
        DefinitionError: an argument cannot be used, or the client is not installed.
    """
    _need("nats", "nats")
    _words("nats", subject, NATS_SUBJECT)
    params = {
        "subject": subject,
        "url": _url("nats", url, ("nats", "tls", "ws", "wss"), "NATS_URL"),
        "stream": stream,
        "durable": _plain("nats", "durable", durable),
        "start": _choice("nats", "start", start, get_args(Start)),
    }
    return listener(SourceSpec(kind="nats", name=name or f"nats:{subject}", params=params), **reaction)


def redis_stream(
    stream: str,
    *,
    url: str | EnvVar = "redis://localhost:6379",
    group: str | None = None,
    start: Start = "new",
    field: str | None = None,
    name: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each entry of a Redis stream, acknowledged once it is stored.

    Args:
        stream: its key; made where it is not there yet.
        url: the server and database; an `EnvVar` where a password is in it.
        group: the consumer group that keeps the position at the broker; of the source's own.
        start: whether the very first start begins with what is `new`, or with `all` that the stream has.
        field: the field that is the message; the others become headers. Without it all fields together are the data.
        name: the source's identity, where one stream is heard at two servers.
        reaction: see `upwell.sources.reaction.Reaction`.

    Raises:
        DefinitionError: an argument cannot be used, or the client is not installed.
    """
    _need("redis_stream", "redis")
    if not stream:
        raise DefinitionError("redis_stream(''): write the key of the stream, for example redis_stream('orders')")
    params = {
        "stream": stream,
        "url": _url("redis_stream", url, ("redis", "rediss", "unix"), "REDIS_URL"),
        "group": group,
        "start": _choice("redis_stream", "start", start, get_args(Start)),
        "field": field,
    }
    return listener(SourceSpec(kind="redis_stream", name=name or f"redis_stream:{stream}", params=params), **reaction)


def rabbitmq(
    topic: str | None = None,
    *,
    url: str | EnvVar = "amqp://localhost:5672/",
    exchange: str = "amq.topic",
    queue: str | None = None,
    identity: str | None = None,
    name: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each message of a RabbitMQ queue, acknowledged once it is stored.

    Args:
        topic: a binding key, for a durable queue of the source's own at `exchange`: `*` is a word, `#` any number of
            them, `{region}` a word that is captured: the partition. Leave it out to hear a `queue` that is there.
        url: the server and virtual host; an `EnvVar` where a user and a password are in it.
        exchange: the topic exchange; declared, durable, unless its name begins with `amq.`.
        queue: the queue that keeps the position at the broker; of the source's own.
        identity: a JSONPath into the data that names a message, for senders that give no `message_id`; a message that
            comes again is then known. `"$"` takes equal bodies for the same message.
        name: the source's identity, where one topic is heard at two servers.
        reaction: see `upwell.sources.reaction.Reaction`.

    Raises:
        DefinitionError: an argument cannot be used, or the client is not installed.
    """
    _need("rabbitmq", "aio_pika")
    if topic is None and queue is None:
        raise DefinitionError('rabbitmq(): write a topic, as in rabbitmq("orders.*"), or queue= for one that is there')
    if topic is not None:
        _words("rabbitmq", topic, AMQP_ROUTING_KEY)
    params = {
        "topic": topic,
        "url": _url("rabbitmq", url, ("amqp", "amqps"), "RABBITMQ_URL"),
        "exchange": exchange,
        "queue": queue,
        "identity": jsonpath("rabbitmq()", "identity", identity),
    }
    return listener(SourceSpec(kind="rabbitmq", name=name or f"rabbitmq:{topic or queue}", params=params), **reaction)


def mqtt(
    topic: str,
    *,
    url: str | EnvVar = "mqtt://localhost:1883",
    qos: Literal[0, 1, 2] = 1,
    client_id: str | None = None,
    start: Start = "new",
    identity: str | None = None,
    version: MQTTVersion = "5.0",
    name: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each message of an MQTT topic, acknowledged once it is stored.

    Args:
        topic: with `+` for a level and `#` for the rest; `{site}` is a level that is captured: the partition.
        url: the broker; an `EnvVar` where a user and a password are in it.
        qos: the quality of service that is asked for; with 0 nothing is kept for a source that is down.
        client_id: the name of the session that the broker keeps; of the source's own.
        start: whether the first subscription begins with what is `new`, or with `all`: what the broker retains, too.
        identity: a JSONPath into the data that names a message, because MQTT does not; a message that comes again is
            then known. `"$"` takes equal bodies for the same message.
        version: of the protocol.
        name: the source's identity, where one topic is heard at two brokers.
        reaction: see `upwell.sources.reaction.Reaction`.

    Raises:
        DefinitionError: an argument cannot be used, or the client is not installed.
    """
    _need("mqtt", "zmqtt")
    _words("mqtt", topic, MQTT_TOPIC)
    params = {
        "topic": topic,
        "url": _url("mqtt", url, ("mqtt", "mqtts"), "MQTT_URL"),
        "qos": _choice("mqtt", "qos", qos, (0, 1, 2)),
        "client_id": client_id,
        "start": _choice("mqtt", "start", start, get_args(Start)),
        "identity": jsonpath("mqtt()", "identity", identity),
        "version": _choice("mqtt", "version", version, get_args(MQTTVersion)),
    }
    return listener(SourceSpec(kind="mqtt", name=name or f"mqtt:{topic}", params=params), **reaction)


def kafka(
    topic: str,
    *,
    url: str | EnvVar = "localhost:9092",
    group: str | None = None,
    start: Start = "new",
    username: EnvVar | None = None,
    password: EnvVar | None = None,
    mechanism: Mechanism = "SCRAM-SHA-512",
    tls: bool = False,
    name: str | None = None,
    **reaction: Unpack[Reaction],
) -> On:
    """An event for each message of a Kafka topic; its offset is committed once it is stored.

    Args:
        topic: its name; `{region}` in it is captured (anything without a dot): all topics that match are heard.
        url: `host:port`, several between commas.
        group: the consumer group that keeps the position at the broker; of the source's own.
        start: whether the very first start begins with what is `new`, or with `all` that the topic has.
        username, password: for SASL, both as `EnvVar`.
        mechanism: of SASL.
        tls: whether the connection is encrypted.
        name: the source's identity, where one topic is heard at two clusters.
        reaction: see `upwell.sources.reaction.Reaction`.

    Raises:
        DefinitionError: an argument cannot be used, or the client is not installed.
    """
    _need("kafka", "aiokafka")
    try:
        FlatPattern.parse(topic)
    except ValueError as error:
        raise DefinitionError(f"kafka({topic!r}): {error}") from None
    if not isinstance(url, EnvVar) and not re.fullmatch(r"[^\s@/,]+:\d+(\s*,\s*[^\s@/,]+:\d+)*", url):
        raise DefinitionError('kafka(): url= takes "host:port", several between commas; who asks goes to username=')
    if (username is None) != (password is None):
        raise DefinitionError(f"kafka({topic!r}): username= and password= go together")
    params = {
        "topic": topic,
        "url": {"env": url.env_var_name} if isinstance(url, EnvVar) else url,
        "group": group,
        "start": _choice("kafka", "start", start, get_args(Start)),
        "username": _secret("username", username),
        "password": _secret("password", password),
        "mechanism": _choice("kafka", "mechanism", mechanism, get_args(Mechanism)),
        "tls": tls,
    }
    return listener(SourceSpec(kind="kafka", name=name or f"kafka:{topic}", params=params), **reaction)


def _need(what: str, client: str) -> None:
    """Say now, where the code is, that the client is missing, and not when the source is started."""
    if missing := [module for module in ("faststream", client) if find_spec(module) is None]:
        raise DefinitionError(f"{what}() needs {' and '.join(missing)}; pip install 'upwell[brokers]'")


def _words(what: str, topic: str, syntax: TopicSyntax) -> None:
    try:
        TopicPattern.parse(topic, syntax)
    except ValueError as error:
        raise DefinitionError(f"{what}({topic!r}): {error}") from None


def _url(what: str, url: str | EnvVar, schemes: Sequence[str], variable: str) -> Json:
    """The URL as a parameter; the message of an error never repeats what may be a secret."""
    if isinstance(url, EnvVar):
        return {"env": url.env_var_name}
    for each in url.split(","):
        parts = urlsplit(each.strip())
        if "@" in parts.netloc or any(_SECRET_PARAMETER.search(key) for key, _ in parse_qsl(parts.query)):
            raise DefinitionError(
                f"{what}(): url= has credentials in it, which do not belong into code. Put the whole URL into an "
                f'environment variable and write url=EnvVar("{variable}")'
            )
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            raise DefinitionError(f"{what}(): url={each!r} is no URL of {'://, '.join(schemes)}:// with a host")
    return url


def _secret(what: str, value: EnvVar | None) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, EnvVar):
        raise DefinitionError(
            f'kafka(): {what}= does not belong into code; write {what}=EnvVar("KAFKA_{what.upper()}")'
        )
    return {"env": value.env_var_name}


def _choice(what: str, option: str, value: Any, choices: Sequence[Any]) -> Json:
    if value not in choices:
        raise DefinitionError(f"{what}(): {option}={value!r} is unknown; choose {', '.join(map(repr, choices))}")
    return value


def _plain(what: str, option: str, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise DefinitionError(f"{what}(): {option}={value!r} may have letters, digits, '_' and '-' only")
    return value
