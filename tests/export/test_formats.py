"""What every format promises: no guess told, the same bytes for the same result, a valid file from an empty one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emotrace.export import FORMATS, Format
from emotrace.results import Analysis, Segment
from emotrace.testing.analysis import hostile_analysis, synthetic_analysis

ALL = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)


def content(form: Format, analysis: Analysis) -> bytes:
    written = form.write(analysis)
    if isinstance(written, dict):
        written = "".join(f"{name}\n{text}" for name, text in written.items())
    return written.encode() if isinstance(written, str) else written


@ALL
def test_a_best_guess_is_never_told(form: Format) -> None:
    analysis = synthetic_analysis(abstain=["low_margin"])
    (person,) = analysis.persons

    def guessing(segment: Segment) -> Segment:
        verdict = segment.verdict.model_copy(
            update={"labels": (), "abstain": "low_margin", "best_guess": ("unheard-of",)}
        )
        return segment.model_copy(update={"verdict": verdict})

    person = person.model_copy(
        update={"overall": guessing(person.overall), "segments": tuple(guessing(each) for each in person.segments)}
    )
    abstaining = analysis.model_copy(update={"persons": (person,), "verdict": person.overall.verdict})
    assert b"unheard-of" not in content(form, abstaining)


@ALL
def test_the_same_result_gives_the_same_bytes(form: Format, with_frames: Callable[..., Analysis]) -> None:
    hostile = with_frames(hostile_analysis(seed=5))
    assert content(form, hostile) == content(form, Analysis.from_json(hostile.to_json()))


@ALL
@pytest.mark.parametrize(
    "empty",
    [
        synthetic_analysis(persons=0),
        synthetic_analysis(persons=0, seconds=0.0, missing={"visual": "not_recorded"}),
        synthetic_analysis(seconds=0.0, segments=1),
        synthetic_analysis(unseen_voice=True, persons=0, missing={"visual": "not_recorded"}, observations=0),
    ],
    ids=["nobody", "nothing", "photograph", "sound"],
)
def test_little_or_nothing_gives_a_file(form: Format, empty: Analysis) -> None:
    written = content(form, empty)
    assert written or (form.ending == ".jsonl" and not empty.persons)


@ALL
def test_every_format_says_what_it_is(form: Format) -> None:
    assert form.about
    assert form.ending.startswith(".") or form.experimental
