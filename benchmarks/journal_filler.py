"""A journal with a long past."""

from pathlib import Path

from upwell.clock import SystemClock
from upwell.events import AssetObserved
from upwell.journal.database import open_journal

BATCH = 2_000


async def fill(path: Path, events: int) -> None:
    """Write so many events into a new journal, as a service would have over the years."""
    async with open_journal(f"sqlite+aiosqlite:///{path}", clock=SystemClock()) as journal:
        for start in range(0, events, BATCH):
            await journal.append(
                *(
                    AssetObserved(asset=f"old_{number % 100}", metadata={"n": number})
                    for number in range(start, start + BATCH)
                )
            )
