"""The main job with priors: what stands in a result, that features are those of training, and what happens without."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from emotrace.encoders.clip_features import ClipSource, OpenClip
from emotrace.encoders.extract import encoder_named
from emotrace.errors import CheckpointMismatch, ModelNotFound
from emotrace.evidence.mllm import trace
from emotrace.evidence.providers.embedded import EmbeddedProvider
from emotrace.evidence.reasoning.trace import ReasoningTrace
from emotrace.evidence.store import TraceStore
from emotrace.media.clip import Clip
from emotrace.media.faces import detector
from emotrace.pipeline import analyze
from emotrace.priors.card import CARD, read_card, write_card
from emotrace.priors.config import DISCLAIMER, FEATURES
from emotrace.priors.video.fused import FusedReading
from emotrace.priors.video.observer import Nobody, Stored
from emotrace.priors.video.reading import READING
from emotrace.priors.video.system import PriorsSystem
from emotrace.results import Analysis, Segment, json_schema
from emotrace.samples import sample_clip
from emotrace.testing.analysis import synthetic_analysis
from emotrace.testing.synthetic import write_clip
from emotrace.testing.trained_priors import write_tiny_priors

pytestmark = pytest.mark.usefixtures("one_thread")


def stretches(analysis: Analysis) -> list[Segment]:
    return [each for person in analysis.persons for each in (*person.segments, person.overall)]


def whole(analysis: Analysis) -> FusedReading:
    fused = analysis.persons[0].overall.fusion
    assert fused is not None
    return fused


def test_every_stretch_has_a_distribution_and_says_what_moved_it(fused_talk: Analysis) -> None:
    found = stretches(fused_talk)
    assert len(found) == 4
    for segment in found:
        fused = segment.fusion
        assert fused is not None
        assert fused.span == segment.span
        assert sum(fused.distribution.values()) == pytest.approx(1.0, abs=1e-3)
        assert fused.observer == "embedded/observers@1"
        assert not fused.is_prior_free
        logits = {
            label: fused.base[label] + fused.remainder[label] + sum(each[label] for each in fused.effects.values())
            for label in fused.distribution
        }
        shares = np.exp(list(logits.values()))
        np.testing.assert_allclose(shares / shares.sum(), list(fused.distribution.values()), atol=2e-3)
        assert set(fused.present) <= set(FEATURES)
        assert {part for part in fused.effects if part in FEATURES} == set(fused.present)


def test_the_reading_stands_on_the_sheet_and_names_its_scheme(fused_talk: Analysis) -> None:
    for segment in stretches(fused_talk):
        (reading,) = [each for each in segment.sheet.observations if each.cue == READING]
        assert segment.fusion is not None
        assert reading.scores == segment.fusion.distribution
        assert reading.scheme == "mer6"
        assert reading.confidence == 0.5  # weights that were never tested


def test_features_are_those_that_training_would_have_read(priors_weights: Path) -> None:
    system = PriorsSystem.load(priors_weights)
    seen: list[dict[str, object]] = []

    class Spy(PriorsSystem):
        def fuse(self, rows, trace, span):  # type: ignore[no-untyped-def]
            seen.append({"rows": rows, "span": span})
            return super().fuse(rows, trace, span)

    analyze(sample_clip(), systems=[Spy(**vars(system))], detector="opencv")
    rows = max(seen, key=lambda each: each["span"].duration_seconds)["rows"]  # type: ignore[attr-defined]
    clip = OpenClip(ClipSource(name="talk", media=sample_clip()), rate_hz=5.0)
    face = encoder_named("face")
    of_training = {
        "visual": clip.seen_by([face], detector("opencv"))["face"],  # type: ignore[list-item]
        "vocal": clip.heard_by(encoder_named("voice")),  # type: ignore[arg-type]
        "verbal": clip.read_by(encoder_named("hashed")),  # type: ignore[arg-type]
    }
    for modality, features in of_training.items():
        assert features is not None
        np.testing.assert_allclose(rows[modality], features.utterance, rtol=2e-3, atol=2e-3, err_msg=modality)  # type: ignore[index]


def test_without_traces_it_is_prior_free_and_nothing_else_changes(
    priors_weights: Path, fused_talk: Analysis, tmp_path: Path
) -> None:
    alone = analyze(sample_clip(), systems=[PriorsSystem.load(priors_weights, observer=Nobody())])
    fused = whole(alone)
    assert fused.is_prior_free
    assert fused.observer is None
    assert not [part for part in fused.effects if part.endswith("trace")]
    for part in fused.present:  # what was heard and seen is the same
        assert whole(fused_talk).present == fused.present
        assert fused.effects[part] != {}
    never = PriorsSystem.load(write_tiny_priors(tmp_path / "run", traces=False))
    assert whole(analyze(sample_clip(), systems=[never])).is_prior_free


def test_stored_traces_are_used_for_the_whole_clip_and_never_for_a_part(priors_weights: Path, tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "traces.jsonl", ReasoningTrace.from_dict)
    store.append(trace(Clip.open(sample_clip()), EmbeddedProvider()))
    system = PriorsSystem.load(priors_weights, observer=Stored.open(tmp_path / "traces.jsonl"))
    analysis = analyze(sample_clip(), systems=[system])
    assert not whole(analysis).is_prior_free
    assert all(each.fusion is not None and each.fusion.is_prior_free for each in analysis.persons[0].segments)
    with pytest.raises(ModelNotFound, match="no traces"):
        Stored.open(tmp_path / "nowhere.jsonl")


def test_a_result_survives_json_follows_the_schema_and_repeats(fused_talk: Analysis, priors_weights: Path) -> None:
    text = fused_talk.to_json()
    assert Analysis.from_json(text) == fused_talk
    jsonschema.validate(json.loads(text), json_schema())
    assert analyze(sample_clip(), systems=[PriorsSystem.load(priors_weights)]).to_json() == text
    assert DISCLAIMER in json.dumps(fused_talk.provenance.settings["priors"])


def test_a_result_from_before_there_was_fusion_is_still_read() -> None:
    old = json.loads(synthetic_analysis().to_json())
    for person in old["persons"]:
        for segment in (*person["segments"], person["overall"]):
            del segment["fusion"]
    assert Analysis.from_json(json.dumps(old)) == synthetic_analysis()


def test_a_clip_without_sound_words_or_face_has_what_is_left(priors_weights: Path, tmp_path: Path) -> None:
    bars = write_clip(tmp_path / "bars.mp4")
    analysis = analyze(bars, systems=[PriorsSystem.load(priors_weights)])
    assert all(segment.fusion is None or segment.fusion.present == ("vocal",) for segment in stretches(analysis))
    mute = analyze(sample_clip(), use_audio=False, systems=[PriorsSystem.load(priors_weights)])
    assert "vocal" not in whole(mute).present


def test_weights_whose_features_cannot_be_made_are_refused(priors_weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "weights"
    copy.mkdir()
    for file in priors_weights.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    card = read_card(copy)
    assert card is not None
    other = card.features["vocal"].model_copy(update={"encoder": None, "fingerprint": None})
    write_card(copy, card.model_copy(update={"features": {**card.features, "vocal": other}}))
    with pytest.raises(CheckpointMismatch, match="made by other tools"):
        PriorsSystem.load(copy)
    changed = card.features["visual"].model_copy(update={"fingerprint": "face-of-another-release"})
    write_card(copy, card.model_copy(update={"features": {**card.features, "visual": changed}}))
    with pytest.raises(CheckpointMismatch, match="face-of-another-release"):
        PriorsSystem.load(copy)
    (copy / CARD).unlink()
    with pytest.raises(ModelNotFound, match="no card"):
        PriorsSystem.load(copy)
