"""Where one judgement ends and the next begins: utterances, else speech turns, else windows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from emotrace.evidence.observation import SegmentKind
from emotrace.media.transcript import Transcript, Utterance
from emotrace.span import Span, gaps, union

WINDOW_SECONDS = 5.0
LONGEST_TURN_SECONDS = 10.0
SHORTEST_GAP_SECONDS = 1.0
"""A gap between utterances that is shorter than this is a breath, not a moment of its own. [ours]"""
UNTIMED_WHOLE_SECONDS = 15.0
"""A text without times is taken as one utterance of a clip up to this length. [ours]"""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One stretch of the clip that gets a judgement of its own."""

    span: Span
    kind: SegmentKind
    utterances: tuple[Utterance, ...] = ()

    def text_of(self, utterances: Collection[Utterance]) -> str | None:
        """What was said here, if it is among the given utterances; else None."""
        return " ".join(utterance.text for utterance in self.utterances if utterance in utterances) or None


def segment(clip: Span, transcript: Transcript | None, speech_turns: Iterable[Span]) -> tuple[Stretch, ...]:
    """The clip cut into stretches, in order of time.

    Timed utterances come first. What they leave free is cut into speech turns, and the rest into windows of equal
    length, at most 5 s. A photograph, which lasts no time, is one window.
    """
    if clip.duration_seconds == 0.0:
        return (Stretch(span=clip, kind="window", utterances=_utterances(transcript)),)
    turns_heard = union(speech_turns)
    stretches = [Stretch(span=u.span, kind="utterance", utterances=(u,)) for u in _placed(transcript, clip)]
    for free in gaps([s.span for s in stretches], clip):
        turns = [shared for turn in turns_heard if (shared := turn & free) is not None]
        turns = [turn for turn in turns if turn.duration_seconds >= SHORTEST_GAP_SECONDS]
        stretches += [Stretch(span=part, kind="speech") for turn in turns for part in _cut(turn, LONGEST_TURN_SECONDS)]
        for silent in gaps(turns, free):
            if silent.duration_seconds >= SHORTEST_GAP_SECONDS:
                stretches += [Stretch(span=part, kind="window") for part in _cut(silent, WINDOW_SECONDS)]
    return tuple(sorted(stretches, key=lambda s: s.span)) or (Stretch(span=clip, kind="window"),)


def _utterances(transcript: Transcript | None) -> tuple[Utterance, ...]:
    return () if transcript is None else transcript.utterances


def _placed(transcript: Transcript | None, clip: Span) -> Iterator[Utterance]:
    """The utterances whose place in time is known well enough to judge them apart."""
    if transcript is not None and (transcript.timed or clip.duration_seconds <= UNTIMED_WHOLE_SECONDS):
        yield from (u for u in transcript.utterances if u.span.duration_seconds > 0.0 and u.span in clip)


def _cut(span: Span, longest_seconds: float) -> list[Span]:
    """The span in equal parts, none longer than `longest_seconds`."""
    count = max(1, math.ceil(span.duration_seconds / longest_seconds - 1e-9))
    edges = [round(span.start_seconds + span.duration_seconds * i / count, 3) for i in range(count)] + [
        span.end_seconds
    ]
    return [Span(a, b) for a, b in itertools.pairwise(edges)]
