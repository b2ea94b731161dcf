"""Decisions that would be made, as a preview and a dry run print them."""

from __future__ import annotations

from collections.abc import Sequence

from upwell.cli.output import say
from upwell.web.listening_models import Foreseen


def print_decisions(decisions: Sequence[Foreseen]) -> None:
    """Say each decision, with all that its run would make."""
    if not decisions:
        return
    say("this would be decided:")
    for decision in decisions:
        say(f"    {decision.sentence}")
        if decision.makes:
            say(f"        makes {', '.join(decision.makes)}")
