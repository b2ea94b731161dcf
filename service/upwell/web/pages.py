"""The two pages that need no catalogue: what this is, and what the API offers. No script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from starlette.responses import HTMLResponse

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem; color: #1c2a33 }
h1, h2 { font-weight: 600 } code { background: #eef2f4; padding: .1em .3em; border-radius: 3px }
td { padding: .25rem 1rem .25rem 0; vertical-align: top } a { color: #06688f }
@media (prefers-color-scheme: dark) { body { background: #11181c; color: #dce5ea } code { background: #22303a }
  a { color: #6cc5ea } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'self'; style-src 'self' 'sha256-{_STYLE_HASH}'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)

_LINKS = {
    "/api/v1/assets": "the assets, their state and freshness",
    "/api/v1/runs": "the runs, newest first",
    "/api/v1/events": "the journal: everything that happened, newest first",
    "/api/v1/sources": "what the service listens to",
    "/api/v1/locations": "the code that is loaded",
    "/docs": "every route of the API",
    "/readyz": "whether an event would be decided now",
    "/metrics": "figures for Prometheus",
}


def start_page(version: str) -> HTMLResponse:
    """What this service is, and where to look. It holds no data, so that it may be public."""
    rows = "".join(
        f'<tr><td><a href="{escape(path)}"><code>{escape(path)}</code></a></td><td>{escape(what)}</td></tr>'
        for path, what in _LINKS.items()
    )
    return _page(
        "Upwell",
        f"<p>Upwell {escape(version)} is running. It listens to webhooks, file changes and timers, and materialises "
        "the data assets that they affect, with everything downstream.</p>"
        "<p>Post an event to <code>/webhooks/NAME</code>, or look at what there is:</p>"
        f"<table>{rows}</table>",
    )


def docs_page(schema: Mapping[str, Any]) -> HTMLResponse:
    """The routes of an OpenAPI document as a list (`Any`: it is JSON)."""
    parts = [
        f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2><p>{escape(what)}</p>{_fields(operation)}"
        for method, path, what, operation in _operations(schema)
    ]
    return _page(
        "Upwell's API",
        '<p>The whole of it, for programs and tools: <a href="/openapi.json"><code>/openapi.json</code></a>.</p>'
        + "".join(parts),
    )


def _operations(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation.get("description") or operation.get("summary", ""), operation


def _fields(operation: Mapping[str, Any]) -> str:
    names = [field["name"] for field in operation.get("parameters", ())]
    return f"<p>Parameters: {', '.join(f'<code>{escape(name)}</code>' for name in names)}</p>" if names else ""


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )
