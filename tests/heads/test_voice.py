from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from emotrace.files import sha256_of
from emotrace.heads.voice import AROUSAL, EMOTIONS, MOST_TRUST, VALENCE, VoiceHead, trust_in, voice_windows
from emotrace.media.audio import read_waveform
from emotrace.models import REGISTRY, resolve
from emotrace.span import Span
from emotrace.testing.sounds import RATE, music, noise, talk

ROOT = Path(__file__).resolve().parents[2]
EMODB = ROOT.parent / "shared" / "data" / "voice_emodb"


@pytest.fixture(scope="module")
def head() -> VoiceHead:
    return VoiceHead()


def sound(seconds: float = 8.0, **changes: float) -> np.ndarray:
    return talk(seconds, **changes).astype(np.float32)  # type: ignore[arg-type]


GOLDEN: dict[str, tuple[dict[str, float], list[float]]] = {
    "slow and low": (
        {"seed": 1, "base_hz": 100.0, "movement": 0.4, "syllables_per_second": 3.5},
        [0.026695, 0.777372, 0.036734, 0.004357, 0.00772, 0.052668, 0.094453],
    ),
    "quick and high": (
        {"seed": 2, "base_hz": 260.0, "movement": 2.0, "syllables_per_second": 5.5},
        [0.314193, 0.331009, 0.032708, 0.014478, 0.201237, 0.074275, 0.032101],
    ),
}


def test_the_shipped_file_is_the_one_of_its_card() -> None:
    card = (ROOT / "docs" / "cards" / "voice.md").read_text(encoding="utf-8")
    head_lines = "\n".join(card.splitlines()[:5])
    assert sha256_of(resolve("voice")) in head_lines
    assert REGISTRY["voice"].bytes == resolve("voice").stat().st_size


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_readings(head: VoiceHead, name: str) -> None:
    changes, expected = GOLDEN[name]
    reading = head.read(head.features(sound(4.0, **changes)), [Span(0.0, 4.0)])
    np.testing.assert_allclose(reading.emotions[0], expected, atol=1e-4)


def test_a_reading_is_a_distribution_and_its_places(head: VoiceHead) -> None:
    reading = head.read(head.features(sound()), voice_windows([Span(0.0, 7.5)]))
    assert len(reading) == 2
    assert reading.emotions.shape == (2, len(EMOTIONS))
    np.testing.assert_allclose(reading.emotions.sum(axis=1), 1.0, atol=1e-5)
    for mean, spread, places in (
        (reading.arousal, reading.arousal_sd, AROUSAL),
        (reading.valence, reading.valence_sd, VALENCE),
    ):
        at = np.array(places)
        np.testing.assert_allclose(mean, reading.emotions @ at, atol=1e-5)
        np.testing.assert_allclose(spread**2, reading.emotions @ at**2 - mean**2, atol=1e-5)


def test_the_gain_of_the_recording_changes_nothing(head: VoiceHead) -> None:
    loud, window = sound(4.0), [Span(0.0, 4.0)]
    one, other = (head.read(head.features(samples), window).emotions for samples in (loud, loud / 8))
    np.testing.assert_allclose(one, other, atol=0.03)  # frames are kept as float16


def test_windows_do_not_see_each_other(head: VoiceHead) -> None:
    features = head.features(sound())
    together = head.read(features, [Span(0.0, 3.0), Span(4.0, 7.0)]).emotions
    alone = head.read(features[200:], [Span(0.0, 3.0)]).emotions
    np.testing.assert_allclose(together[1:], alone, atol=1e-6)


def test_excited_talk_is_more_aroused_than_slow_low_talk(head: VoiceHead) -> None:
    calm, excited = (
        head.read(head.features(sound(4.0, **changes)), [Span(0.0, 4.0)]).arousal[0] for changes, _ in GOLDEN.values()
    )
    assert excited > calm + 0.2


@pytest.mark.parametrize(
    "samples",
    [np.zeros(4 * RATE), noise(4.0), noise(4.0, pink=True), np.zeros(0)],
    ids=["silence", "white", "pink", "none"],
)
def test_where_there_is_no_voice_nothing_is_read(head: VoiceHead, samples: np.ndarray) -> None:
    assert len(head.read(head.features(samples.astype(np.float32)), [Span(0.0, 4.0)])) == 0


def test_windows_without_voice_are_left_out_and_the_others_keep_their_spans(head: VoiceHead) -> None:
    samples = np.concatenate([np.zeros(2 * RATE, np.float32), sound(3.0)])
    reading = head.read(head.features(samples), [Span(0.0, 2.0), Span(2.0, 5.0), Span(50.0, 53.0)])
    assert reading.spans == (Span(2.0, 5.0),)


def test_a_speaker_is_his_own_reference_only_when_there_is_enough_of_him(head: VoiceHead) -> None:
    features, window = head.features(sound(40.0)), [Span(0.0, 4.0)]
    plain, little, much = (
        head.read(features, window, reference=reference).emotions
        for reference in (None, [Span(0.0, 8.0)], [Span(0.0, 40.0)])
    )
    np.testing.assert_array_equal(plain, little)
    assert np.abs(plain - much).max() > 1e-3


def test_trust_grows_and_stops() -> None:
    values = [trust_in(float(seconds)) for seconds in range(0, 100, 5)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.0, MOST_TRUST)


def test_windows_cover_speech_in_equal_parts() -> None:
    windows = voice_windows([Span(0.0, 0.9), Span(2.0, 3.0), Span(5.0, 18.0)])
    assert windows[0] == Span(2.0, 3.0)
    lengths = [window.duration_seconds for window in windows]
    assert min(lengths) >= 1.0
    assert max(lengths) <= 4.0
    assert sum(lengths) == pytest.approx(14.0)


def test_speakers_never_heard_are_read_better_than_by_chance(head: VoiceHead) -> None:
    """A part of the dev speakers' recordings: enough to notice a broken file, not to repeat the card."""
    if not EMODB.is_dir():
        pytest.skip("needs the folder of acted speech beside the repository")
    with (EMODB / "labels.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "dev"][::3]
    truth = np.array([EMOTIONS.index(row["emotion"]) for row in rows])
    arousal, right = [], []
    for row, emotion in zip(rows, truth, strict=True):
        samples = read_waveform(EMODB / row["file"]).samples
        reading = head.read(head.features(samples), voice_windows([Span(0.0, len(samples) / RATE)]))
        arousal.append(float(reading.arousal.mean()))
        right.append(int(reading.emotions.mean(axis=0).argmax()) == emotion)
    assert np.mean(right) > 0.45
    assert np.corrcoef(arousal, np.array(AROUSAL)[truth])[0, 1] > 0.7


def test_card_and_results_agree() -> None:
    card = (ROOT / "docs" / "cards" / "voice.md").read_text(encoding="utf-8")
    results = (ROOT / "docs" / "results" / "head_voice.json").read_text(encoding="utf-8")
    digest = re.search(r'"sha256": "([0-9a-f]{64})"', results)
    assert digest is not None
    assert digest[1] in card
    assert digest[1] == REGISTRY["voice"].sha256


def test_a_tune_has_pitch_and_so_needs_the_gate(head: VoiceHead) -> None:
    """The head hears whatever has a pitch; that a tune is no speech is for voice activity to say, which comes first."""
    assert len(head.read(head.features(music("melody", 4.0).astype(np.float32)), [Span(0.0, 4.0)])) == 1
