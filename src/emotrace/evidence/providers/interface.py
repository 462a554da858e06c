"""`Provider`: who answers a question about a clip. One method; what goes wrong for good is a reply, not an error."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from emotrace.errors import UploadForbidden
from emotrace.evidence.reasoning.requests import Request, Sense
from emotrace.evidence.reasoning.trace import Section, Usage

Finish = Literal["answered", "refused", "failed"]
"""`answered`: there is a text; `refused`: model or service declined; `failed`: the server will never take it."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back."""

    text: str = ""
    """As it came; read by `reasoning/parsing.py`."""
    finish: Finish = "answered"
    cut_off: bool = False
    """Whether the text ends at the limit of tokens."""
    reason: str | None = None
    """Why there is no answer."""
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    section: Section | None = None
    """A ready-made section, from observers that measure and write no text."""


@runtime_checkable
class Provider(Protocol):
    """Somebody who can be asked about a clip.

    `ask` raises `ServerFailed` where nobody answered although the question may be asked again, after its own retries.
    """

    name: str
    """`http`, `gemini`, `embedded`, `scripted`."""
    model: str
    host: str | None
    """Where requests go; None where nothing is sent anywhere."""
    writes: bool
    """Whether answers are texts written on request: they are then kept in a journal, and checked by grounding."""

    def senses(self) -> tuple[Sense, ...]:
        """What it can take in; asked of a server once."""
        ...

    def ask(self, request: Request) -> Reply:
        """The answer to one question."""
        ...


def is_on_this_machine(host: str | None) -> bool:
    """Whether a host, with or without a port, is this machine itself.

    >>> [is_on_this_machine(host) for host in ("127.0.0.1:8000", "[::1]:80", "localhost.example.org")]
    [True, True, False]
    """
    if host is None:
        return True
    name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_upload(host: str | None, *, corpus: str, may_leave_machine: bool, permission: str | None) -> None:
    """Makes sure that clips which must stay on this machine do.

    Raises:
        UploadForbidden: The corpus's card says no, the host is another machine, and no permission was named.
    """
    if may_leave_machine or permission or is_on_this_machine(host):
        return
    raise UploadForbidden(
        f"the owner of {corpus} does not allow its clips to leave the machine, and {host} is another one",
        where=corpus,
        hint="Use a server on this machine or the embedded observers, or name the owner's permission (--permission)",
    )
