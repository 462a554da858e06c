"""Video emotion recognition that shows its evidence.

    import emotrace

    analysis = emotrace.analyze("talk.mp4")
    for person in analysis.persons:
        print(person.id, person.overall.verdict.explanation)

This is the table of contents. Names load when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from emotrace._version import __version__

if TYPE_CHECKING:
    from emotrace.errors import EmotraceError as EmotraceError
    from emotrace.evidence.observation import EvidenceSheet as EvidenceSheet
    from emotrace.evidence.observation import Finding as Finding
    from emotrace.evidence.observation import Observation as Observation
    from emotrace.hydra.propose import Hypothesis as Hypothesis
    from emotrace.hydra.protocol import run as reason  # noqa: F401 - the public name of `hydra.protocol.run`
    from emotrace.hydra.reasoners.embedded import EmbeddedReasoner as EmbeddedReasoner
    from emotrace.hydra.reasoners.mllm import MllmReasoner as MllmReasoner
    from emotrace.hydra.verify import Verification as Verification
    from emotrace.labels.vocabulary import Vocabulary as Vocabulary
    from emotrace.labels.wheel import EmotionWheel as EmotionWheel
    from emotrace.media.clip import Clip as Clip
    from emotrace.pipeline import analyze as analyze
    from emotrace.report.page import write as write_report  # noqa: F401 - the public name of `report.page.write`
    from emotrace.results import Analysis as Analysis
    from emotrace.results import Label as Label
    from emotrace.results import Person as Person
    from emotrace.results import Provenance as Provenance
    from emotrace.results import Segment as Segment
    from emotrace.results import Verdict as Verdict
    from emotrace.results import json_schema as json_schema
    from emotrace.span import Span as Span

_HOME = {
    # the main job
    "analyze": "emotrace.pipeline",
    "write_report": "emotrace.report.page:write",
    # what it returns
    "Analysis": "emotrace.results",
    "Person": "emotrace.results",
    "Segment": "emotrace.results",
    "Verdict": "emotrace.results",
    "Label": "emotrace.results",
    "Provenance": "emotrace.results",
    "json_schema": "emotrace.results",
    # on the way there: clip -> sheet -> hypotheses -> verified hypotheses -> verdict
    "Clip": "emotrace.media.clip",
    "Finding": "emotrace.evidence.observation",
    "Observation": "emotrace.evidence.observation",
    "EvidenceSheet": "emotrace.evidence.observation",
    "Hypothesis": "emotrace.hydra.propose",
    "Verification": "emotrace.hydra.verify",
    "EmbeddedReasoner": "emotrace.hydra.reasoners.embedded",
    "MllmReasoner": "emotrace.hydra.reasoners.mllm",
    "reason": "emotrace.hydra.protocol:run",
    # words and time
    "EmotionWheel": "emotrace.labels.wheel",
    "Vocabulary": "emotrace.labels.vocabulary",
    "Span": "emotrace.span",
    "EmotraceError": "emotrace.errors",
}
"""Public name -> the module that defines it, with `:name` where it has another name there."""

__all__ = ["__version__", *_HOME]  # noqa: PLE0604 - every key is a string


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'emotrace' has no attribute {name!r}")
    module, _, other_name = _HOME[name].partition(":")
    value = getattr(import_module(module), other_name or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
