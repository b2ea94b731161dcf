"""What user code itself says about trying again."""

from __future__ import annotations

from upwell.definitions.failures import Failure, RetryRequested
from upwell.runtime.messages import RetryWish


def retry_wish(error: BaseException | None) -> RetryWish | None:
    """What user code itself says about trying again; none when it says nothing."""
    match error:
        case RetryRequested():
            return RetryWish(max_retries=error.max_retries, seconds_to_wait=error.seconds_to_wait)
        case Failure(allow_retries=False):
            return RetryWish(max_retries=0)
        case _:
            return None
