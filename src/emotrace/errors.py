"""Every error that emotrace raises on purpose, so that callers can pick what to catch without reading code.

* EmotraceError
  x MediaError (ValueError)
    - MediaNotFound (FileNotFoundError)
    - EmptyMedia               the file has no bytes, or no frame and no sample could be decoded
    - UnreadableMedia          not a media file, cut short before its index, or a codec nobody here knows
    - MediaTooLong             longer than the limit that was set
    - StreamLost (ConnectionError)  a camera or network stream that broke off, and did not come back
  x TranscriptError (ValueError)
    - UnreadableTranscript     wrong encoding, or not the format its name says
  x EvidenceError (ValueError)
    - InvalidObservation       an observation or sheet that breaks one of its rules
    - UnreadableTrace          a trace file with a line that is no trace
    - LabelLeak                a text that could tell the label, where a model is judged
  x ReasoningError (RuntimeError)
    - MalformedCompletion      a reasoner's text that stays unparsable; `.raw` keeps it
    - UnclosedVerdict          a label that cites nothing: a bug, never a low score
    - InvalidTrace (ValueError) a hypothesis, check or answer that breaks one of its rules
  x ResultError (ValueError)
    - UnreadableResult         not an emotrace result, or of another schema version
  x ScoringError (ValueError)  data that `evaluate` or `verify` refuses
    - UnreadableTable          not the csv, jsonl, npz or xlsx file that its name says, or over a limit
    - UnsafePickle             a pickle that asks for more than plain values; nothing of it was run
    - UnknownLabel             a label that its scheme does not list
    - DuplicateName            one clip with two rows
    - NamesDoNotMatch          truth and predictions do not cover each other
    - InvalidScores            numbers, probabilities or answers that a protocol cannot score
    - TablesNotFound (FileNotFoundError)  a protocol that needs wheel tables, and none were named
    - MetricMismatch (ArithmeticError)    our number and the library's differ
  x DatasetError (ValueError)  a corpus that is not on disk as its owner lays it out
    - CorpusNotFound (FileNotFoundError)  the folder, or a list or label file of it
    - MissingClip (FileNotFoundError)     a list names clips that are not there
    - ClipOutside                         a list names clips outside the corpus's folder
    - DamagedCorpus                       a packed file is not what its name says, or does not fit its neighbours
    - InvalidFeatures                     features of another width, or with a number that is not finite
    - LeakError                           clips that are to be tested on stand in the training set
  x OutputError (OSError)
    - UnwritableOutput         the target cannot be written; nothing was left half-written
  x ModelFileError (ValueError)
    - ChecksumMismatch         a weights file whose SHA-256 is not the pinned one
    - ModelNotFound (FileNotFoundError)
    - UnreadableCheckpoint     a checkpoint with a part missing, cut short, or of another format
    - CheckpointMismatch       a checkpoint of other labels, settings or data; the message has both values
  x TrainingError (RuntimeError)
    - TrainingDiverged (ArithmeticError)  a loss, gradient or answer that is not a finite number
    - RewardFailed (ValueError)           a completion, sheet or gold that no reward can be computed from
  x DownloadFailed (OSError)   a `pull` that did not arrive
  x ServerFailed (OSError)     a language model's server that is not there, refuses, or sends something else
  x WorkerLost (RuntimeError)  a worker process that was killed, twice, while it was at one file
  x RequestRefused (RuntimeError)  what `emotrace serve` was asked for and does not do; `.status` and `.code` say why
  x BudgetSpent (RuntimeError) the most that a run may cost is reached; what was answered is kept
  x MissingExtra (ImportError) an optional dependency is not installed; the message names the extra
  x UsageError (ValueError)    an option with a value that cannot be
    - PurposeRefused           a use that the EU AI Act prohibits
    - UnknownChoice            a scheme, corpus or order that nobody defined; the message lists the known ones
    - LossyLabelMap            a label map that loses something, used without `allow_loss=True`
    - TextTooLong              a text with more tokens than the encoder reads
    - UploadForbidden          clips that must not leave the machine, and a server that is not on it

Each message says what happened, where, and what to do. To add one: subclass the nearest family, give it the
standard-library error a stranger would expect, and draw it above.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    """A file could not be read or written, or its data were refused; the message says why."""
    MISSING_EXTRA = 4
    """The command needs an optional dependency that is not installed."""


class EmotraceError(Exception):
    """Base of all errors raised on purpose.

    Args:
        what: What happened, in one clause.
        where: The file, option or field it happened at.
        hint: What the reader can do about it.
    """

    exit_code: ExitCode = ExitCode.BAD_INPUT

    def __init__(self, what: str, *, where: str | Path | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.hint = hint
        parts = [what if self.where is None else f"{self.where}: {what}"]
        if hint is not None:
            parts.append(hint)
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


class StreamLost(MediaError, ConnectionError):
    """A camera or network stream that cannot be reached, or broke off and did not come back."""


class TranscriptError(EmotraceError, ValueError):
    """A transcript that cannot be used."""


class UnreadableTranscript(TranscriptError):
    """A transcript in an unknown encoding, or not in the format that its name says."""


class EvidenceError(EmotraceError, ValueError):
    """Evidence that breaks a rule of the sheet."""


class InvalidObservation(EvidenceError):
    """An observation or a sheet that breaks one of its invariants; the message quotes what came."""


class UnreadableTrace(EvidenceError):
    """A line of a trace file is not a trace, or not one of this release; the message names the line."""


class LabelLeak(EvidenceError):
    """A text that was written by somebody who knew the label, offered where a model is judged."""


class ReasoningError(EmotraceError, RuntimeError):
    """A reasoner that could not do its work."""


class MalformedCompletion(ReasoningError):
    """Text of a reasoner that stays unparsable after repair. `raw` keeps it: it is never guessed at."""

    def __init__(self, what: str, *, raw: str, where: str | Path | None = None, hint: str | None = None) -> None:
        super().__init__(what, where=where, hint=hint)
        self.raw = raw


class UnclosedVerdict(ReasoningError):
    """A label cites no observation that its hypothesis judged as support."""


class InvalidTrace(ReasoningError, ValueError):
    """A part of a reasoning trace that breaks one of its invariants; the message quotes what came."""


class ResultError(EmotraceError, ValueError):
    """A result file that cannot be used."""


class UnreadableResult(ResultError):
    """Not an emotrace result, or one of a schema version that this release does not read."""


class ScoringError(EmotraceError, ValueError):
    """Data that cannot be scored or verified as they are."""


class UnreadableTable(ScoringError):
    """A csv, tsv, jsonl, npz or xlsx file that is not what its name says, or that exceeds a limit."""


class UnsafePickle(ScoringError):
    """A pickle that asks for anything but plain values. It was refused before anything of it ran.

    Args:
        name: What the pickle asked for, such as `os.system`.
        member: The member of the npz file that asked for it.
    """

    def __init__(self, name: str, member: str, *, where: str | Path | None = None) -> None:
        super().__init__(
            f"the pickle in {member!r} asks for {name}, and only plain values are read; nothing was run",
            where=where,
            hint="Do not open this file with other tools unless you trust who made it",
        )
        self.name = name
        self.member = member


class UnknownLabel(ScoringError):
    """A label that its scheme does not list; the message names the rows and the known labels."""


class DuplicateName(ScoringError):
    """One clip with two rows."""


class NamesDoNotMatch(ScoringError):
    """Truth and predictions do not cover each other."""


class InvalidScores(ScoringError):
    """Numbers, probabilities or answers that the protocol cannot score."""


class TablesNotFound(ScoringError, FileNotFoundError):
    """A protocol needs emotion-wheel tables, and they are not where they were looked for."""


class MetricMismatch(ScoringError, ArithmeticError):
    """Our number and the library's differ by more than rounding: neither is printed."""


class DatasetError(EmotraceError, ValueError):
    """A corpus that is not on disk as its owner lays it out."""


class CorpusNotFound(DatasetError, FileNotFoundError):
    """The corpus's folder is absent, or one of its list or label files."""


class MissingClip(DatasetError, FileNotFoundError):
    """A list names clips that are not there; the message has the first five and the count."""


class ClipOutside(DatasetError):
    """A list names clips outside the corpus's folder; the message has the first five and the count."""


class DamagedCorpus(DatasetError):
    """A packed file of a corpus with other arrays, shapes, ids or class names than it should have."""


class InvalidFeatures(DatasetError):
    """Features, traces or reliabilities of another shape, or with a number that is not finite; clips are named."""


class LeakError(DatasetError):
    """Clips of a test stand in the training set: what would be printed would be no test. The message names them."""


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


class UnreadableCheckpoint(ModelFileError):
    """A checkpoint with a part missing, cut short, or of a format that this release does not read."""


class CheckpointMismatch(ModelFileError):
    """A checkpoint of other labels, another configuration or another data split than what it is to be used with."""


class TrainingError(EmotraceError, RuntimeError):
    """Training that cannot go on."""


class TrainingDiverged(TrainingError, ArithmeticError):
    """A loss, gradient or answer that is not a finite number; the message names epoch, step and clips."""


class RewardFailed(TrainingError, ValueError):
    """A completion, sheet or gold that no reward can be computed from; the message names the sample."""


class DownloadFailed(EmotraceError, OSError):
    """A file that `emotrace pull` could not fetch."""


class ServerFailed(EmotraceError, OSError):
    """A server that the user named for a language model is not there, refuses, or sends something else."""


class WorkerLost(EmotraceError, RuntimeError):
    """The process that was at a file was killed, and so was the next: often the system had no memory left."""


class RequestRefused(EmotraceError, RuntimeError):
    """A request that the server does not serve.

    Args:
        what: What happened, in one clause.
        status: Of HTTP.
        code: The reason in one word for programs, such as `queue_full`.
        hint: What the client can do about it.
        retry_after_seconds: When to try again; None where trying again is of no use.
    """

    def __init__(
        self, what: str, *, status: int, code: str, hint: str | None = None, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(what, hint=hint)
        self.status, self.code, self.retry_after_seconds = status, code, retry_after_seconds


class BudgetSpent(EmotraceError, RuntimeError):
    """The most that a run may cost is reached. Every answer that was paid for is kept, so a later run goes on."""


class MissingExtra(EmotraceError, ImportError):
    """An optional dependency is not installed.

    Args:
        what_for: What the user wanted to do.
        extra: The extra of emotrace that brings the dependency.
    """

    exit_code = ExitCode.MISSING_EXTRA

    def __init__(self, what_for: str, *, extra: str) -> None:
        super().__init__(f"{what_for} needs an extra", hint=f"Install it with: pip install 'emotrace[{extra}]'")
        self.extra = extra


class UsageError(EmotraceError, ValueError):
    """An option with a value that cannot be."""

    exit_code = ExitCode.USAGE


class PurposeRefused(UsageError):
    """A use that the law prohibits; the message names the article."""


def first_five(items: Iterable[object]) -> str:
    """The first five of `items` for a message, and how many there are: `a, b, c, d, e and 7 more (12 in all)`."""
    words = [str(item) for item in items]
    shown = ", ".join(words[:5])
    return shown if len(words) <= 5 else f"{shown} and {len(words) - 5} more ({len(words)} in all)"


class UnknownChoice(UsageError):
    """A label scheme, label order or corpus of this name does not exist; the message lists those that do."""


class LossyLabelMap(UsageError):
    """A label map that merges or drops labels was used without `allow_loss=True`; the message says what is lost."""


class TextTooLong(UsageError):
    """A text with more tokens than the text encoder reads; it is never cut in silence."""


class UploadForbidden(UsageError):
    """Clips whose owner forbids it would leave the machine."""
