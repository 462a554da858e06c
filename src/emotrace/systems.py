"""What may read a clip beside the observers, on request: a trained model that knows the people and their evidence.

What a system measured becomes observations, what it concluded a reading, on the sheets that the reasoner gets. The
sheets that the system itself reads hold neither, nor another system's: no model is asked about its own answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.evidence.sheets import Witness
from emotrace.grace.video.expression import Expression
from emotrace.media.clip import Clip
from emotrace.priors.video.fused import FusedReading
from emotrace.progress import Watch
from emotrace.results import ModelRecord
from emotrace.span import Span


class PersonReading(Protocol):
    """What a system made of one person."""

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Window by window, for a system that reads faces so."""
        ...

    def fusion(self, span: Span) -> FusedReading | None:
        """What it makes of face, voice and words together in a stretch, for a system that fuses them."""
        ...

    def findings(self, span: Span) -> Sequence[Finding]:
        """What belongs on the person's sheet of a stretch of time."""
        ...


class System(Protocol):
    """A model that may be asked to read a clip; `GraceSystem` and `PriorsSystem` are such."""

    @property
    def name(self) -> str:
        """As on the command line; its settings stand under this name in the provenance."""
        ...

    @property
    def models(self) -> tuple[ModelRecord, ...]:
        """Its weights."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Those whose version can change its numbers, beside the base install's."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its numbers beside the weights."""
        ...

    def read(
        self,
        clip: Clip,
        people: Sequence[Witness],
        sheet_of: Callable[[Witness, Span], EvidenceSheet],
        watch: Watch,
    ) -> Mapping[str, PersonReading]:
        """What it makes of the people, by id; those that it can say nothing about are left out.

        Args:
            clip: The file, to be read again as the system needs it.
            people: Who is in it, and what was measured of them.
            sheet_of: The evidence about somebody in any stretch of time, without any system's part in it.
            watch: Gets the stage times and the progress.
        """
        ...


def joined(sheet: EvidenceSheet, findings: Iterable[Finding]) -> EvidenceSheet:
    """The sheet with further findings on it, chosen and numbered anew as `EvidenceSheet.of` does it."""
    return EvidenceSheet.of(
        [*sheet.observations, *findings],
        clip_id=sheet.clip_id,
        person=sheet.person,
        span=sheet.span,
        missing=sheet.missing,
        reliability=sheet.reliability,
    )
