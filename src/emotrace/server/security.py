"""Who may ask, from where, and what names of theirs may stand in our answers."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotrace.errors import RequestRefused
from emotrace.server.answers import refusal_response
from emotrace.server.settings import Settings, is_loopback

COOKIE: Final = "emotrace_session"
EVERYBODY: Final = "everybody"
"""Owner of all analyses of a server without keys."""
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
}
_LONGEST_NAME: Final = 120


class Keys:
    """The keys of a server. Keys are compared as hashes, all of them, in constant time."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._owners = {_digest(key.encode()): _tagged(key, "owner") for key in keys}
        self._sessions = {_digest(_tagged(key, "page").encode()): _tagged(key, "owner") for key in keys}

    @property
    def needed(self) -> bool:
        """Whether a request has to bring one."""
        return bool(self._owners)

    def owner_of(self, request: Request) -> str:
        """Whose analyses a request may see.

        Raises:
            RequestRefused: 401, a key is needed and none of ours came.
        """
        if not self._owners:
            return EVERYBODY
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
        owner = _matching(self._owners, key) if key else _matching(self._sessions, request.cookies.get(COOKIE, ""))
        if owner is None:
            raise RequestRefused(
                "this server needs an API key",
                status=401,
                code="no_valid_key",
                hint="Send it as `Authorization: Bearer KEY`",
            )
        return owner

    def session(self, key: str) -> str:
        """What the page's cookie holds in the place of a key; it cannot be turned back into the key.

        Raises:
            RequestRefused: 401, not one of ours.
        """
        if _matching(self._owners, key) is None:
            raise RequestRefused("this is not a key of this server", status=401, code="no_valid_key")
        return _tagged(key, "page")


class Guard:
    """Around the whole application: refuses what a foreign web page sends, and puts the safety headers on answers.

    A server without keys trusts everybody on this machine. A page from elsewhere, open in a browser on this machine,
    is not among them: its requests have another `Origin`, and another `Host` where it rebinds its name to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._any_host = bool(settings.keys)
        self._host = settings.host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers it with 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        app = self._app if refusal is None else refusal_response(refusal)
        await app(scope, receive, send_safely)

    def _refusal(self, method: str, headers: Headers) -> RequestRefused | None:
        host = headers.get("host", "")
        if not self._any_host and not self._is_ours(host):
            return RequestRefused("this server does not answer to that name", status=403, code="foreign_host")
        origin = headers.get("origin")
        is_foreign = origin is not None and urlsplit(origin).netloc != host
        if method not in ("GET", "HEAD", "OPTIONS") and (
            is_foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        ):
            return RequestRefused("a page of another site sent this", status=403, code="foreign_origin")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name == self._host or is_loopback(name)


def shown_name(sent: str) -> str:
    r"""A client's file name as it may be shown: its last part, printable, not long. Nothing is stored under it.

    >>> shown_name("../../etc/pass\x1bwd.mp4"), shown_name("C:\\films\\a.mov"), shown_name("..")
    ('passwd.mp4', 'a.mov', 'upload')
    """
    last = unicodedata.normalize("NFC", sent).replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in last if character.isprintable()).strip(" .")
    if len(name) > _LONGEST_NAME:
        stem, dot, ending = name.rpartition(".")
        ending = f"{dot}{ending}" if stem and len(ending) <= 8 else ""
        name = f"{name[: _LONGEST_NAME - 1 - len(ending)]}…{ending}"
    return name or "upload"


def _matching(known: dict[bytes, str], sent: str) -> str | None:
    digest, owner = _digest(sent.encode("utf-8", "replace")), None
    for each, its_owner in known.items():
        if hmac.compare_digest(each, digest):
            owner = its_owner
    return owner


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _tagged(key: str, tag: str) -> str:
    return hmac.new(key.encode(), f"emotrace {tag}".encode(), hashlib.sha256).hexdigest()
