"""Sounds with known answers: a voice of glottal pulses and formants, talk-like syllables, noise, and kinds of music."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from emotrace.evidence.voice_signals import VoiceMeter, VoiceSeries
from emotrace.media.audio import Waveform
from emotrace.span import Span

RATE = 16_000
VOWELS = {"a": (730, 1090, 2440), "i": (270, 2290, 3010), "u": (300, 870, 2240), "e": (530, 1840, 2480)}


def blocks(samples: np.ndarray, *, block_samples: int = RATE, start_seconds: float = 0.0) -> Iterator[Waveform]:
    """The sound in consecutive blocks, as an `AudioReader` would give it."""
    for first in range(0, len(samples), block_samples):
        part = np.ascontiguousarray(samples[first : first + block_samples], np.float32)
        start = start_seconds + first / RATE
        yield Waveform(samples=part, sample_rate_hz=RATE, span=Span(start, start + len(part) / RATE))


def measure(samples: np.ndarray, *, block_samples: int = 10 * RATE, start_seconds: float = 0.0) -> VoiceSeries:
    """What a `VoiceMeter` makes of the sound."""
    meter = VoiceMeter()
    for block in blocks(samples, block_samples=block_samples, start_seconds=start_seconds):
        meter.feed(block)
    return meter.finish()


def voice(
    pitch_hz: float | np.ndarray, seconds: float = 1.0, *, vowel: str = "a", tilt_db: float = -12.0
) -> Float64[np.ndarray, " time"]:
    """Harmonics of a glottal source, falling by `tilt_db` per octave, shaped by three formants; peak 0.5."""
    samples = round(seconds * RATE)
    pitch = np.broadcast_to(np.asarray(pitch_hz, float), (samples,))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = np.zeros(samples)
    for harmonic in range(1, int(5000 / pitch.min()) + 1):
        hz = harmonic * pitch
        gain = sum(1.0 / (1.0 + ((hz - formant) / (60 + formant / 25)) ** 2) for formant in VOWELS[vowel]) + 0.02
        gain = gain * 10 ** (tilt_db * np.log2(harmonic) / 20) * harmonic * (hz < 5000)  # lips: +6 dB per octave
        sound += gain * np.sin(harmonic * phase)
    return np.asarray(0.5 * sound / np.abs(sound).max())


def pulses(periods: np.ndarray, heights: np.ndarray, *, decay_hz: float = 400.0) -> Float64[np.ndarray, " time"]:
    """Pulses at exactly known distances (in samples, fractions allowed), each ringing at 700 Hz."""
    at = np.cumsum(periods)
    time = np.arange(int(at[-1] + periods[-1]))
    sound = np.zeros(len(time))
    for moment, height in zip(at, heights, strict=True):
        since = (time - moment) / RATE
        ring = np.exp(-2 * np.pi * decay_hz * np.maximum(since, 0.0)) * np.sin(2 * np.pi * 700 * since)
        sound += height * np.where(since >= 0, ring, 0.0)
    return np.asarray(0.4 * sound / np.abs(sound).max())


def talk(
    seconds: float, *, seed: int = 0, base_hz: float = 120.0, syllables_per_second: float = 4.5, movement: float = 1.0
) -> Float64[np.ndarray, " time"]:
    """Syllables of fricative and vowel with falling phrases and pauses: like speech in rhythm, pitch and spectrum."""
    rng = np.random.default_rng(seed)
    pieces: list[np.ndarray] = []
    length, phrase = 0, 0
    while length < seconds * RATE:
        duration = rng.normal(1.0, 0.15) / syllables_per_second
        duration = float(np.clip(duration, 0.09, 1.0))
        vowel_seconds = 0.7 * duration
        semitones = movement * (3.0 - 0.8 * phrase + rng.normal(0, 1.0))
        glide = np.linspace(semitones, semitones + rng.normal(-0.5, 1.5), round(vowel_seconds * RATE))
        vowel = voice(base_hz * 2 ** (glide / 12), vowel_seconds, vowel=str(rng.choice(list(VOWELS))))
        vowel *= np.sin(np.linspace(0, np.pi, len(vowel))) ** 0.6 * rng.uniform(0.6, 1.0)
        hiss = np.diff(rng.normal(0, 0.03, round(0.3 * duration * RATE) + 1))
        pieces += [hiss, vowel]
        phrase += 1
        if phrase >= rng.integers(5, 9):
            pieces.append(np.zeros(round(rng.uniform(0.15, 0.3) * RATE)))
            phrase = 0
        length = sum(map(len, pieces))
    sound = np.concatenate(pieces)[: round(seconds * RATE)]
    return sound + rng.normal(0, 0.0005, len(sound))


def with_noise(sound: np.ndarray, snr_db: float, *, seed: int = 1) -> Float64[np.ndarray, " time"]:
    """The sound with white noise at a signal-to-noise ratio."""
    noise = np.random.default_rng(seed).normal(0, 1, len(sound))
    return np.asarray(sound + noise * np.sqrt(np.mean(sound**2)) * 10 ** (-snr_db / 20))


def noise(seconds: float, *, level: float = 0.1, seed: int = 2, pink: bool = False) -> Float64[np.ndarray, " time"]:
    """White or pink noise of a standard deviation."""
    white = np.random.default_rng(seed).normal(0, 1, round(seconds * RATE))
    if pink:
        spectrum = np.fft.rfft(white)
        white = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 10.0)), len(white))
    return np.asarray(level * white / white.std())


def note(
    hz: float, seconds: float, *, harmonics: int = 8, decay: float = 0.0, vibrato: float = 0.0
) -> Float64[np.ndarray, " time"]:
    """One note of an instrument: harmonics falling as 1/k, with decay (per second) and vibrato (semitones)."""
    time = np.arange(round(seconds * RATE)) / RATE
    bend = vibrato / 12 * np.log(2) * np.sin(2 * np.pi * 5.5 * time)
    phase = 2 * np.pi * np.cumsum(hz * np.exp(bend)) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, harmonics + 1) if k * hz < 7500)
    edge = np.minimum(1.0, np.minimum(time / 0.01, (time[-1] - time) / 0.02))
    return np.asarray(0.2 * sound * np.exp(-decay * time) * edge)


def _midi(number: float) -> float:
    return 440.0 * 2 ** ((number - 69) / 12)


def music(kind: str, seconds: float, *, seed: int = 3) -> Float64[np.ndarray, " time"]:
    """chords, arpeggio, melody (a plucked string), vibrato (a bowed one), or drums."""
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < seconds * RATE:
        root = 48 + int(rng.choice([0, 5, 7, 9]))
        if kind == "chords":
            parts.append(np.sum([note(_midi(root + step), 0.8, decay=1.5) for step in (0, 4, 7, 12)], axis=0) / 2)
        elif kind == "arpeggio":
            parts += [note(_midi(root + step), 0.16, decay=6.0) for step in (0, 4, 7, 12, 7)]
        elif kind == "melody":
            parts.append(note(_midi(60 + int(rng.choice(scale))), float(rng.choice([0.25, 0.5])), decay=4.0))
        elif kind == "vibrato":
            parts.append(note(_midi(57 + int(rng.choice(scale))), float(rng.choice([0.5, 0.9])), vibrato=0.4))
        elif kind == "drums":
            time = np.arange(round(0.25 * RATE)) / RATE
            kick = np.sin(2 * np.pi * (50 * time + 8 * (1 - np.exp(-30 * time)))) * np.exp(-18 * time)
            snare = rng.normal(0, 0.4, len(time)) * np.exp(-25 * time)
            parts += [0.5 * kick, 0.5 * (snare + rng.normal(0, 0.05, len(time)))]
        else:
            raise ValueError(f"no such music: {kind}")
    return np.concatenate(parts)[: round(seconds * RATE)]


def band(seconds: float, *, seed: int = 4) -> Float64[np.ndarray, " time"]:
    """Chords, melody and drums together."""
    kinds = ("chords", "melody", "drums")
    return np.asarray(np.sum([music(kind, seconds, seed=seed + i) for i, kind in enumerate(kinds)], axis=0) / 2)
