"""Whatever stands in the headers, a scheme answers no, and nothing else: an exception would be a 500."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.web.signatures.registry import SCHEMES
from upwell.web.signatures.scheme import SignatureRejected

NOW = datetime.fromtimestamp(1531420618, UTC)
OPTIONS: dict[str, dict[str, Any]] = {
    "hmac": {"header": "X-Sig", "prefix": "v1=", "template": "{timestamp}.{raw}", "timestamp_header": "X-Time"},
    "mtls": {"clients": ["subject:CN=nobody"]},
}
FURTHER = (b"webhook-id", b"webhook-timestamp", b"svix-timestamp", b"x-slack-request-timestamp", b"x-time")

# What the parsers look for, among anything.
SPLITTERS = [bytes([each]) for each in b', ;:="\x00\xff']
WORDS = [b"v1=", b"v0=", b"v1,", b"v1a,", b"t=1531420618", b"1531420618", b"sha256=", b"Bearer ", b"AAAA", b"00"]
pieces = st.sampled_from([*SPLITTERS, *WORDS, b"Hash=", b"Subject="])
values = st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=8).map(b"".join))


@pytest.mark.parametrize("name", sorted(SCHEMES))
@given(data=st.data())
def test_every_scheme_refuses_what_nobody_signed(name: str, data: st.DataObject) -> None:
    secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="]
    scheme = SCHEMES[name](secrets, **OPTIONS.get(name, {}))
    headers = {header: data.draw(values) for header in (*scheme.proof_headers, *FURTHER)}
    with pytest.raises(SignatureRejected):
        scheme.verify(headers, data.draw(st.binary(max_size=60)), NOW)
