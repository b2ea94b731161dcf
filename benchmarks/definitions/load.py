"""An asset that listens to signed webhooks."""

from upwell import EnvVar, asset
from upwell_sensors import webhook


@asset(on=[webhook("load", scheme="github", secret=EnvVar("BENCH_SECRET"))])
def load() -> None:
    return None
