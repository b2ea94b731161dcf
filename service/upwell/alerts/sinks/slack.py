"""Slack, and what understands its incoming webhooks (Mattermost, Rocket.Chat, Discord's `/slack`)."""

from __future__ import annotations

from pydantic_core import to_json

from upwell.alerts.alert import Alert
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.sinks.replies import require_success
from upwell.alerts.sinks.sink import SinkOptions
from upwell.clock import Clock

_MARKS = {"error": ":red_circle:", "warning": ":large_yellow_circle:"}
_WELL = ":large_green_circle:"
_LONGEST_TITLE, _LONGEST_TEXT = 2_900, 2_900  # Slack refuses a block of more than 3,000 characters


class SlackSink:
    """Posts a message. Slack knows no repeats: the id stands small below the text."""

    def __init__(self, options: SinkOptions, outgoing: Outgoing, clock: Clock) -> None:
        self._url = options.required_url()
        self._timeout = options.timeout
        self._outgoing = outgoing

    async def send(self, alert: Alert) -> None:
        headers = {"content-type": "application/json"}
        require_success(
            await self._outgoing.post(self._url, to_json(message_of(alert)), headers, timeout=self._timeout)
        )


def message_of(alert: Alert) -> dict[str, object]:
    """The message as Slack takes it."""
    mark = _WELL if alert.over else _MARKS[alert.severity]
    title, text = _plain(alert.title)[:_LONGEST_TITLE], _plain(alert.text)[:_LONGEST_TEXT]
    blocks: list[object] = [_section(f"{mark} *{title}*")]
    if text:
        blocks.append(_section(text))
    blocks.append({"type": "context", "elements": [{"type": "plain_text", "text": f"upwell {alert.id}"}]})
    return {"text": f"{mark} {title}", "blocks": blocks}


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _plain(text: str) -> str:
    """Text that is shown as it is: what would mention a channel or make a link in it is escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
