"""on_cron() and cron_tick_passed() over changes of the clock, in zones, and across ticks that fall on an evaluation."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def run(dg: ModuleType, kit: ModuleType) -> Any:
    C = dg.AutomationCondition

    def ticks(cron: str, zone: str, start: str, minutes: int, times: int) -> list[Any]:
        @dg.asset(automation_condition=C.cron_tick_passed(cron, zone))
        def one() -> None: ...

        script = kit.Script(dg, [one], start, zone)
        for _ in range(times):
            script.tick().plus(minutes=minutes)
        return [index for index, asked in enumerate(script.log) if asked]

    def on_cron(cron: str, zone: str, start: str, minutes: int, times: int) -> list[Any]:
        @dg.asset
        def up() -> None: ...

        @dg.asset(deps=[up], automation_condition=C.on_cron(cron, zone))
        def down() -> None: ...

        script = kit.Script(dg, [up, down], start, zone)
        for index in range(times):
            if index % 3 == 2:
                script.mat("up")
            script.tick().fulfil().plus(minutes=minutes)
        return [index for index, asked in enumerate(script.log) if asked]

    return {
        "skipped hour": ticks("30 2 * * *", "Europe/Berlin", "2024-03-31 00:10", 10, 30),
        "repeated hour": ticks("30 2 * * *", "Europe/Berlin", "2024-10-27 00:10", 10, 30),
        "repeated hour, hourly": ticks("0 * * * *", "Europe/Berlin", "2024-10-27 00:10", 20, 20),
        "skipped hour, hourly": ticks("0 * * * *", "Europe/Berlin", "2024-03-31 00:10", 20, 20),
        "every quarter": ticks("*/15 * * * *", "America/New_York", "2024-11-03 00:05", 10, 18),
        "weekdays": ticks("0 9 * * 1-5", "Europe/Berlin", "2024-03-28 08:00", 240, 40),
        "on the tick": ticks("0 * * * *", "UTC", "2024-01-01 10:00", 30, 8),
        "midnight": ticks("@daily", "Asia/Kolkata", "2024-01-01 22:10", 60, 30),
        "on_cron, skipped": on_cron("30 2 * * *", "Europe/Berlin", "2024-03-30 00:10", 120, 30),
        "on_cron, repeated": on_cron("30 2 * * *", "Europe/Berlin", "2024-10-26 00:10", 60, 60),
        "wrong cron": kit.outcome(dg, kit.fine(lambda: C.on_cron("* * *"))),
        "labels": [C.on_cron("0 6 * * *", "Europe/Berlin").get_label(), C.cron_tick_passed("0 6 * * *").name],
    }
