"""Whose certificates are believed: the system's, those of SSL_CERT_FILE and SSL_CERT_DIR, and certifi's."""

from __future__ import annotations

import ssl

import certifi


def trusting() -> ssl.SSLContext:
    """A context that verifies the other side and the name it was called by.

    A container without certificates of its own has those of certifi; a company adds its own by SSL_CERT_FILE.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
