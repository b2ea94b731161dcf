"""Ready-made event sources for Upwell: what `on=[…]` takes."""

from upwell_sensors.files import files
from upwell_sensors.http_polling import http_poll
from upwell_sensors.object_stores import objects
from upwell_sensors.postgres_notifications import postgres_notify
from upwell_sensors.sql_polling import sql_poll
from upwell_sensors.subscriptions import kafka, mqtt, nats, rabbitmq, redis_stream
from upwell_sensors.timers import at, cron, every
from upwell_sensors.webhooks import webhook

__all__ = [
    "at",
    "cron",
    "every",
    "files",
    "http_poll",
    "kafka",
    "mqtt",
    "nats",
    "objects",
    "postgres_notify",
    "rabbitmq",
    "redis_stream",
    "sql_poll",
    "webhook",
]
