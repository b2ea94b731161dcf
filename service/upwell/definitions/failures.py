"""Exceptions by which user code says more than that it failed."""

from __future__ import annotations

from collections.abc import Mapping

from upwell.definitions.metadata import normalize_metadata


class Failure(Exception):
    """The step failed, with a reason and metadata for those who look.

    Args:
        allow_retries: false makes the failure final, whatever the retry policy says.
    """

    def __init__(
        self,
        description: str | None = None,
        metadata: Mapping[str, object] | None = None,
        allow_retries: bool = True,
    ) -> None:
        super().__init__(description or "")
        self.description = description
        self.metadata = normalize_metadata(metadata)
        self.allow_retries = allow_retries


class RetryRequested(Exception):
    """The step is to be tried again, up to `max_retries` times, instead of what its retry policy says."""

    def __init__(self, max_retries: int = 1, seconds_to_wait: float | None = None) -> None:
        super().__init__(f"retry requested, at most {max_retries} times")
        self.max_retries = max_retries
        self.seconds_to_wait = seconds_to_wait
