"""What a server is started with, checked once. Every limit has a default that is safe on a small machine."""

from __future__ import annotations

import ipaddress
import math
import os
import re
import socket
from dataclasses import dataclass, field, fields
from pathlib import Path

from emotrace.errors import UsageError
from emotrace.purpose import check_purpose

MIN_KEY_LENGTH = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one client, or one file, may take. All are greater than 0."""

    upload_bytes: int = 200_000_000
    """Largest file that is taken."""
    duration_seconds: float = 600.0
    """Longest recording that is analysed."""
    analysis_seconds: float = 900.0
    """Longest time for one analysis; its worker is then killed."""
    queue: int = 16
    """Most files that wait, those that are still coming included."""
    uploads: int = 4
    """Most files that come in at once."""
    stall_seconds: float = 20.0
    """Longest silence of a client that is sending."""
    keep_hours: float = 24.0
    """How long a finished analysis is kept, with its media."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{each.name} must be greater than 0, got {value}", hint="Name a positive number")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that `create_app` needs to know.

    Raises:
        UsageError: A value that cannot be; also an address that other machines reach, without a key.
        PurposeRefused: A purpose that the law prohibits.
    """

    data: Path
    """Folder of media and results; servers that share a database share it too."""
    host: str = "127.0.0.1"
    port: int = 8000
    keys: tuple[str, ...] = field(default=(), repr=False)
    """Who may ask; each key sees its own analyses. Without one, everybody on this machine may."""
    database: str | None = field(default=None, repr=False)
    """Address of a database as SQLAlchemy has it; None is a SQLite file in `data`."""
    workers: int = 1
    purpose: str = "unspecified"
    """What analyses are for where the client does not say."""
    name: str = field(default_factory=lambda: re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:63] or "server")
    """Of this server among those that share a database."""
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(f"at least one worker is needed, got {self.workers}", where="--workers")
        if _NAME.fullmatch(self.name) is None:
            raise UsageError("not a name of letters, digits, dots and dashes", where=f"--name {self.name!r}")
        for key in self.keys:
            if len(key) < MIN_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
                raise UsageError(
                    f"an API key has fewer than {MIN_KEY_LENGTH} characters, or others than printable ASCII",
                    where="API key",
                    hint='Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"',
                )
        if not (self.keys or is_loopback(self.host)):
            raise UsageError(
                "other machines would reach this address, and no API key protects it",
                where=f"--host {self.host}",
                hint="Put keys into a file and name it with --keys FILE, or stay on --host 127.0.0.1",
            )
        check_purpose(self.purpose)

    @property
    def database_url(self) -> str:
        """The database's address with the driver that is installed by the extra `postgres`."""
        if self.database is None:
            return f"sqlite:///{self.data.resolve() / 'emotrace.sqlite3'}"
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", self.database)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_keys(path: Path | None, variable: str = "EMOTRACE_API_KEYS") -> tuple[str, ...]:
    """The keys of a file, one on each line (`#` begins a remark), and those of the environment, set apart by commas.

    Raises:
        UsageError: The file cannot be read, or holds no key.
    """
    keys = [key.strip() for key in os.environ.get(variable, "").split(",") if key.strip()]
    if path is not None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot be read ({error})", where=path, hint="One key on each line") from None
        found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not found:
            raise UsageError("no key is in it", where=path, hint="One key on each line")
        keys += found
    return tuple(dict.fromkeys(keys))
