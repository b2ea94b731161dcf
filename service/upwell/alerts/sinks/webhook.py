"""A webhook, signed by Standard Webhooks (standardwebhooks.com): whoever takes ours can verify it with any library."""

from __future__ import annotations

import base64
import hmac

from pydantic_core import to_json

from upwell.alerts.alert import Alert
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.sinks.replies import require_success
from upwell.alerts.sinks.sink import SinkOptions
from upwell.clock import Clock


class WebhookSink:
    """Posts `{"type": …, "timestamp": …, "data": …}`; `webhook-id` is the alert's id, so a repeat is known as one.

    Without a secret nothing is signed.
    """

    def __init__(self, options: SinkOptions, outgoing: Outgoing, clock: Clock) -> None:
        self._url = options.required_url()
        self._key = None if options.secret is None else _key(options.name, options.secret)
        self._timeout = options.timeout
        self._outgoing = outgoing
        self._clock = clock

    async def send(self, alert: Alert) -> None:
        said = {"title": alert.title, "text": alert.text}
        body = to_json({"type": alert.type, "timestamp": alert.at.isoformat(), "data": {**alert.data, **said}})
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {"content-type": "application/json", "webhook-id": alert.id, "webhook-timestamp": timestamp}
        if self._key is not None:
            signed = hmac.digest(self._key, b"%b.%b.%b" % (alert.id.encode(), timestamp.encode(), body), "sha256")
            headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
        require_success(await self._outgoing.post(self._url, body, headers, timeout=self._timeout))


def _key(name: str, secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError(f"the secret of the sink {name} must be base64, as a rule after whsec_")
    return key
