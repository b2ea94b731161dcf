from __future__ import annotations

import pytest

from upwell.definitions.retry_policy import Backoff, Jitter, RetryPolicy


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [(None, [2, 2, 2]), (Backoff.LINEAR, [2, 4, 6]), (Backoff.EXPONENTIAL, [2, 6, 14])],
)
def test_the_pause_grows_as_dagster_documents_it(backoff: Backoff | None, pauses: list[float]) -> None:
    policy = RetryPolicy(max_retries=3, delay=2, backoff=backoff)
    assert [policy.delay_before(retry, 0.5) for retry in (1, 2, 3)] == pauses


@pytest.mark.parametrize(
    ("jitter", "least", "most"), [(None, 10, 10), (Jitter.FULL, 0, 10), (Jitter.PLUS_MINUS, 0, 20)]
)
def test_jitter_spreads_the_pause(jitter: Jitter | None, least: float, most: float) -> None:
    policy = RetryPolicy(delay=10, jitter=jitter)
    assert policy.delay_before(1, 0.0) == least
    assert policy.delay_before(1, 0.999999) == pytest.approx(most, rel=1e-4)


def test_without_a_delay_the_retry_comes_at_once() -> None:
    assert RetryPolicy().delay_before(1, 0.7) == 0
