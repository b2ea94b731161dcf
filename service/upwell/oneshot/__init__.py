"""Running without the service: `materialize()`, its result and its history, in this process."""
