"""`upwell events replay`, `events dead`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import anyio
import typer

from upwell.cli.deciding import print_decisions
from upwell.cli.failures import UsageError
from upwell.cli.options import Json, Url, quiet_settings
from upwell.cli.output import local, note, print_json, say, say_indented
from upwell.cli.service_api import connect
from upwell.cli.switching import who
from upwell.clock import SystemClock
from upwell.durations import parse_duration
from upwell.errors import DefinitionError
from upwell.web.listening_models import DeadLetter, DeadLetterPage, Replay, ReplayRequest
from upwell.web.wording import ago


def replay(
    source: Annotated[str | None, typer.Option("--source", help="The source whose events are replayed ...")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="... that came since: an age such as 2h, or 2024-05-01T12:00 ...")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="... and until: an age, or an instant.")] = None,
    ids: Annotated[list[int] | None, typer.Option("--id", help="An event; may be repeated.")] = None,
    dead_letters: Annotated[bool, typer.Option("--dead-letters", help="All dead letters.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be decided, and write nothing.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Have stored events decided on once more, by the rules of now."""
    request = _request(source, since, until, ids, dead_letters=dead_letters, dry_run=dry_run)
    settings = quiet_settings(url=url)

    async def ask() -> Replay:
        async with connect(settings, (), needs_definitions=False, offline=False) as api:
            return await api.post("/events/replay", request, Replay)

    done = anyio.run(ask)
    if done.left_out:
        note(f"{len(done.left_out)} dead letters are about events that cannot be replayed: {_ids(done.left_out)}")
    if as_json:
        print_json(done)
        return
    many = f"{len(done.replayed)} event{'' if len(done.replayed) == 1 else 's'}"
    if done.dry_run:
        say(f"{many} would be decided on once more; nothing was written")
        print_decisions(done.decisions)
    else:
        say(f"{many} will be decided on once more" if done.replayed else "there is nothing to replay")


def _request(
    source: str | None,
    since: str | None,
    until: str | None,
    ids: list[int] | None,
    *,
    dead_letters: bool,
    dry_run: bool,
) -> ReplayRequest:
    given = [name for name, value in (("--source", source), ("--id", ids), ("--dead-letters", dead_letters)) if value]
    if len(given) != 1:
        raise UsageError("say which events: --source NAME --since T, or --id EVENT, or --dead-letters")
    if source is None and (since or until):
        raise UsageError(f"--since and --until go with --source, not with {given[0]}")
    if source is not None and since is None:
        raise UsageError("say since when, for example --since 2h or --since 2024-05-01T12:00")
    return ReplayRequest(
        source=source,
        since=_instant("--since", since),
        until=_instant("--until", until),
        event_ids=tuple(ids) if ids else None,
        dead_letters=True if dead_letters else None,
        dry_run=dry_run,
        by=who(),
    )


def _instant(option: str, text: str | None) -> datetime | None:
    """The instant that was meant: an age, or a date with a time, in the zone of this machine unless it names one."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        pass
    try:
        age: timedelta = parse_duration(text, what=option)
    except DefinitionError:
        raise UsageError(
            f"{option}={text!r} is neither an age (90s, 2h, 1d) nor an instant (2024-05-01T12:00)"
        ) from None
    return SystemClock().now() - age


def _ids(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids[:10])) + (" ..." if len(ids) > 10 else "")


def dead(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many of the newest.")] = 20,
    traceback: Annotated[bool, typer.Option("--traceback", "-t", help="Also print tracebacks.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List dead letters: events whose consequences failed to the last. `replay` has them decided on once more."""
    settings = quiet_settings(url=url)

    async def ask() -> DeadLetterPage:
        async with connect(settings, (), needs_definitions=False) as api:
            return await api.get("/dead-letters", DeadLetterPage, limit=limit)

    found = anyio.run(ask)
    if as_json:
        print_json(found)
        return
    if not found.dead_letters:
        say("there are no dead letters")
    now = SystemClock().now()
    for letter in found.dead_letters:
        _print_letter(letter, now, traceback=traceback)
    if found.next is not None:
        note(f"these are the newest {limit}; there are more")


def _print_letter(letter: DeadLetter, now: datetime, *, traceback: bool) -> None:
    about = letter.source or letter.kind or "an event that retention has removed"
    by = f"sensor {letter.sensor}" if letter.sensor else f"run {letter.run_id[:8]}" if letter.run_id else ""
    tries = f"{letter.attempts} attempt{'' if letter.attempts == 1 else 's'}"
    say(f"#{letter.event_id:<6} {about}  {local(letter.at)} ({ago(letter.at, now)})  {by}  after {tries}")
    say(f"        {letter.reason.splitlines()[0] if letter.reason else ''}")
    if letter.error is not None:
        say(f"        {letter.error.type}: {letter.error.message}")
        if traceback and letter.error.traceback:
            say_indented("", letter.error.traceback)
