"""Which files: named ones, all media files below a folder, a glob, or the rows of a csv file.

Each has an id, by which it is listed: what the csv says, or its path as it was given. The list is sorted by id, so that
nothing depends on the order of arguments or on how a disk lists its folders.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emotrace.datasets.tables import read_rows
from emotrace.errors import DuplicateName, MediaNotFound, UnreadableMedia, UnreadableTranscript
from emotrace.files import sha256_of

MEDIA_ENDINGS: Final = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv"}
    | {".ts", ".webm", ".wmv", ".aac", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus"}
    | {".wav", ".wma", ".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
"""What is taken from a folder or a glob. A file that is named itself may have any ending."""
_TRANSCRIPT_ENDINGS: Final = (".srt", ".vtt", ".txt")


@dataclass(frozen=True, kw_only=True)
class Input:
    """One file of the batch."""

    id: str
    path: Path
    transcript: Path | None = None
    """Named for it; None leaves it to what lies beside or inside the file."""
    text: str | None = None
    """What is said, without times."""


def expand(names: Sequence[str], *, leave_out: Path | None = None) -> list[Input]:
    """The files that the names stand for, each once, sorted by id.

    Args:
        names: Files, folders (read with all below them; hidden ones are passed over), globs such as `clips/**/*.mp4`,
            or csv files with a column `path` (relative to the csv file) and, if wanted, `transcript`, `text` and `id`.
        leave_out: A folder from which nothing is taken: that of the results.

    Raises:
        MediaNotFound: A name stands for nothing.
        UnreadableMedia: A folder cannot be listed.
        UnreadableTable: A csv file without a column `path`, or with a broken row.
        DuplicateName: Two different rows of one id.
    """
    away = None if leave_out is None else leave_out.resolve()
    found: dict[str, Input] = {}
    for name in names:
        for each in _expand_one(name, away):
            if found.setdefault(each.id, each) != each:
                raise DuplicateName(f"two inputs are called {each.id!r}", where=name, hint="Give each row its own id")
    return [found[id] for id in sorted(found)]


def _expand_one(name: str, away: Path | None) -> Iterator[Input]:
    path = Path(name)
    if path.is_dir():
        files = list(_below(path, away))
        hint = f"Known endings: {' '.join(sorted(MEDIA_ENDINGS))}; name files with other endings themselves"
    elif path.exists():
        if path.suffix.casefold() == ".csv":
            yield from _rows(path)
            return
        files, hint = [path], ""
    else:
        matches = map(Path, glob.glob(name, recursive=True)) if glob.has_magic(name) else ()  # noqa: PTH207 - `Path.glob` takes no absolute pattern
        files = [each for each in matches if _is_media(each) and each.is_file() and not _is_in(each, away)]
        hint = "Check the spelling; put a glob into quotation marks"
    if not files:
        raise MediaNotFound("no media file is there", where=name, hint=hint)
    for file in files:
        yield Input(id=_as_given(file), path=file)


def _below(folder: Path, away: Path | None) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UnreadableMedia(
            f"the folder cannot be listed ({error.strerror})", where=error.filename, hint="Check its permissions"
        )

    for root, folders, files in os.walk(folder, onerror=refuse):
        here = Path(root)
        folders[:] = [name for name in folders if not name.startswith(".") and not _is_in(here / name, away)]
        for name in files:
            if _is_media(here / name) and not name.startswith("."):
                yield here / name


def _rows(path: Path) -> Iterator[Input]:
    for row in read_rows(path, "path"):
        transcript = row.get("transcript")
        yield Input(
            id=row.get("id") or row["path"],
            path=path.parent / row["path"],
            transcript=path.parent / transcript if transcript else None,
            text=row.get("text") or None,
        )


def in_unicode(name: str) -> str:
    """A file's name for people and tables: what is no Unicode in it as question marks."""
    return name.encode("utf-8", "replace").decode()


def _is_media(path: Path) -> bool:
    return path.suffix.casefold() in MEDIA_ENDINGS


def _is_in(path: Path, away: Path | None) -> bool:
    return away is not None and path.resolve().is_relative_to(away)


def _as_given(path: Path) -> str:
    return Path(os.path.normpath(path)).as_posix()


@dataclass(frozen=True, kw_only=True)
class Content:
    """What an input is, whatever it is called."""

    sha256: str
    """Of the media file."""
    key: str
    """The same where no words lie beside it, else a hash of both: two inputs of one key have one result."""


def content_of(each: Input) -> Content:
    """Reads the file, and the transcripts that belong to it.

    Raises:
        MediaNotFound: There is no such file.
        UnreadableMedia: It cannot be read.
        UnreadableTranscript: The transcript that was named is not there, or cannot be read.
    """
    if not each.path.is_file():  # a pipe or a device would never end
        what = "this is not a file" if each.path.exists() else "there is no such file"
        raise MediaNotFound(what, where=each.path, hint="Check the path")
    try:
        sha256 = sha256_of(each.path)
    except OSError as error:
        reason = f"it cannot be read ({error.strerror})"
        raise UnreadableMedia(reason, where=each.path, hint="Check its permissions") from None
    words = {"text": each.text, "files": _words(each)}
    if words == {"text": None, "files": []}:
        return Content(sha256=sha256, key=sha256)
    both = json.dumps({"media": sha256, **words}, sort_keys=True)
    return Content(sha256=sha256, key=hashlib.sha256(both.encode()).hexdigest())


def _words(each: Input) -> list[tuple[str, str]]:
    """Ending and hash of every transcript that could be used."""
    if each.text is not None:
        return []
    files = {each.transcript.suffix: each.transcript} if each.transcript is not None else _beside(each.path)
    try:
        return [(ending, sha256_of(files[ending])) for ending in sorted(files)]
    except OSError as error:
        reason = f"it cannot be read ({error.strerror})"
        raise UnreadableTranscript(reason, where=error.filename, hint="Check its path and permissions") from None


def _beside(media: Path) -> dict[str, Path]:
    """What follows the media file's stem, such as `.en.srt` -> the file. A few more than are read, never fewer."""
    stem = media.stem.casefold()
    try:
        with os.scandir(media.parent) as entries:
            names = [entry.name for entry in entries if entry.name.casefold().startswith(f"{stem}.")]
    except PermissionError:  # its files may be opened, but not listed: nothing is found there later either
        return {}
    files = {name[len(stem) :]: media.parent / name for name in names if name.casefold().endswith(_TRANSCRIPT_ENDINGS)}
    return {ending: path for ending, path in files.items() if path.is_file()}
