"""The application: the routes, the page, and one shape for every error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Annotated, Final

from fastapi import FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response

from emotrace._version import __version__
from emotrace.errors import EmotraceError, RequestRefused
from emotrace.samples import sample_clip
from emotrace.server.answers import ErrorAnswer, Health, errors, refusal_response
from emotrace.server.routes import Served, router
from emotrace.server.security import Guard
from emotrace.server.service import running
from emotrace.server.settings import Settings
from emotrace.server.store import Store

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASSETS: Final = {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_SAMPLE: Final = {"sample.mp4": ("video/mp4", ".mp4"), "sample.srt": ("application/x-subrip", ".srt")}


def create_app(settings: Settings, store: Store) -> FastAPI:
    """The ASGI application of one server, on the store that `service.opened` gives.

    It needs no asset from outside and asks nobody anything.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, store) as service:
            app.state.service = service
            yield

    app = FastAPI(
        title="emotrace",
        summary="Video emotion recognition that shows its evidence",
        description="Perceived emotions, never felt ones. Every error has the shape `ErrorAnswer`.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # these pages load their scripts from elsewhere
        redoc_url=None,
        exception_handlers={
            EmotraceError: _refused,
            HTTPException: _http_error,
            RequestValidationError: _invalid,
            Exception: _failed,
        },
    )
    app.add_middleware(Guard, settings=settings)
    app.include_router(router)
    app.get("/healthz", responses=errors(403))(health)
    app.get("/", include_in_schema=False)(index)
    app.get("/page/{name}", include_in_schema=False)(asset)
    return app


def health(service: Served) -> Health:
    """Answers at once as long as the server lives, however busy it is."""
    jobs = service.jobs
    return Health(
        status="ok",
        version=__version__,
        waiting=jobs.waiting,
        running=jobs.running,
        workers=service.settings.workers,
    )


def index() -> Response:
    """The page."""
    return Response(_page_file("index.html"), media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def asset(name: Annotated[str, Path()]) -> Response:
    """What the page consists of, and the sample clip with its subtitle."""
    if name in _SAMPLE:
        kind, ending = _SAMPLE[name]
        return FileResponse(sample_clip().with_suffix(ending), media_type=kind)
    if name not in _ASSETS:
        raise RequestRefused("there is no such file", status=404, code="not_found")
    return Response(_page_file(name), media_type=_ASSETS[name], headers={"Cache-Control": "no-cache"})


def _page_file(name: str) -> bytes:
    return resources.files("emotrace.server").joinpath("page", name).read_bytes()


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, EmotraceError)
    return refusal_response(error)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    answer = ErrorAnswer.model_validate(
        {"error": {"code": codes.get(error.status_code, "bad_request"), "message": str(error.detail).lower()}}
    )
    return JSONResponse(answer.model_dump(), status_code=error.status_code, headers=error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    refusal = RequestRefused(f"{place}: {first['msg']}", status=422, code="invalid_request")
    return refusal_response(refusal)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    refusal = RequestRefused("an error of the server, which it has logged", status=500, code="server_error")
    return refusal_response(refusal)
