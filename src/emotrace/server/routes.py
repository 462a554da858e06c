"""The addresses below /v1, each a few lines around one call."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer
from starlette.responses import FileResponse, StreamingResponse

from emotrace._version import __version__
from emotrace.errors import UnknownChoice
from emotrace.export import FORMATS
from emotrace.purpose import PURPOSES
from emotrace.results import Analysis, json_schema
from emotrace.server.answers import About, SessionKey, Status, StatusPage, StatusWithResult, errors
from emotrace.server.events import events
from emotrace.server.security import COOKIE
from emotrace.server.service import Service
from emotrace.server.uploads import Options
from emotrace.server.worker import MEDIA, REPORT, RESULT

EXPORTS: Final = {name: form for name, form in FORMATS.items() if form.ending and not form.experimental}
"""Formats of one file each."""
EVENT: Final = {
    "type": "object",
    "properties": {
        "event": {"enum": ["progress", "done", "failed", "cancelled"]},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "A `Progress`."},
    },
    "required": ["event", "data"],
}
_PRIVATE: Final = {"Cache-Control": "private, no-cache"}
_MEDIA_TYPES: Final = {".csv": "text/csv", ".tsv": "text/tab-separated-values", ".vtt": "text/vtt"}


def service_of(request: Request) -> Service:
    """The service behind the application."""
    service: Service = request.app.state.service
    return service


Served = Annotated[Service, Depends(service_of)]


def owner_of(
    request: Request,
    service: Served,
    _bearer: Annotated[Any, Security(HTTPBearer(auto_error=False, description="An API key."))],
    _header: Annotated[Any, Security(APIKeyHeader(name="X-API-Key", auto_error=False))],
    _cookie: Annotated[Any, Security(APIKeyCookie(name=COOKIE, auto_error=False, description="Of the page."))],
) -> str:
    """Whose analyses the request may see; the three ways to say so are named for the description only."""
    return service.keys.owner_of(request)


Owner = Annotated[str, Depends(owner_of)]

router = APIRouter(prefix="/v1")


def _form() -> dict[str, Any]:
    """The description of the upload's body, which is read as it arrives and not by FastAPI."""
    binary = {"type": "string", "format": "binary"}
    files = {
        "file": {**binary, "description": "A video, sound or picture file."},
        "transcript": {**binary, "description": "A .srt, .vtt or .txt file."},
    }
    properties = {**files, **Options.model_json_schema()["properties"]}
    schema = {"type": "object", "required": ["file"], "properties": properties, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post(
    "/analyses",
    status_code=202,
    responses=errors(400, 401, 403, 408, 413, 415, 422, 429, 503, 507),
    openapi_extra=_form(),
)
async def upload(request: Request, response: Response, service: Served, owner: Owner) -> Status:
    """Takes a file in and answers at once; `Location` says where its analysis will be."""
    status = service.status(await service.take(request, owner))
    response.headers["Location"] = status.links.self
    return status


@router.get("/analyses", responses=errors(401, 403, 404, 422, 503))
def history(
    service: Served,
    owner: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> StatusPage:
    """Your analyses, the latest first."""
    place = None if before is None else service.entry(before, owner)
    found = service.store.history(owner, limit=limit + 1, before=place)
    shown = found[:limit]
    return StatusPage(
        analyses=tuple(service.status(entry) for entry in shown),
        next=shown[-1].id if len(found) > limit else None,
    )


@router.get("/analyses/{id}", responses={200: {"model": StatusWithResult}, **errors(401, 403, 404, 503)})
def analysis(id: str, service: Served, owner: Owner) -> Response:
    """One analysis: its state and, when that is `done`, its result."""
    entry = service.entry(id, owner)
    status = service.status(entry).model_dump_json()
    result = service.file(entry, RESULT).read_text(encoding="utf-8").rstrip() if entry.state == "done" else "null"
    return Response(f'{status[:-1]},"result":{result}}}', media_type="application/json", headers=_PRIVATE)


@router.delete("/analyses/{id}", status_code=204, responses=errors(401, 403, 404, 503))
async def delete(id: str, service: Served, owner: Owner) -> None:
    """Ends an analysis if it runs, and deletes its media, its result and its report."""
    await service.delete(await asyncio.to_thread(service.entry, id, owner))


@router.get(
    "/analyses/{id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": EVENT}}, "description": "Server-sent events."},
        **errors(401, 403, 404, 503),
    },
)
async def follow(id: str, service: Served, owner: Owner) -> StreamingResponse:
    """Progress as server-sent events; ends with one of `done`, `failed`, `cancelled`."""
    entry = await asyncio.to_thread(service.entry, id, owner)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        events(entry, service.store, service.jobs), media_type="text/event-stream", headers=headers
    )


@router.get(
    "/analyses/{id}/result",
    response_class=FileResponse,
    responses={200: {"model": Analysis}, **errors(401, 403, 404, 409, 503)},
)
def result(id: str, service: Served, owner: Owner) -> FileResponse:
    """The result as `emotrace analyze` writes it."""
    path = service.finished_file(service.entry(id, owner), RESULT)
    return FileResponse(path, media_type="application/json", headers=_PRIVATE)


@router.get(
    "/analyses/{id}/report",
    response_class=FileResponse,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "The report."},
        **errors(401, 403, 404, 409, 503),
    },
)
def report(id: str, service: Served, owner: Owner) -> FileResponse:
    """The result as a page, with the media and the evidence."""
    path = service.finished_file(service.entry(id, owner), REPORT)
    return FileResponse(path, media_type="text/html", headers=_PRIVATE)


@router.get(
    "/analyses/{id}/media",
    response_class=FileResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The file."},
        206: {"content": {"application/octet-stream": {}}, "description": "A range of it."},
        416: {"description": "No such range of bytes."},
        **errors(401, 403, 404, 503),
    },
)
def media(id: str, service: Served, owner: Owner) -> FileResponse:
    """The file that was sent, whole or in ranges."""
    entry = service.entry(id, owner)
    headers = {**_PRIVATE, "Content-Security-Policy": "default-src 'none'; sandbox"}
    return FileResponse(service.file(entry, MEDIA), media_type=entry.media_type, headers=headers)


@router.get(
    "/analyses/{id}/export",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The result in that format."},
        **errors(401, 403, 404, 409, 422, 501, 503),
    },
)
def export(
    id: str,
    service: Served,
    owner: Owner,
    to: Annotated[str, Query(description=f"One of {', '.join(EXPORTS)}.", json_schema_extra={"enum": [*EXPORTS]})],
) -> Response:
    """The result for other programs. A best guess of an abstention is never exported as a label."""
    entry = service.entry(id, owner)
    if to not in EXPORTS:
        raise UnknownChoice(f"unknown format {to[:40]!r}", hint=f"Choose one of: {', '.join(EXPORTS)}")
    path, form = service.finished_file(entry, RESULT), EXPORTS[to]
    content = form.write(Analysis.read(path))
    name = quote(Path(entry.name).stem + form.ending, safe="")
    fallback = "application/json" if to in ("jsonl", "boris-project") else "text/plain"
    kind = _MEDIA_TYPES.get(Path(form.ending).suffix, fallback) if form.is_text else "application/octet-stream"
    headers = {**_PRIVATE, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(content, media_type=kind, headers=headers)


@router.get("/schema", responses=errors(403))
def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a result."""
    return json_schema()


@router.get("/about", responses=errors(403))
def about(service: Served) -> About:
    """Limits and choices of this server; needs no key."""
    settings = service.settings
    return About(
        version=__version__,
        needs_key=service.keys.needed,
        upload_bytes=settings.limits.upload_bytes,
        duration_seconds=settings.limits.duration_seconds,
        analysis_seconds=settings.limits.analysis_seconds,
        keep_hours=settings.limits.keep_hours,
        purposes=PURPOSES,
        default_purpose=settings.purpose,
        formats={name: form.about for name, form in EXPORTS.items()},
    )


@router.post("/session", status_code=204, responses=errors(401, 403, 422))
def open_session(key: SessionKey, request: Request, response: Response, service: Served) -> None:
    """For the page: exchanges a key for a cookie that scripts cannot read and other sites cannot send."""
    response.set_cookie(
        COOKIE,
        service.keys.session(key.key),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )


@router.delete("/session", status_code=204, responses=errors(403))
def close_session(response: Response) -> None:
    """Forgets the cookie."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
