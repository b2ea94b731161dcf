"""Ready-made event sources for Upwell: what `on=[…]` takes."""

from upwell_sensors.files import files
from upwell_sensors.timers import cron, every
from upwell_sensors.webhooks import webhook

__all__ = ["cron", "every", "files", "webhook"]
