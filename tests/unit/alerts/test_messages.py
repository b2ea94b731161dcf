"""What stands in a message, and how it is proved to be ours."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks

from upwell.alerts.alert import alert_of, summary_of
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.routing import Reader, wants
from upwell.alerts.sinks.email import message_of as mail_of
from upwell.alerts.sinks.sink import SinkOptions
from upwell.alerts.sinks.slack import message_of as slack_of
from upwell.alerts.sinks.webhook import WebhookSink
from upwell.clock import SystemClock
from upwell.events import ErrorInfo, FreshnessState, IncidentChanged, Lateness, Member, RunId
from upwell.logs import Redact

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()


def changed(**more: Any) -> IncidentChanged:
    fields: dict[str, Any] = {
        "incident": "i1",
        "number": 3,
        "change": "opened",
        "trouble": "freshness",
        "subject": "raw/orders",
        "assets": ("raw/orders",),
        "severity": "error",
        "opened_at": NOON,
        "happened_at": NOON,
        "summary": "raw/orders is late",
        "joined": (Member(name="raw/orders", since=NOON), Member(name="mart", since=NOON)),
        "affected": 1,
        "lateness": Lateness(state="FAIL", previous_state="PASS", deadline=NOON),
    }
    return IncidentChanged(**fields | more)


class Everybody:
    """Knows every asset, and that anybody wants it."""

    def has_any(self, selection: str, assets: Sequence[str]) -> bool:
        return True

    def knows_any(self, assets: Sequence[str]) -> bool:
        return True

    def owners(self, assets: Sequence[str]) -> set[str]:
        return set()


def test_an_alert_says_what_is_to_blame_and_what_is_so_because_of_it() -> None:
    alert = alert_of(changed())
    assert (alert.id, alert.type, alert.over) == ("i1.3", "incident.opened", False)
    assert alert.title == "raw/orders is late, and 1 more is because of it"
    assert alert.text == "last made: never\ndeadline: 2026-03-01 12:00:00 UTC\naffected: mart"
    assert alert.data["affected"] == ["mart"]


def test_what_was_found_after_the_service_had_been_down_says_so() -> None:
    late = Lateness(state="FAIL", previous_state="PASS", deadline=NOON, caught_up=True)
    assert "it was down at that time" in alert_of(changed(lateness=late)).text


def test_a_deadline_at_risk_says_why_and_what_takes_the_time() -> None:
    late = Lateness(state="PASS", previous_state="PASS", deadline=NOON, risk="raw runs for an hour", slow_hop="raw")
    text = alert_of(changed(lateness=late, joined=(), affected=0, severity="warning")).text
    assert text == "deadline: 2026-03-01 12:00:00 UTC\nat risk: raw runs for an hour; what takes the time is raw"


@pytest.mark.parametrize(("state", "told"), [("PASS", False), ("WARN", True), ("FAIL", True)])
def test_that_a_deadline_at_risk_was_kept_is_told_to_nobody(state: FreshnessState, told: bool) -> None:
    late = Lateness(state=state, previous_state="PASS", deadline=NOON, risk="slow", slow_hop="raw")
    assert wants(Reader(), changed(lateness=late), Everybody(), told=False)
    assert wants(Reader(), changed(change="closed", lateness=late), Everybody(), told=True) is told


def test_of_many_that_are_affected_the_first_are_named_and_all_are_counted() -> None:
    members = tuple(Member(name=f"m{number:05}", since=NOON) for number in range(10_000))
    alert = alert_of(changed(joined=members, affected=10_000))
    assert len(alert.text) < 1_000
    assert alert.text.endswith("and 9950 more")
    assert alert.data["affected_count"] == 10_000


def test_a_failure_says_the_error_and_the_run() -> None:
    error = ErrorInfo(type="ValueError", message="no rows", traceback="Traceback: secret things")
    alert = alert_of(changed(trouble="asset", lateness=None, joined=(), affected=0, error=error, run_id=RunId("r1")))
    assert alert.text == "error: ValueError: no rows\nrun: r1"
    assert "Traceback" not in str(alert)


def test_secrets_that_user_code_let_slip_are_taken_out_before_anything_is_cut_off() -> None:
    message = "x" * 480 + " cannot connect to postgresql://ann:hunter22@db/x with t0k3n-of-ours"
    error = ErrorInfo(type="OperationalError", message=message)
    alert = alert_of(changed(error=error), Redact(["t0k3n-of-ours"]).text)
    assert "hunter22" not in str(alert)
    assert "t0k3n" not in str(alert)


def test_a_summary_names_each_and_is_as_bad_as_the_worst() -> None:
    alerts = [alert_of(changed(incident=f"i{number}", severity="warning")) for number in range(60)]
    alerts.append(alert_of(changed(incident="worse")))
    alerts.append(alert_of(changed(incident="over", change="closed")))
    summary = summary_of(alerts)
    assert (summary.severity, summary.over, len(summary.incidents)) == ("error", False, 62)
    assert summary.title == "61 things went wrong, 1 are over"
    assert summary.text.endswith("and 12 more")
    assert summary.id == summary_of(alerts).id


@pytest.mark.anyio
async def test_a_webhook_is_verified_by_the_reference_library(http_receiver: Any) -> None:
    here = Outgoing([ipaddress.ip_network("127.0.0.0/8")])
    sink = WebhookSink(SinkOptions(name="hook", url=http_receiver.url, secret=SECRET), here, SystemClock())
    await sink.send(alert_of(changed()))
    [(_, headers, body)] = http_receiver.requests
    told = standardwebhooks.Webhook(SECRET).verify(body, headers)
    assert told["data"]["subject"] == "raw/orders"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(body + b" ", headers)


def test_slack_shows_text_as_text() -> None:
    event = changed(summary="<!channel> & <https://evil.example|click>", affected=0)
    message = json.dumps(slack_of(alert_of(event)))
    assert "<!channel>" not in message
    assert "&lt;!channel&gt; &amp; " in message


def test_slack_takes_no_block_that_is_too_long() -> None:
    message = slack_of(alert_of(changed(summary="x" * 10_000)))
    assert all(len(json.dumps(block)) < 3_100 for block in message["blocks"])  # type: ignore[attr-defined]


def test_mails_about_one_incident_are_a_thread_and_a_repeat_is_known() -> None:
    opened, again = (mail_of(alert_of(changed()), "Upwell <up@well.example>", ("ann@example.com",)) for _ in range(2))
    closed = mail_of(alert_of(changed(number=4, change="closed")), "Upwell <up@well.example>", ("ann@example.com",))
    assert opened["Message-ID"] == again["Message-ID"] == "<i1.3@well.example>"
    assert closed["Message-ID"] == "<i1.4@well.example>"
    assert opened["References"] == closed["References"]
    assert opened["Subject"] == "[upwell error] raw/orders is late, and 1 more is because of it"


def test_nothing_in_an_alert_can_add_a_header_to_a_mail() -> None:
    mail = mail_of(alert_of(changed(summary="late\r\nBcc: eve@example.com")), "up@well.example", ("ann@example.com",))
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("[upwell error] late Bcc: eve@example.com")
