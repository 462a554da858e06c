from __future__ import annotations

import numpy as np
import pytest

from emotrace.encoders.text_hashed import HashedText
from emotrace.errors import UsageError
from emotrace.evidence.observation import LETTERS, Modality, Observation
from emotrace.evidence.reasoning.trace import (
    SECTIONS,
    ReasoningTrace,
    Section,
    SectionReliability,
    Settings,
    Status,
)
from emotrace.labels.schemes import scheme
from emotrace.priors.trace_vectors import TraceVectors, encode_traces
from emotrace.span import Span

ENCODER, MER = HashedText(), scheme("mer6")
SPAN = Span(0.0, 2.0)


def _section(modality: Modality, text: str, *said: tuple[str, float], status: Status = Status.OK) -> Section:
    return Section(
        status=status,
        observations=tuple(
            Observation(
                id=f"{LETTERS[modality]}{number}",
                modality=modality,
                span=SPAN,
                text=sentence,
                strength=0.5,
                confidence=confidence,
                source="test@1",
            )
            for number, (sentence, confidence) in enumerate(said, start=1)
        ),
        text=text,
        scores={"happy": 0.9, "sad": 0.1},
        label="happy",
    )


def _trace(
    number: int = 1,
    *,
    visual: Section | None = None,
    vocal: Section | None = None,
    rho: dict[Modality, float] | None = None,
) -> ReasoningTrace:
    sections: dict[Modality, Section] = {
        "visual": visual or _section("visual", f"The face number {number} looks happy.", ("lip corners rise", 0.8)),
        "vocal": vocal or _section("vocal", f"The voice number {number} is low."),
        "verbal": _section("verbal", f"She says number {number} and is sad."),
        "joint": _section("joint", f"All of number {number} agree: surprise."),
    }
    return ReasoningTrace(
        clip_sha256=f"{number:064d}",
        span=SPAN,
        language="en",
        transcript_sha256=None,
        provider="scripted",
        model="test",
        prompt_sha256={},
        settings=Settings(fps=5.0, max_frames=16, longest_pixels=512),
        reliability={
            name: SectionReliability(rho=value) for name, value in (rho or dict.fromkeys(SECTIONS, 0.5)).items()
        },
        **sections,
    )


def _encoded(traces: dict[str, ReasoningTrace], keys: list[str], **options: object) -> TraceVectors:
    return encode_traces(traces, keys, ENCODER, scheme=MER, **options)  # type: ignore[arg-type]


def test_a_section_is_its_sentences_and_its_reasoning() -> None:
    found = _encoded({"a": _trace()}, ["a"])
    assert found.vectors.shape == (1, 4, 1024)
    assert np.array_equal(found.vectors[0, 0], ENCODER.encode(["lip corners rise\nThe face number 1 looks happy."])[0])
    assert np.array_equal(found.vectors[0, 3], ENCODER.encode(["All of number 1 agree: surprise."])[0])
    assert found.rho.tolist() == [[0.5] * 4]


def test_scores_and_label_never_enter() -> None:
    def with_scores(section: Section) -> Section:
        return section.model_copy(update={"scores": {"angry": 1.0}, "label": "angry", "samples": ({"sad": 1.0},)})

    trace = _trace()
    other = trace.model_copy(update={name: with_scores(each) for name, each in trace.sections.items()})
    assert np.array_equal(_encoded({"a": trace}, ["a"]).vectors, _encoded({"a": other}, ["a"]).vectors)


def test_what_cannot_be_used_is_masked_and_counted() -> None:
    refused = _section("visual", "I cannot help with that.", status=Status.REFUSED)
    traces = {
        "a": _trace(visual=refused),
        "b": _trace(rho={"visual": 0.0, "vocal": 0.25}),
        "stranger": _trace(),
    }
    found = _encoded(traces, ["a", "gone", "b"])
    assert found.present.tolist() == [[False, True, True, True], [False] * 4, [False, True, False, False]]
    assert found.rho[2, 1] == np.float32(0.25)
    assert not found.vectors[~found.present].any()
    assert (found.without_trace, found.unused) == (("gone",), ("stranger",))
    assert found.counts == (
        "traces (full): visual 0, vocal 2, verbal 1, joint 1; 1 of 3 clips without one, 1 of other clips left out"
    )


def test_masked_shows_no_verdict_and_verdict_nothing_else() -> None:
    trace = {"a": _trace()}
    masked, verdict = _encoded(trace, ["a"], view="masked"), _encoded(trace, ["a"], view="verdict")
    assert np.array_equal(masked.vectors[0, 3], ENCODER.encode(["All of number 1 agree: [MASK]."])[0])
    assert np.array_equal(verdict.vectors[0, 3], ENCODER.encode(["surprise"])[0])
    assert masked.present.tolist() == [[True] * 4]
    silent = _trace(vocal=_section("vocal", "Pitch falls by three semitones."))
    assert _encoded({"a": silent}, ["a"], view="verdict").present.tolist() == [[True, False, True, True]]
    twin = _trace(visual=_section("visual", "The face number 1 looks worried.", ("lip corners rise", 0.8)))
    assert np.array_equal(_encoded({"a": twin}, ["a"], view="masked").vectors, masked.vectors)


def test_shuffled_takes_another_clips_trace_with_its_reliability() -> None:
    keys = [f"clip{number}" for number in range(6)]
    traces = {key: _trace(number, rho=dict.fromkeys(SECTIONS, number / 10 + 0.1)) for number, key in enumerate(keys)}
    folds = [0, 0, 0, 1, 1, 1]
    full, shuffled = _encoded(traces, keys), _encoded(traces, keys, view="shuffled", folds=folds)
    owner = [int(np.flatnonzero(np.isclose(full.rho[:, 0], rho))[0]) for rho in shuffled.rho[:, 0]]
    assert sorted(owner) == list(range(6))
    assert all(owner[place] != place and folds[owner[place]] == folds[place] for place in range(6))
    assert np.array_equal(shuffled.vectors, full.vectors[owner])
    assert np.array_equal(shuffled.vectors, _encoded(traces, keys, view="shuffled", folds=folds).vectors)


def test_none_shows_nothing() -> None:
    found = _encoded({"a": _trace()}, ["a"], view="none")
    assert not found.present.any()
    assert not found.vectors.any()


def test_observations_count_by_their_confidence() -> None:
    section = _section("visual", "Reasoning that is left out.", ("lip corners rise", 0.9), ("brows move up", 0.3))
    found = _encoded({"a": _trace(visual=section)}, ["a"], granularity="observation")
    one, two = ENCODER.encode(["lip corners rise", "brows move up"])
    np.testing.assert_allclose(found.vectors[0, 0], 0.75 * one + 0.25 * two, atol=1e-6)
    assert np.array_equal(found.vectors[0, 1], ENCODER.encode(["The voice number 1 is low."])[0])


def test_folds_of_other_clips_are_refused() -> None:
    with pytest.raises(UsageError, match="1 folds for 2 clips"):
        _encoded({}, ["a", "b"], folds=[0])
