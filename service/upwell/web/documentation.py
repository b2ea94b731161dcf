"""The OpenAPI document: what FastAPI knows of its routes, and what stands beside them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from upwell.web import models


class DocumentedApi(FastAPI):
    """A FastAPI application whose document also has the routes that are served without it."""

    def openapi(self) -> dict[str, Any]:
        """The document (`Any`: it is JSON)."""
        if self.openapi_schema is None:
            schema = super().openapi()
            schema["paths"] |= _BESIDE
            schemas = schema["components"]["schemas"]
            for model in (models.WebhookReceipt, models.Readiness, models.Liveness, models.Problem):
                schemas.setdefault(model.__name__, model.model_json_schema(ref_template="#/components/schemas/{model}"))
            schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"token": []}]
        assert self.openapi_schema is not None
        return self.openapi_schema


def _answer(model: type[models.Answer], description: str, media: str = "application/json") -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": description, "content": {media: {"schema": schema}}}


_PROBLEM = _answer(models.Problem, "A problem", "application/problem+json")
_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}

_BESIDE: dict[str, Any] = {
    "/webhooks/{name}": {
        "post": {
            "tags": ["webhooks"],
            "summary": "Deliver an event; it is on disk when the answer comes.",
            "parameters": [_NAME],
            "security": [],
            "requestBody": {"content": {"application/json": {"schema": {}}}},
            "responses": {
                "202": _answer(models.WebhookReceipt, "Accepted"),
                "200": _answer(models.WebhookReceipt, "Accepted before; the same delivery within 7 days"),
                "default": _PROBLEM,
            },
        }
    },
    "/healthz": {
        "get": {
            "tags": ["health"],
            "summary": "Whether the process answers.",
            "security": [],
            "responses": {"200": _answer(models.Liveness, "Alive")},
        }
    },
    "/readyz": {
        "get": {
            "tags": ["health"],
            "summary": "Whether an event would be stored and decided now.",
            "security": [],
            "responses": {"200": _answer(models.Readiness, "Ready"), "503": _PROBLEM},
        }
    },
    "/metrics": {
        "get": {
            "tags": ["health"],
            "summary": "Figures for Prometheus.",
            "responses": {"200": {"description": "Figures", "content": {"text/plain": {}}}, "default": _PROBLEM},
        }
    },
}
