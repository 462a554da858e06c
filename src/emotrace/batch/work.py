"""One file of a batch, from its path to the bytes that are kept. Runs in a worker; writes nothing but kept replies."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emotrace.batch.job import Job
from emotrace.errors import EmotraceError, MediaError, TranscriptError, UnreadableMedia

if TYPE_CHECKING:
    from emotrace.evidence.providers.http import HttpProvider
    from emotrace.results import Analysis
    from emotrace.systems import System


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker is to do."""

    id: str
    path: Path
    sha256: str
    """Of the bytes that were looked at when the task was made."""
    key: str
    name: str
    """Under which the result is kept, without its ending."""
    folder: Path
    """Where pages will lie: large media are linked from there."""
    replies: Path
    transcript: Path | None = None
    text: str | None = None
    kept: Path | None = None
    """A result that is there already, where only its report is wanted."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the tables of the batch tell of a result."""

    duration_seconds: float
    persons: int
    labels: tuple[str, ...]
    """Of the verdict on the whole clip."""
    confidence: float | None
    conflict: float | None
    abstain: str | None
    abstained: bool
    """Whether every verdict of the file abstained."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a file has no result."""

    error: str
    """Class of `emotrace.errors`."""
    message: str
    lasting: bool
    """Whether the same bytes would fail again: such a file is not tried twice."""

    @classmethod
    def of(cls, error: EmotraceError) -> Failure:
        """What is told of an error."""
        message = " ".join(str(error).split())
        return cls(error=type(error).__name__, message=message, lasting=isinstance(error, MediaError | TranscriptError))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a worker made of a task."""

    result: bytes | None = None
    report: bytes | None = None
    facts: Facts | None = None
    failure: Failure | None = None
    seconds: float = 0.0
    peak_mb: float | None = None
    """Highest resident memory of the worker so far; None where the system does not tell."""


class Analyst:
    """Does tasks, one after the other; what is loaded once stays loaded."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, task: Task) -> Outcome:
        """Analyses the file, or fails with a reason."""
        start = time.perf_counter()
        try:
            analysis = self._analysis(task)
            report = self._page(analysis, task).encode() if self._job.report else None
        except EmotraceError as error:
            return Outcome(failure=Failure.of(error), seconds=time.perf_counter() - start, peak_mb=_peak_mb())
        return Outcome(
            result=None if task.kept else analysis.to_json().encode(),
            report=report,
            facts=facts_of(analysis),
            seconds=time.perf_counter() - start,
            peak_mb=_peak_mb(),
        )

    @cached_property
    def _systems(self) -> tuple[System, ...]:
        return () if self._job.systems is None else self._job.systems()

    @cached_property
    def _server(self) -> HttpProvider | None:
        return None if self._job.asking is None else self._job.asking.server(self._job.gate)

    @cached_property
    def _one_thread(self) -> bool:
        """OpenCV on one thread: the workers share the cores already."""
        import cv2

        cv2.setNumThreads(1)
        return True

    def _analysis(self, task: Task) -> Analysis:
        from emotrace.pipeline import analyze
        from emotrace.results import Analysis

        if task.kept is not None:
            return Analysis.read(task.kept)
        assert self._one_thread
        analysis = analyze(
            task.path,
            transcript=task.transcript,
            text=task.text,
            systems=self._systems,
            **self._job.options,
            **self._asked(task),
        )
        if analysis.source.sha256 != task.sha256:
            raise UnreadableMedia("it changed while it was read", where=task.path, hint="Run the batch again")
        return analysis

    def _asked(self, task: Task) -> dict[str, Any]:
        if self._job.asking is None or self._server is None:
            return {}
        from emotrace.media.clip import Clip

        shared = ("encoding", "max_duration_seconds", "use_video", "use_audio")
        options = {name: value for name, value in self._job.options.items() if name in shared}
        clip = Clip.open(task.path, text=task.text, transcript_path=task.transcript, **options)
        return self._job.asking.arguments(self._server, clip, task.replies)

    def _page(self, analysis: Analysis, task: Task) -> str:
        from emotrace.report.page import render

        return render(analysis, media=task.path, redact=self._job.redact, folder=task.folder)


def facts_of(analysis: Analysis) -> Facts:
    """The few values of a result that the tables of a batch hold."""
    verdict = analysis.verdict
    return Facts(
        duration_seconds=analysis.source.duration_seconds,
        persons=len(analysis.persons),
        labels=tuple(label.word for label in verdict.labels),
        confidence=None if verdict.abstain else verdict.confidence,
        conflict=verdict.conflict,
        abstain=verdict.abstain,
        abstained=analysis.abstained,
    )


def _peak_mb() -> float | None:
    if sys.platform == "win32":
        return None
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


_KEPT: Final[dict[str, Analyst]] = {}


def analyst_of(job: Job) -> Analyst:
    """The analyst of a job in this process, for workers that are sent the job with each task."""
    name = f"{job.settings_sha256}{job.report}{job.redact}"
    if name not in _KEPT:
        _KEPT.clear()
        _KEPT[name] = Analyst(job)
    return _KEPT[name]
