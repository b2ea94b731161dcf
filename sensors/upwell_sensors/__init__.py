"""Ready-made event sources for Upwell: what `on=[…]` takes."""

from upwell_sensors.files import files
from upwell_sensors.timers import at, cron, every
from upwell_sensors.webhooks import webhook

__all__ = ["at", "cron", "every", "files", "webhook"]
