"""Made-up results of every shape: overlaps, instants, gaps, abstentions, nobody, hostile texts, measured frames."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import strategies as st

from emotrace.results import AbstainCode, Analysis, FaceFrames
from emotrace.span import Span
from emotrace.testing.analysis import HOSTILE, synthetic_analysis

CODES: tuple[AbstainCode, ...] = tuple(code for code in get_args(AbstainCode) if code != "no_person")
UNITS = ("AU01", "AU04", "AU12")
ANY_TEXT = st.one_of(
    st.sampled_from((*HOSTILE, "", " ", "a --> b", 'item "x" [2]', "\x00\x0b\x1f\ufffe ende", "-1", "笑い\r\n😀")),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)
MOMENT = st.integers(0, 60_000).map(lambda ms: ms / 1000)


def measured_frames(analysis: Analysis, *, seed: int = 0, units: tuple[str, ...] = UNITS) -> Analysis:
    """The result with action units and pose for everyone who is seen, at the times of the boxes; a few are None."""
    rng = random.Random(seed)

    def maybe(low: float, high: float) -> float | None:
        return None if rng.random() < 0.1 else round(rng.uniform(low, high), 3)

    people = []
    for person in analysis.persons:
        times = tuple(box.time_seconds for box in person.boxes)
        frames = FaceFrames(
            times_seconds=times,
            units={unit: tuple(maybe(0.0, 1.0) for _ in times) for unit in units},
            pitch_degrees=tuple(maybe(-30.0, 30.0) for _ in times),
            yaw_degrees=tuple(maybe(-60.0, 60.0) for _ in times),
            roll_degrees=tuple(maybe(-20.0, 20.0) for _ in times),
            eye_opening=tuple(maybe(0.0, 0.5) for _ in times),
            mouth_opening=tuple(maybe(0.0, 1.0) for _ in times),
            quality=tuple(round(rng.random(), 3) for _ in times),
        )
        people.append(person.model_copy(update={"frames": frames if times else None}))
    return analysis.model_copy(update={"persons": tuple(people)})


@st.composite
def any_analysis(draw: st.DrawFn) -> Analysis:
    """A result whose segments lie anywhere, say anything, and abstain for any reason or none."""
    segments = draw(st.integers(1, 4))
    analysis = synthetic_analysis(
        seconds=draw(st.sampled_from((0.0, 0.001, 1.25))),
        persons=draw(st.integers(0, 2)),
        segments=segments,
        observations=draw(st.integers(0, 5)),
        abstain=draw(st.lists(st.sampled_from(CODES), max_size=segments)),
        unseen_voice=draw(st.booleans()),
        texts=draw(st.lists(ANY_TEXT, min_size=1, max_size=3)),
        name=draw(ANY_TEXT.filter(bool)),
        seed=draw(st.integers(0, 99)),
    )
    if draw(st.booleans()):
        analysis = measured_frames(analysis)
    moved = draw(st.booleans())
    people = []
    for person in analysis.persons:
        kept = person.segments if draw(st.integers(0, 9)) else ()
        if moved:
            spans = sorted(Span(*sorted(draw(st.tuples(MOMENT, MOMENT)))) for _ in kept)
            kept = tuple(each.model_copy(update={"span": span}) for each, span in zip(kept, spans, strict=True))
        people.append(person.model_copy(update={"segments": kept}))
    return analysis.model_copy(update={"persons": tuple(people)})


@pytest.fixture(scope="session")
def analyses() -> st.SearchStrategy[Analysis]:
    """To be drawn from by property tests."""
    return any_analysis()


@pytest.fixture(scope="session")
def with_frames() -> Callable[..., Analysis]:
    return measured_frames
