"""Who says what about a stretch: the embedded observers, traces of an earlier run, or nobody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from emotrace.errors import ModelNotFound
from emotrace.evidence.mllm import EMBEDDED_SETTINGS
from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.providers.embedded import VERSION, EmbeddedProvider, section_of
from emotrace.evidence.reasoning.trace import SECTIONS, ReasoningTrace
from emotrace.evidence.reliability import reliability
from emotrace.evidence.store import TraceStore


@runtime_checkable
class Observer(Protocol):
    """Gives the trace of a stretch."""

    @property
    def name(self) -> str:
        """For the provenance."""
        ...

    def trace(self, sheet: EvidenceSheet, *, of_main_person: bool, of_whole_clip: bool) -> ReasoningTrace | None:
        """What was written about a person in a stretch; None where nobody wrote anything.

        Args:
            sheet: What was measured of the person there.
            of_main_person: Whether it is the person who is most in evidence, about whom remote observers write.
            of_whole_clip: Whether the stretch is all of the clip, about which they write.
        """
        ...


class Nobody:
    """No trace at all: the reading is prior-free."""

    name = "none"

    def trace(self, sheet: EvidenceSheet, *, of_main_person: bool, of_whole_clip: bool) -> None:
        """None."""


class Embedded:
    """The house's own observers: what they measured, put into sections as `emotrace trace` does. For every stretch."""

    name = f"{EmbeddedProvider.name}/{VERSION}"

    def trace(self, sheet: EvidenceSheet, *, of_main_person: bool, of_whole_clip: bool) -> ReasoningTrace:
        """From the sheet alone: the clip is not read again."""
        trace = ReasoningTrace(
            clip_sha256=sheet.clip_id,
            span=sheet.span,
            language=None,
            transcript_sha256=None,
            provider=EmbeddedProvider.name,
            model=VERSION,
            prompt_sha256={},
            settings=EMBEDDED_SETTINGS,
            **{part: section_of(sheet, part) for part in SECTIONS},
        )
        return trace.model_copy(update={"reliability": reliability(trace)})


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """Traces that `emotrace trace` wrote, by the hash of the clip: about its main person, and all of it."""

    traces: TraceStore[ReasoningTrace]

    @classmethod
    def open(cls, path: str | Path) -> Stored:
        """Those of a file.

        Raises:
            ModelNotFound: No such file.
            UnreadableTrace: A line of it is no trace.
        """
        if not Path(path).is_file():
            raise ModelNotFound("there are no traces", where=path, hint="Write them with `emotrace trace`")
        return cls(traces=TraceStore(path, ReasoningTrace.from_dict))

    @property
    def name(self) -> str:
        """The file's name, as it stands in a command."""
        return f"stored/{self.traces.path.name}"

    def trace(self, sheet: EvidenceSheet, *, of_main_person: bool, of_whole_clip: bool) -> ReasoningTrace | None:
        """The newest one of the clip."""
        if not (of_main_person and of_whole_clip):
            return None
        found = [trace for trace in self.traces if trace.clip_sha256 == sheet.clip_id]
        return found[-1] if found else None
