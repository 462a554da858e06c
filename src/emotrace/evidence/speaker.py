"""Whose voice it is: each turn of speech is given to the visible person whose mouth moves with it, or to nobody.

Mouths move without speech, too, and some people move more than others. So each person's mouth is compared with itself:
its motion inside a turn is ranked among all of that person's motion, and within the turn motion must go with the voice.
[field] Synchrony of mouth motion and sound as the sign of the speaker: Hershey & Movellan 1999, "Audio vision: using
audio-visual synchrony to locate sounds". [ours] is the score, made for motion sampled as rarely as five times a second:
the sum of up to three z values, each from ranks among the person's own samples, so that moving more never helps.

* *than at rest*: motion in the turn against motion while nobody speaks (Mann & Whitney);
* *than elsewhere*: motion in the turn against motion while somebody speaks in other turns, at half weight;
* *with the voice*: motion against loudness within the turn and half a second around it (Spearman).

Where several turns are to be given away, the same score over all of them together counts by half in each. And a turn
that two mouths claim goes to the one who plainly speaks in another turn, if only one of the two does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from emotrace.evidence.voice_activity import box_mean
from emotrace.evidence.voice_series import VoiceSeries
from emotrace.span import Span

MouthMotion = tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]
"""(times in seconds, motion energy of the mouth region), sampled some five times a second while the face is seen."""

_SOUND_FRAMES = 21
"""Sound around a picture that is compared with it: 0.2 s, the distance of two pictures."""
_FEWEST = 4
"""Samples on either side of a comparison."""
_CAP = 4.0
"""A z value counts no more than this, so that a long rest cannot outvote the turn itself."""
_PRIOR = 0.5
"""Weight of the score over all turns together."""
_MARGIN = 2.0
"""Score by which the best must lie above the next person to be clear. Five pictures a second leave much to chance."""
_EDGE_SECONDS = 0.5
"""Before and after a turn, where motion should begin and end with the voice."""
_AROUND_SECONDS = 60.0
"""How far from a turn the mouth at rest, or in other turns, is still compared with: light and distance change."""
_STILL = -0.75
_STILL_MOTION = 0.06
"""A lone visible person's mouth is still while the speech goes on if the score lies below the first, and half of the
motion below the second. Lips at rest give about 0.03, speech 0.1 to 0.5; few samples alone prove nothing. Of several
people, nobody is given a turn in which not even a quarter of the motion reaches the second: chance ranks noise, too."""
_COVERAGE = 1 / 3
"""Share of the turn in which a person must be seen to be a candidate."""


@dataclass(frozen=True, kw_only=True)
class TurnSpeaker:
    """Who speaks in one turn."""

    span: Span
    person: str | None
    """None: nobody visible, or nobody clearly."""
    score: float
    """Sum of z values of the likeliest person; 0 where nobody was visible or nothing could be compared."""
    margin: float
    """How far the score lies above the next person's, or, for a lone person, above that of a still mouth."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Who speaks in each turn, in the order of the turns."""

    turns: tuple[TurnSpeaker, ...]

    @property
    def speakers(self) -> tuple[str | None, ...]:
        """The person of each turn, or None."""
        return tuple(turn.person for turn in self.turns)


def attribute(voice: VoiceSeries | None, mouths: Mapping[str, MouthMotion], turns: Sequence[Span]) -> Attribution:
    """Gives each turn to a visible person, or to nobody.

    A lone visible person gets the voice, unless the mouth measurably stays still while the speech goes on; of several,
    the one whose mouth goes with the voice best, if by a clear margin.

    Args:
        voice: The measured sound; None where the clip has none, so that only presence can tell.
        mouths: Per person the times (increasing) and the motion of the mouth region; people may come and go.
        turns: The stretches to give away.
    """
    sound = None if voice is None or not len(voice) else _Sound.of(voice)
    claims = {person: _claims(_Mouth.of(times, motion, sound), turns) for person, (times, motion) in mouths.items()}
    by_turn = [
        {person: claim for person, own in claims.items() if (claim := own[index]) is not None}
        for index in range(len(turns))
    ]
    first = [_speaker_of(turn, own) for turn, own in zip(turns, by_turn, strict=True)]
    plain = {turn.person for turn in first if turn.person is not None}
    return Attribution(turns=tuple(_settled(turn, own, plain) for turn, own in zip(first, by_turn, strict=True)))


@dataclass(frozen=True, kw_only=True)
class _Sound:
    """The sound at the pace of pictures."""

    time_seconds: Float[np.ndarray, " time"]
    speech: Float[np.ndarray, " time"]
    loudness: Float[np.ndarray, " time"]

    @classmethod
    def of(cls, voice: VoiceSeries) -> _Sound:
        return cls(
            time_seconds=voice.time_seconds,
            speech=box_mean(voice.speech, _SOUND_FRAMES),
            loudness=box_mean(voice.loudness * voice.speech, _SOUND_FRAMES),
        )


@dataclass(frozen=True, kw_only=True)
class _Mouth:
    """One person's mouth, with what was heard at each sample."""

    time_seconds: Float[np.ndarray, " n"]
    step_seconds: float
    """The usual distance of two samples."""
    motion: Float[np.ndarray, " n"]
    speech: Float[np.ndarray, " n"]
    """0..1; nan where there is no sound."""
    loudness: Float[np.ndarray, " n"]

    @classmethod
    def of(cls, times: Float[np.ndarray, " n"], motion: Float[np.ndarray, " n"], sound: _Sound | None) -> _Mouth:
        known = np.isfinite(motion)
        times, motion = times[known].astype(np.float64), motion[known].astype(np.float64)
        step = float(np.median(np.diff(times))) if len(times) > 1 else 0.2
        heard = np.full((2, len(times)), np.nan)
        if sound is not None:
            # Motion is the difference from the picture before, so it belongs to the sound half-way between the two.
            moments = times - step / 2
            heard = np.stack([np.interp(moments, sound.time_seconds, row) for row in (sound.speech, sound.loudness)])
        return cls(time_seconds=times, step_seconds=step, motion=motion, speech=heard[0], loudness=heard[1])

    def inside(self, span: Span, *, margin_seconds: float = 0.0) -> Bool[np.ndarray, " n"]:
        """Which samples lie in the span, or up to a margin around it."""
        after = self.time_seconds >= span.start_seconds - margin_seconds
        inside: Bool[np.ndarray, " n"] = after & (self.time_seconds <= span.end_seconds + margin_seconds)
        return inside

    def coverage(self, span: Span) -> float:
        """Share of the span in which the mouth is seen."""
        seen = int(np.count_nonzero(self.inside(span)))
        return min(seen / max(span.duration_seconds / self.step_seconds, 1.0), 1.0)

    def goes_with_voice(
        self, own: Bool[np.ndarray, " n"], others: Bool[np.ndarray, " n"], around: Bool[np.ndarray, " n"]
    ) -> float:
        """Sum of the z values that can be had for the samples of a turn; 0 where none can."""
        moving = self.motion[own & (self.speech >= 0.5)]
        return (
            _mann_whitney_z(moving, self.motion[around & (self.speech < 0.1)])
            + 0.5 * _mann_whitney_z(moving, self.motion[others & around & ~own & (self.speech >= 0.5)])
            + _spearman_z(self.motion[own], self.loudness[own])
        )


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """What speaks for one person in one turn."""

    score: float
    motion: float
    """Median motion of the mouth in the turn."""
    liveliest: float
    """What a quarter of that motion exceeds."""

    @property
    def still(self) -> bool:
        return self.score < _STILL and self.motion < _STILL_MOTION

    @property
    def moves(self) -> bool:
        return self.score > 0.0 and self.liveliest >= _STILL_MOTION


def _claims(mouth: _Mouth, turns: Sequence[Span]) -> list[_Claim | None]:
    """One person's claim to every turn; None where the person is not seen enough."""
    nowhere, everywhere = np.zeros(len(mouth.motion), bool), np.ones(len(mouth.motion), bool)
    in_turns = np.any([nowhere, *(mouth.inside(turn, margin_seconds=_EDGE_SECONDS) for turn in turns)], axis=0)
    overall = mouth.goes_with_voice(in_turns, nowhere, everywhere) if len(turns) > 1 else 0.0
    claims: list[_Claim | None] = []
    for turn in turns:
        if mouth.coverage(turn) < _COVERAGE:
            claims.append(None)
            continue
        own = mouth.inside(turn, margin_seconds=_EDGE_SECONDS)
        around = mouth.inside(turn, margin_seconds=_AROUND_SECONDS)
        score = mouth.goes_with_voice(own, in_turns, around) + _PRIOR * overall
        motion, liveliest = np.percentile(mouth.motion[mouth.inside(turn)], (50.0, 75.0))
        claims.append(_Claim(score=score, motion=float(motion), liveliest=float(liveliest)))
    return claims


def _speaker_of(turn: Span, claims: Mapping[str, _Claim]) -> TurnSpeaker:
    if not claims:
        return TurnSpeaker(span=turn, person=None, score=0.0, margin=0.0)
    (best, person), *others = sorted(((c.score, p) for p, c in claims.items()), key=lambda entry: (-entry[0], entry[1]))
    if not others:
        speaker = None if claims[person].still else person
        return TurnSpeaker(span=turn, person=speaker, score=best, margin=best - _STILL)
    margin = best - others[0][0]
    clear = margin >= _MARGIN and claims[person].moves
    return TurnSpeaker(span=turn, person=person if clear else None, score=best, margin=margin)


def _settled(turn: TurnSpeaker, claims: Mapping[str, _Claim], plain: set[str]) -> TurnSpeaker:
    """An unclear turn, given to the only claimant who plainly speaks elsewhere; any other turn as it is."""
    if turn.person is not None or turn.score <= 0.0:
        return turn
    close = [person for person, c in claims.items() if c.moves and turn.score - c.score < _MARGIN]
    known = [person for person in close if person in plain]
    if len(known) != 1:
        return turn
    return replace(turn, person=known[0], score=claims[known[0]].score, margin=0.0)


def _ranks(values: np.ndarray) -> Float[np.ndarray, " n"]:
    """Ranks from 1; equal values share their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], np.float64)


def _mann_whitney_z(sample: np.ndarray, reference: np.ndarray) -> float:
    """How far the sample lies above the reference by rank, as a z value within ±4; 0 with fewer than four of either."""
    n, m = len(sample), len(reference)
    if min(n, m) < _FEWEST:
        return 0.0
    ranks = _ranks(np.concatenate([sample, reference]))
    above = ranks[:n].sum() - n * (n + 1) / 2 - n * m / 2
    spread = np.sqrt(n * m * (n + m + 1) / 12)
    return float(np.clip(above / spread, -_CAP, _CAP))


def _spearman_z(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation as a z value within ±4; 0 where one of the two does not vary or fewer than four are known."""
    known = np.isfinite(second)
    first, second = _ranks(first[known]), _ranks(second[known])
    if len(first) < _FEWEST or np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return 0.0
    return float(np.clip(np.corrcoef(first, second)[0, 1] * np.sqrt(len(first) - 1), -_CAP, _CAP))
