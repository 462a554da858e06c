from __future__ import annotations

import numpy as np
import pytest

from emotrace.evidence import readings
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.fitted import shipped_fitted
from emotrace.media.transcript import Utterance
from emotrace.span import Span
from emotrace.testing.face_series import changed, moved, resting, whole

WHOLE = Span(0.0, 4.0)


def said(*texts: str) -> list[Utterance]:
    step = WHOLE.end_seconds / len(texts)
    return [Utterance(text=text, span=Span(n * step, (n + 1) * step), words=()) for n, text in enumerate(texts)]


def test_a_face_gives_one_reading_of_its_good_crops() -> None:
    series = resting()
    (found,) = readings.of_face(series, whole(series))
    assert found.scores is not None
    assert set(found.scores) == {"anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"}
    assert sum(found.scores.values()) == pytest.approx(1.0, abs=1e-3)
    poor = changed(series, 0, 14, quality=0.0)
    (half,) = readings.of_face(poor, whole(poor))
    assert half.span.start_seconds == pytest.approx(3.0)
    assert half.confidence == pytest.approx(found.confidence / 2, abs=0.01)


def test_poor_crops_are_not_read() -> None:
    series = changed(resting(), 0, 29, quality=0.1)
    assert readings.of_face(series, whole(series)) == []


def test_a_smile_reads_as_happier_than_rest() -> None:
    rest = resting()
    (calm,), (smiling,) = (
        readings.of_face(series, whole(series)) for series in (rest, moved(rest, 0, 29, AU06=0.7, AU12=0.8))
    )
    assert calm.scores is not None
    assert smiling.scores is not None
    assert smiling.scores["happiness"] > calm.scores["happiness"] + 0.3


def test_words_are_read_together_and_say_what_carried_them() -> None:
    (found,) = readings.of_words(said("Thank you so much!", "I am grateful for your help."), WHOLE)
    assert found.scheme == "goemotions"
    assert found.scores is not None
    assert max(found.scores, key=lambda label: found.scores[label]) == "gratitude"
    assert "most by" in found.text
    assert found.span == WHOLE


@pytest.mark.parametrize("text", ["", "...", "Das ist ein schönes Haus, finde ich", "zxqv bnrt wplk hjkl"])
def test_words_that_the_head_does_not_know_are_not_read(text: str) -> None:
    assert readings.of_words(said(text), WHOLE) == []


def test_quotes_in_a_carrier_word_cannot_end_the_quotation() -> None:
    (found,) = readings.of_words(said("I can't believe you won't help me, this isn't fair!"), WHOLE)
    assert EvidenceSheet.of([found], clip_id="0" * 64, span=WHOLE).observations[0].text == found.text


def test_silence_and_a_short_turn_are_not_read() -> None:
    features = readings.voice_head().features(np.zeros(64_000, np.float32))
    assert readings.of_voice(features, WHOLE, speech=[WHOLE]) == []
    assert readings.of_voice(features, WHOLE, speech=[Span(0.0, 0.5)]) == []


def test_a_voice_gives_a_reading_within_its_speech() -> None:
    time = np.arange(64_000) / 16_000
    pitch = 140.0 + 25.0 * np.sin(2 * np.pi * 0.8 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    buzz = sum(np.sin(k * phase) / k for k in range(1, 20)) * (0.5 + 0.5 * np.sin(2 * np.pi * 4.0 * time))
    features = readings.voice_head().features((0.1 * buzz).astype(np.float32))
    found = readings.of_voice(features, WHOLE, speech=[Span(0.5, 3.5)])
    assert found[0].scores is not None
    assert found[0].span == Span(0.5, 3.5)
    assert found[0].confidence <= readings.VOICE_CONFIDENCE


def test_what_each_head_reads_on_average_was_measured() -> None:
    for source, (_, labels) in readings.LABELS.items():
        mean = shipped_fitted().readings[source]
        assert set(mean) == set(labels)
        assert sum(mean.values()) == pytest.approx(1.0, abs=0.01)
