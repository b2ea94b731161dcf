"""Signature schemes by name: ours, and those of packages with an entry point in the group `upwell.signatures`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from upwell.web.signatures.bodies import DbtCloud, Fivetran, GitHub, Shopify
from upwell.web.signatures.certificates import ClientCertificate
from upwell.web.signatures.scheme import SchemeFactory
from upwell.web.signatures.stamped import Slack, Stripe
from upwell.web.signatures.standard import StandardWebhooks
from upwell.web.signatures.templates import TemplateHmac
from upwell.web.signatures.tokens import Bearer, GitLab

ENTRY_POINTS = "upwell.signatures"

SCHEMES: Mapping[str, SchemeFactory] = {
    "bearer": Bearer,
    "dbt_cloud": DbtCloud,
    "fivetran": Fivetran,
    "github": GitHub,
    "gitlab": GitLab,
    "hmac": TemplateHmac,
    "mtls": ClientCertificate,
    "shopify": Shopify,
    "slack": Slack,
    "standard": StandardWebhooks,
    "stripe": Stripe,
}


def scheme_factory(name: str) -> SchemeFactory:
    """The scheme of that name.

    Raises:
        ValueError: there is none.
    """
    if name in SCHEMES:
        return SCHEMES[name]
    found = entry_points(group=ENTRY_POINTS, name=name)
    if not found:
        raise ValueError(
            f"there is no signature scheme {name!r}. Known are {', '.join(sorted(SCHEMES))}; "
            f"others come with packages that register them as entry points in {ENTRY_POINTS!r}"
        )
    factory: SchemeFactory = next(iter(found)).load()
    return factory
