"""The pitch against that of openSMILE (eGeMAPSv02, another method: sub-harmonic summation) on recorded speech."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from emotrace.media.audio import read_waveform
from emotrace.testing.sounds import RATE, measure

opensmile = pytest.importorskip("opensmile", reason="needs opensmile")

EMODB = Path(__file__).resolve().parents[3] / "shared" / "data" / "voice_emodb"
ABOVE_HZ = 27.5
"""Both count semitones from here."""


@pytest.fixture(scope="module")
def errors() -> np.ndarray:
    """Ours minus theirs, in semitones, where both call a frame voiced: a sentence of each emotion and speaker."""
    if not EMODB.is_dir():
        pytest.skip("needs the folder of acted speech beside the repository")
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.LowLevelDescriptors
    )
    with (EMODB / "labels.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "dev"]
    chosen = {(row["speaker"], row["emotion"]): row["file"] for row in rows}
    found = []
    for file in chosen.values():
        samples = read_waveform(EMODB / file).samples
        series = measure(samples)
        table = smile.process_signal(samples, RATE).reset_index()
        theirs = table["F0semitoneFrom27.5Hz_sma3nz"].to_numpy()
        # Their frame starts at `start` and is 60 ms long for the pitch; ours is named by its middle.
        middle = table["start"].dt.total_seconds().to_numpy() + 0.03
        nearest = np.clip(np.rint(middle / 0.01 - 0.5).astype(int), 0, len(series) - 1)
        both = (theirs > 0) & np.isfinite(series.pitch_hz[nearest])
        found.append((12.0 * np.log2(series.pitch_hz[nearest] / ABOVE_HZ) - theirs)[both])
    return np.concatenate(found)


def test_the_median_error_is_under_half_a_semitone(errors: np.ndarray) -> None:
    assert len(errors) > 1000
    assert np.median(np.abs(errors)) < 0.5


def test_few_frames_are_an_octave_apart(errors: np.ndarray) -> None:
    assert np.mean(np.abs(errors) > 6.0) < 0.05
