"""ρ: one test per hard code, the formulas on values made by hand, and other clips' traces trusted less."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from emotrace.evidence.mllm import asked_settings, trace
from emotrace.evidence.providers.embedded import EmbeddedProvider
from emotrace.evidence.providers.scripted import ScriptedProvider
from emotrace.evidence.reasoning.grounding import ground, verdict
from emotrace.evidence.reasoning.parsing import read_answer
from emotrace.evidence.reasoning.trace import Grounding, ReasoningTrace, Section, Status, Usage
from emotrace.evidence.reliability import HARD_CODES, quotes, reliability, rho, soft_scores
from emotrace.media.clip import Clip
from emotrace.span import Span
from emotrace.testing.trace_answers import section

LABELS = ("happy", "sad")
PARTS = ("visual", "vocal", "verbal", "joint")
SAID = "I have never seen anything like that before"


def made(language: str = "en", **changes: dict[str, Any] | Section) -> ReasoningTrace:
    """A trace that holds every rule, with changes by section."""
    sections = {}
    for part in PARTS:
        change = changes.get(part, {})
        if isinstance(change, Section):
            sections[part] = change
            continue
        text = json.dumps(section(part, **change))
        sections[part] = read_answer(text, part, source="s", labels=LABELS)[part]  # type: ignore[index]
    return ReasoningTrace(
        clip_sha256="0" * 64,
        span=Span(0.0, 1.0),
        language="en",
        transcript_sha256=None,
        provider="scripted",
        model="script",
        prompt_sha256={"visual": "x"},
        settings=asked_settings(labels=LABELS, language=language),
        usage=Usage(),
        **sections,
    )


def with_observation(part: str, **changes: Any) -> dict[str, Any]:
    return {"observations": [{**section(part)["observations"][0], **changes}]}


BREAKS: dict[str, tuple[str, dict[str, Any] | Section]] = {
    "malformed": ("visual", Section(status=Status.MALFORMED, reason="no JSON")),
    "status": ("vocal", Section(status=Status.ABSENT, reason="the clip has none")),
    "empty": ("verbal", {"observations": [], "text": "nothing"}),
    "too_many": (
        "visual",
        {"observations": [{**section("visual")["observations"][0], "id": f"V{k}"} for k in range(1, 9)]},
    ),
    "refusal": ("visual", {"text": "I'm sorry, I cannot help with identifying people."}),
    "bad_id": ("visual", with_observation("visual", id="one")),
    "bad_span": ("visual", with_observation("visual", end_seconds=1.2)),
    "bad_action_unit": ("visual", with_observation("visual", text="AU99 at intensity C")),
    "foreign_modality": ("visual", with_observation("visual", id="A1")),
    "absent_modality": ("vocal", Section(status=Status.OK, text="x" * 30, issues=("absent_modality",))),
    "quotes_words": ("vocal", {"text": "It says have never seen anything, in a low voice."}),
    "language": ("joint", {"text": "他的嘴角慢慢上扬，然后又很快地落下来，声音也变低了。"}),
    "scores_labels": ("visual", {"scores": {"happy": 1.0}}),
    "scores_range": ("visual", {"scores": {"happy": 1.4, "sad": 0.0}}),
    "label": ("visual", {"label": "sad"}),
    "contribution": ("joint", {"contribution": {"visual": 50, "vocal": 30, "verbal": 30}}),
}


def test_an_answer_that_holds_every_rule_fails_no_check() -> None:
    assert {part: found.failed for part, found in reliability(made(), transcript=SAID).items()} == dict.fromkeys(
        PARTS, ()
    )


def test_every_code_has_a_case() -> None:
    assert set(BREAKS) == set(HARD_CODES)


@pytest.mark.parametrize("code", BREAKS)
def test_each_hard_check_alone_takes_all_trust_away(code: str) -> None:
    part, change = BREAKS[code]
    found = reliability(made(**{part: change}), transcript=SAID)
    assert code in found[part].failed  # type: ignore[index]
    assert found[part].rho == 0.0  # type: ignore[index]
    assert all(each.rho > 0.0 for name, each in found.items() if name != part)


def test_tolerances() -> None:
    fine = {
        "visual": with_observation("visual", end_seconds=1.1),
        "joint": {"contribution": {"visual": 50, "vocal": 30, "verbal": 20.9}},
        "vocal": {"scores": {"happy": 0.5, "sad": 0.5}, "label": "sad"},
    }
    assert not any(found.failed for found in reliability(made(**fine)).values())


def test_a_chinese_answer_in_chinese_is_in_its_language() -> None:
    text = "他的嘴角慢慢上扬，然后又很快地落下来，声音也变低了。"
    found = reliability(made(language="zh", visual={"text": text}))
    assert found["visual"].failed == ()
    assert found["joint"].failed == ("language",)


def test_rho_at_its_closed_form_points() -> None:
    assert rho({"a": 1.0, "b": 0.25}) == pytest.approx(0.5, abs=1e-12)
    assert rho({}) == 0.5
    assert rho({"a": 0.0}) == pytest.approx(0.05, abs=1e-12)
    assert rho({"a": 1.0}) == 1.0
    assert rho({"a": 0.5, "b": 0.5, "c": 0.5}) == pytest.approx(0.5, abs=1e-12)


def test_soft_scores_on_values_made_by_hand() -> None:
    own = Section(
        status=Status.OK,
        text="x" * 30,
        scores={"a": 0.6, "b": 0.4},
        samples=({"a": 0.5, "b": 0.5}, {"a": 0.4, "b": 0.6}),
    )
    soft = soft_scores(
        own, joint={"a": 0.4, "b": 0.6}, model={"a": 1.0, "b": 0.0}, grounding=Grounding(supported=2, contradicted=1)
    )
    middle = 0.5
    divergence = 0.6 * math.log2(0.6 / middle) + 0.4 * math.log2(0.4 / middle)
    expected = {
        "margin": 1.0,
        "joint": 1.0 - divergence,
        "model": 0.6,
        "self": (0.9 + 0.8 + 0.9) / 3,
        "ground": 3 / 5,
    }
    assert soft == pytest.approx(expected, abs=1e-12)
    torn = Section(status=Status.OK, scores={"a": 0.55, "b": 0.45})
    assert soft_scores(torn)["margin"] == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(
    ("joint", "expected"), [({"a": 1.0, "b": 0.0}, 1.0), ({"a": 0.0, "b": 1.0}, 0.0), ({"a": 7.0, "b": 0.0}, 1.0)]
)
def test_agreement_is_one_with_itself_and_nothing_with_the_opposite(joint: dict[str, float], expected: float) -> None:
    own = Section(status=Status.OK, scores={"a": 0.8, "b": 0.0})
    assert soft_scores(own, joint=joint)["joint"] == pytest.approx(expected, abs=1e-12)


def test_what_is_undefined_is_left_out() -> None:
    assert soft_scores(Section(status=Status.OK, scores={"a": 0.0, "b": 0.0})) == {}
    assert soft_scores(Section(status=Status.OK), grounding=Grounding()) == {}
    assert "joint" not in reliability(made())["joint"].soft
    broken = reliability(made(joint={"label": "sad"}))
    assert "joint" not in broken["visual"].soft  # a joint section that fails a check is no witness


def test_quotations() -> None:
    assert quotes("who says NEVER seen, anything... like?", SAID)
    assert not quotes("never seen anything", SAID)
    assert quotes("他说我从来没有见过", "我从来没有见过这样的")
    assert not quotes("我从来没", "我从来没有见过这样的")
    assert not quotes("anything at all", "")


def test_other_clips_traces_are_trusted_less_than_their_own(shared_media: Path) -> None:
    from emotrace.evidence.mllm import EMBEDDED_SETTINGS
    from emotrace.evidence.reasoning.material import Material

    provider = EmbeddedProvider()
    clips = [Clip.open(path) for path in sorted(shared_media.glob("grid_*.mpg"))]
    traces = [trace(clip, provider) for clip in clips]
    sheets = [provider.sheet(Material(clip, EMBEDDED_SETTINGS)) for clip in clips]
    said = [None if clip.transcript is None else clip.transcript.text for clip in clips]

    def mean_rho(shift: int) -> float:
        total, count = 0.0, 0
        for number, each in enumerate(traces):
            other = (number + shift) % len(clips)
            grounds = {
                part: ground(section, sheets[other].observations, said[other])
                for part, section in each.sections.items()
            }
            found = reliability(each, grounding=grounds)
            known = [found[part].rho for part in PARTS if each.sections[part].is_ok]  # type: ignore[index]
            total, count = total + sum(known), count + len(known)
        return total / count

    own, shuffled = mean_rho(0), [mean_rho(shift) for shift in range(1, len(clips))]
    assert own > max(shuffled)


def test_a_claim_is_borne_out_contradicted_or_unknown() -> None:
    def claims(part: str, text: str, start: float = 0.0) -> Any:
        told = {"id": "V1" if part == "visual" else "A1" if part == "vocal" else "T1", "text": text}
        item = {**told, "start_seconds": start, "end_seconds": start + 0.5, "strength": 0.5, "confidence": 0.5}
        answer = json.dumps({"text": "", "observations": [item]})
        return read_answer(answer, part, source="s", labels=())[part].observations[0]  # type: ignore[arg-type,index]

    from dataclasses import replace

    smile = replace(claims("visual", "lip corners rise"), cue="au12_alone")
    low = replace(claims("vocal", "pitch falls to 90 Hz"), cue="pitch_low")
    cases = {
        ("visual", "AU12 lip corner puller C", 0.0): "supported",
        ("visual", "嘴角上扬，持续一秒", 0.0): "supported",
        ("visual", "AU12 lip corner puller C", 5.0): "unknown",
        ("visual", "no smile, lips closed", 0.0): "unknown",
        ("visual", "the face stays still", 0.0): "contradicted",
        ("visual", "hair falls over the left eye", 0.0): "unknown",
        ("vocal", "pitch rises towards the end", 0.0): "contradicted",
        ("vocal", "low pitch from the start", 0.0): "supported",
        ("verbal", "says 'never SEEN, anything'", 0.0): "supported",
        ("verbal", "says 'all is well'", 0.0): "contradicted",
        ("verbal", "speaks of an event", 0.0): "unknown",
    }
    found = {(part, text, at): verdict(claims(part, text, at), [smile, low], SAID) for part, text, at in cases}
    assert found == cases


def test_scripted_traces_carry_their_reliability(small_clip: Path) -> None:
    answers = {part: json.dumps(section(part)) for part in PARTS}
    found = trace(Clip.open(small_clip), ScriptedProvider(answers), settings=asked_settings(labels=LABELS))
    assert found.reliability["verbal"].soft["ground"] == pytest.approx(2 / 3)
    assert found.reliability["visual"].failed == ()
    assert found.grounding["verbal"] == Grounding(supported=1)
