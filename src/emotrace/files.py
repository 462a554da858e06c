"""Writing a file so that it is there whole, or not at all; its lines, its hash; the folder for what can be fetched."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path

from emotrace.errors import UnwritableOutput


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: str | Path, content: str | bytes) -> Path:
    """Writes `content` to `path` by way of a temporary file in the same folder; text goes out as UTF-8.

    Whoever looks sees the old file or the new one. The folder must exist; a link is followed. Returns `path`.

    Raises:
        UnwritableOutput: The folder is absent or closed, the target is not an ordinary file, or the disk is full.
            The target is then as it was.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise OSError(None, "it is a folder or a device, not a file")
        _replace(target, data)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, in Python 3.11 and 3.12
        raise UnwritableOutput(
            f"cannot be written ({getattr(error, 'strerror', None) or error})",
            where=path,
            hint="Choose a file name in a folder that exists and that you may write to",
        ) from error
    return path


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name[:40]}.{os.getpid()}-{threading.get_ident()}.part")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def lines_of(text: str) -> list[str]:
    r"""The lines of a text, without their ends.

    Only line feeds and carriage returns end one. `str.splitlines` also cuts at characters that a JSON string or a name
    may hold, such as U+2028 and U+0085.

    >>> lines_of("one\r\ntwo\u2028still two\n")
    ['one', 'two\u2028still two']
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def flat_name(name: str) -> str:
    """A clip's name as that of one file: names may hold folders, and a folder of features holds none.

    >>> flat_name("train/dia0_utt1")
    'train__dia0_utt1'
    """
    return name.replace("/", "__")


def make_folder(path: str | Path) -> Path:
    """The folder, made with its parents if it is not there.

    Raises:
        UnwritableOutput: It cannot be made, or a file is in its place.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"the folder cannot be made ({error.strerror or error})"
        raise UnwritableOutput(reason, where=path, hint="Choose another folder") from error
    return path


def cache_folder() -> Path:
    """Where pulled weights and kept answers lie: `EMOTRACE_HOME` if set, else the platform's cache folder.

    It may not exist yet.
    """
    if home := os.environ.get("EMOTRACE_HOME"):
        return Path(home)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "emotrace"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "emotrace"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "emotrace"
