"""Errors as RFC 9457 problem documents: what went wrong and the mend, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from upwell.errors import JournalUnavailable, PartitionError, SelectionError
from upwell.web.models import FieldProblem, Problem

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"retry-after": "2"}


class ProblemResponse(Response):
    """An error as its sender gets it.

    `kind` makes the problem recognisable to programs, as `urn:upwell:problem:<kind>`; without one the status says all.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        kind: str | None = None,
        errors: tuple[FieldProblem, ...] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        problem = Problem(
            type=f"urn:upwell:problem:{kind}" if kind else "about:blank",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            errors=errors,
        )
        super().__init__(problem.model_dump_json(exclude_none=True), status, headers)


class ProblemError(HTTPException):
    """Raised by a route; the client gets it as a problem document."""

    def __init__(
        self, status: int, detail: str, *, kind: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.kind = kind


def not_found(what: str, name: str, known: Collection[str] = ()) -> ProblemError:
    """No `what` is called `name`; names among `known` that are like it may be what was meant."""
    near = get_close_matches(name, known, n=3) or [each for each in known if name and name in each][:3]
    hint = f" Did you mean {' or '.join(map(json.dumps, near))}?" if near else ""
    return ProblemError(404, f"There is no {what} {json.dumps(name)}.{hint}", kind=f"unknown-{what.replace(' ', '-')}")


def install(app: FastAPI) -> None:
    """Let every error of `app` leave as a problem document."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(SelectionError, _selection)
    app.add_exception_handler(PartitionError, _partition)
    app.add_exception_handler(JournalUnavailable, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # Starlette repeats the phrase of the status where nobody gave a detail.
    detail = None if error.detail == HTTPStatus(error.status_code).phrase else str(error.detail)
    return ProblemResponse(error.status_code, detail, kind=getattr(error, "kind", None), headers=error.headers)


async def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return wrong_fields(error.errors())


def wrong_fields(errors: Any) -> ProblemResponse:
    """The 422 for pydantic's list of errors; what the client sent is not repeated, it may be a secret."""
    fields = tuple(FieldProblem(field=".".join(map(str, one["loc"])), message=one["msg"]) for one in errors)
    detail = "; ".join(f"{one.field}: {one.message}" for one in fields[:5])
    return ProblemResponse(422, detail, kind="invalid-request", errors=fields)


async def _selection(_: Request, error: Exception) -> Response:
    return ProblemResponse(422, str(error), kind="invalid-selection")


async def _partition(_: Request, error: Exception) -> Response:
    return ProblemResponse(422, str(error), kind="invalid-partition")


async def _unavailable(_: Request, __: Exception) -> Response:
    detail = "The journal cannot store anything at present. Nothing was done; try again."
    return ProblemResponse(503, detail, kind="journal-unavailable", headers=RETRY_AFTER)


async def _unexpected(_: Request, __: Exception) -> Response:
    # The server logs the exception with its traceback; a client learns nothing of it.
    return ProblemResponse(500, "The service failed to answer. Its log says why.")
