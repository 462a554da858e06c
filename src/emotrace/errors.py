"""Every error that emotrace raises on purpose, so that callers can pick what to catch without reading code.

* EmotraceError
  x MediaError (ValueError)
    - MediaNotFound (FileNotFoundError)
    - EmptyMedia               the file has no bytes, or no frame and no sample could be decoded
    - UnreadableMedia          not a media file, cut short before its index, or a codec nobody here knows
    - MediaTooLong             longer than the limit that was set
  x TranscriptError (ValueError)
    - UnreadableTranscript     wrong encoding, or not the format its name says
  x EvidenceError (ValueError)
    - InvalidObservation       an observation or sheet that breaks one of its rules
  x ReasoningError (RuntimeError)
    - MalformedCompletion      a reasoner's text that stays unparsable; `.raw` keeps it
    - UnclosedVerdict          a label that cites nothing: a bug, never a low score
  x ResultError (ValueError)
    - UnreadableResult         not an emotrace result, or of another schema version
  x OutputError (OSError)
    - UnwritableOutput         the target cannot be written; nothing was left half-written
  x ModelFileError (ValueError)
    - ChecksumMismatch         a weights file whose SHA-256 is not the pinned one
    - ModelNotFound (FileNotFoundError)
  x DownloadFailed (OSError)   a `pull` that did not arrive
  x MissingExtra (ImportError) an optional dependency is not installed; the message names the extra
  x UsageError (ValueError)    an option with a value that cannot be
    - PurposeRefused           a use that the EU AI Act prohibits

Each message says what happened, where, and what to do. To add one: subclass the nearest family, give it the
standard-library error a stranger would expect, and draw it above.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the command line returns to the shell."""

    DONE = 0
    """At least one verdict was reached."""
    ABSTAINED = 1
    """The file was analysed, and every verdict abstained."""
    USAGE = 2
    """The command or an option was wrong; nothing was read."""
    BAD_INPUT = 3
    """A file could not be read or written."""
    MISSING_EXTRA = 4
    """The command needs an optional dependency that is not installed."""


class EmotraceError(Exception):
    """Base of all errors raised on purpose.

    Args:
        what: What happened, in one clause.
        where: The file, option or field it happened at.
        todo: What the reader can do about it.
    """

    exit_code: ExitCode = ExitCode.BAD_INPUT

    def __init__(self, what: str, *, where: str | Path | None = None, todo: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.todo = todo
        parts = [what if self.where is None else f"{self.where}: {what}"]
        if todo is not None:
            parts.append(todo)
        super().__init__(". ".join(part.rstrip(".") for part in parts))


class MediaError(EmotraceError, ValueError):
    """A video, sound or picture file that cannot be analysed."""


class MediaNotFound(MediaError, FileNotFoundError):
    """The path does not name a file."""


class EmptyMedia(MediaError):
    """The file has no bytes, or nothing in it could be decoded."""


class UnreadableMedia(MediaError):
    """The bytes are not a media file that FFmpeg can open."""


class MediaTooLong(MediaError):
    """The file is longer than the limit that was set."""


class TranscriptError(EmotraceError, ValueError):
    """A transcript that cannot be used."""


class UnreadableTranscript(TranscriptError):
    """A transcript in an unknown encoding, or not in the format that its name says."""


class EvidenceError(EmotraceError, ValueError):
    """Evidence that breaks a rule of the sheet."""


class InvalidObservation(EvidenceError):
    """An observation or a sheet that breaks one of its invariants; the message quotes what came."""


class ReasoningError(EmotraceError, RuntimeError):
    """A reasoner that could not do its work."""


class MalformedCompletion(ReasoningError):
    """Text of a reasoner that stays unparsable after repair. `raw` keeps it: it is never guessed at."""

    def __init__(self, what: str, *, raw: str, where: str | Path | None = None, todo: str | None = None) -> None:
        super().__init__(what, where=where, todo=todo)
        self.raw = raw


class UnclosedVerdict(ReasoningError):
    """A label cites no observation that its hypothesis judged as support."""


class ResultError(EmotraceError, ValueError):
    """A result file that cannot be used."""


class UnreadableResult(ResultError):
    """Not an emotrace result, or one of a schema version that this release does not read."""


class OutputError(EmotraceError, OSError):
    """A target that cannot be written."""


class UnwritableOutput(OutputError):
    """Writing failed; the target is as it was before."""


class ModelFileError(EmotraceError, ValueError):
    """A weights file that cannot be used."""


class ChecksumMismatch(ModelFileError):
    """The file's SHA-256 is not the pinned one."""


class ModelNotFound(ModelFileError, FileNotFoundError):
    """The weights file is not where it was looked for."""


class DownloadFailed(EmotraceError, OSError):
    """A file that `emotrace pull` could not fetch."""


class MissingExtra(EmotraceError, ImportError):
    """An optional dependency is not installed.

    Args:
        what_for: What the user wanted to do.
        extra: The extra of emotrace that brings the dependency.
    """

    exit_code = ExitCode.MISSING_EXTRA

    def __init__(self, what_for: str, *, extra: str) -> None:
        super().__init__(f"{what_for} needs an extra", todo=f"Install it with: pip install 'emotrace[{extra}]'")
        self.extra = extra


class UsageError(EmotraceError, ValueError):
    """An option with a value that cannot be."""

    exit_code = ExitCode.USAGE


class PurposeRefused(UsageError):
    """A use that the law prohibits; the message names the article."""
