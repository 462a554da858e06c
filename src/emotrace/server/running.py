"""Listening: the application under uvicorn, in this process, until it is told to stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from emotrace.errors import UsageError
from emotrace.server.app import create_app
from emotrace.server.service import opened
from emotrace.server.settings import Settings
from emotrace.server.store import Store

_MOST_CONNECTIONS: Final = 1000
_BACKLOG: Final = 1024
_PATIENCE_SECONDS: Final = 3
"""How long open answers may take when the server is told to stop."""


def serve_for_ever(settings: Settings, *, listening: Callable[[str], None] | None = None, quiet: bool = False) -> None:
    """Serves until Ctrl-C or SIGTERM.

    Args:
        settings: Of the server.
        listening: Called with the address once requests are taken.
        quiet: Whether to log nothing but errors.

    Raises:
        UsageError: The address is taken, the database cannot be used, or another server has the folder.
        UnwritableOutput: The folder cannot be made.
    """
    with _listening(settings) as sock, opened(settings) as store:
        server = _server(settings, store, quiet=quiet)
        if listening is not None:
            listening(_address(settings, sock))
        server.run(sockets=[sock])


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """A server in a thread of this process, for tests and notebooks; gives its address.

    Raises:
        UsageError, UnwritableOutput: As for `serve_for_ever`.
    """
    with _listening(settings) as sock, opened(settings) as store:
        server = _server(settings, store, quiet=True)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                thread.join(0.01)
            yield _address(settings, sock)
        finally:
            server.should_exit = True
            thread.join()


def _server(settings: Settings, store: Store, *, quiet: bool) -> uvicorn.Server:
    config = uvicorn.Config(
        create_app(settings, store),
        http="h11",
        ws="none",
        lifespan="on",
        log_level="error" if quiet else "info",
        access_log=not quiet,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_PATIENCE_SECONDS,
    )
    return uvicorn.Server(config)


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((settings.host, settings.port))
            sock.listen(_BACKLOG)  # from here on requests wait for us, and none is refused
        except OSError as error:
            raise UsageError(
                f"cannot listen there ({error.strerror})",
                where=f"--host {settings.host} --port {settings.port}",
                hint="Choose another port, or 0 for any free one",
            ) from None
        yield sock


def _address(settings: Settings, sock: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{sock.getsockname()[1]}"
