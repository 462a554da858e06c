"""What the server answers: the models behind its OpenAPI description, and one shape for everything that goes wrong."""

from __future__ import annotations

import errno
import re
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse

from emotrace.errors import (
    EmotraceError,
    MediaTooLong,
    MissingExtra,
    OutputError,
    RequestRefused,
    UnreadableMedia,
    WorkerLost,
)
from emotrace.results import Analysis

State = Literal["queued", "running", "done", "failed", "cancelled"]
FINISHED: Final = ("done", "failed", "cancelled")


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Answer):
    """What went wrong."""

    code: str
    """One word for programs, such as `queue_full` or `unreadable_media`."""
    message: str
    hint: str | None = None
    """What can be done about it."""


class ErrorAnswer(Answer):
    """Every answer with a status of 400 and above."""

    error: Problem


class Progress(Answer):
    """How far an analysis is."""

    state: State
    stage: str | None = None
    """What is being done, such as `watching`; the names may change."""
    share: float | None = None
    """How much of the stage is done, 0..1."""
    position: int | None = None
    """How many files of this server come before, while it waits."""
    error: Problem | None = None


class Summary(Answer):
    """The verdict on the whole clip, in a line."""

    duration_seconds: float
    persons: int
    labels: tuple[str, ...]
    """Perceived emotions; empty where it abstained."""
    confidence: float | None
    confidence_basis: str
    """`none`, `simulated` or `fitted:<id>`: what the number was calibrated on."""
    abstain: str | None
    """Why there are no labels."""


class Links(Answer):
    """Where the rest is, relative to the server."""

    self: str
    events: str
    result: str
    report: str
    export: str
    media: str


class Status(Answer):
    """One analysis, without its result."""

    id: str
    name: str
    """Of the file, as the client called it."""
    bytes: int
    state: State
    created: datetime
    finished: datetime | None
    expires: datetime | None
    """When it will be deleted, once finished."""
    progress: Progress
    summary: Summary | None
    error: Problem | None
    links: Links


class StatusWithResult(Status):
    """One analysis."""

    result: Analysis | None
    """There when the state is `done`."""


class StatusPage(Answer):
    """Analyses, the latest first."""

    analyses: tuple[Status, ...]
    next: str | None
    """Give it as `before` to read on; None at the end."""


class Health(Answer):
    """That the server lives, and how busy it is."""

    status: Literal["ok"]
    version: str
    waiting: int
    running: int
    workers: int


class About(Answer):
    """What the page and other clients should know before they send anything."""

    version: str
    needs_key: bool
    upload_bytes: int
    duration_seconds: float
    analysis_seconds: float
    keep_hours: float
    purposes: tuple[str, ...]
    default_purpose: str
    formats: dict[str, str]
    """Of `export`: name -> what it is."""


class SessionKey(Answer):
    """What the page sends to get its cookie."""

    key: str


_MEANINGS: Final = {
    400: "The request is malformed.",
    401: "An API key is needed.",
    403: "A page of another site sent this, or the server was called by a foreign name.",
    404: "No such analysis of yours.",
    408: "The upload stalled.",
    409: "The analysis is not finished, or failed.",
    413: "The file is too large.",
    415: "Not a multipart form, or not a media file.",
    422: "The file, the transcript or an option cannot be used.",
    429: "Too many uploads, or the queue is full; `Retry-After` says when to come back.",
    500: "An error of the server, which it has logged.",
    501: "The server lacks an extra for this.",
    503: "The server is stopping, or its database is away.",
    507: "The server's disk is full.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its description."""
    return {status: {"model": ErrorAnswer, "description": _MEANINGS[status]} for status in statuses}


def problem_of(error: EmotraceError) -> Problem:
    """What a client is told; never where on our disk it happened."""
    code = error.code if isinstance(error, RequestRefused) else _snake(type(error).__name__)
    hint = "Cut the file, or ask whoever runs this server" if isinstance(error, MediaTooLong) else error.hint
    return Problem(code=code, message=error.what, hint=hint)


def status_of(error: EmotraceError) -> int:
    """The status that fits an error."""
    if isinstance(error, RequestRefused):
        return error.status
    if isinstance(error, OutputError):
        cause = error.__cause__
        return 507 if isinstance(cause, OSError) and is_disk_full(cause) else 503
    of_class: dict[type[EmotraceError], int] = {UnreadableMedia: 415, MissingExtra: 501, WorkerLost: 422}
    return of_class.get(type(error), 422)


def is_disk_full(error: OSError) -> bool:
    """Whether writing failed for want of room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def refusal_response(error: EmotraceError) -> JSONResponse:
    """The error as an answer."""
    headers = {}
    if isinstance(error, RequestRefused):
        if error.retry_after_seconds is not None:
            headers["Retry-After"] = str(error.retry_after_seconds)
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
    body = ErrorAnswer(error=problem_of(error)).model_dump()
    return JSONResponse(body, status_code=status_of(error), headers=headers)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
