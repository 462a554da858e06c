"""Recordings of the Berlin Database of Emotional Speech, and what microphones, rooms and telephones make of a voice.

Part of `voice_head.py`: reads the clips, spoils them (speed, pitch, gain, room, noise, codec) and measures them.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from scipy.signal import fftconvolve, firwin

from emotrace.heads.voice_features import VoiceFeatureMeter
from emotrace.media.audio import SAMPLE_RATE_HZ, Waveform, read_waveform
from emotrace.span import Span

RATE = SAMPLE_RATE_HZ


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One sentence by one speaker."""

    speaker: str
    sentence: str
    emotion: str
    split: str
    samples: np.ndarray


def recordings(folder: Path) -> list[Recording]:
    """The clips of `labels.csv`, in its order."""
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        return [
            Recording(
                **{name: row[name] for name in ("speaker", "sentence", "emotion", "split")},
                samples=read_waveform(folder / row["file"]).samples,
            )
            for row in csv.DictReader(stream)
        ]


def measured(samples: np.ndarray) -> np.ndarray:
    """The frames that the head hears."""
    meter = VoiceFeatureMeter()
    samples = np.ascontiguousarray(np.clip(samples, -1.0, 1.0), np.float32)
    meter.feed(Waveform(samples=samples, span=Span(0.0, len(samples) / RATE)))
    return meter.finish()


def spoiled(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The voice as another recording might have it: each change happens or not, by chance.

    Generators of the same seed spoil every clip alike: one session of one speaker.
    """
    sound = samples.astype(np.float64)
    if rng.random() < 0.6:
        sound = resampled(sound, float(np.exp(rng.uniform(-0.09, 0.09))))  # speed, pitch and vocal tract together
    if rng.random() < 0.6:
        factor = float(2.0 ** (rng.uniform(-1.5, 1.5) / 12))  # pitch and vocal tract, tempo kept
        sound = stretched(resampled(sound, factor), factor)
    if rng.random() < 0.4:
        sound = in_a_room(sound, rng)
    if rng.random() < 0.4:
        sound = tilted(sound, rng.uniform(-4.0, 4.0))
    if rng.random() < 0.5:
        sound = noisy(sound, rng)
    sound *= 10 ** (rng.uniform(-20.0, 0.0) / 20) / max(np.abs(sound).max(), 1e-9)
    return coded(sound, rng) if rng.random() < 0.5 else sound


def resampled(sound: np.ndarray, factor: float) -> np.ndarray:
    """Played `factor` times as fast (linear interpolation: its losses lie above the voice's strong bands)."""
    return np.interp(np.arange(0, len(sound) - 1, factor), np.arange(len(sound)), sound)


def stretched(sound: np.ndarray, factor: float) -> np.ndarray:
    """`factor` times as long at the same pitch: overlapping pieces, each laid where it fits the last (WSOLA)."""
    size, hop, reach = 640, 320, 160
    window = np.hanning(size + 1)[:-1]
    padded = np.pad(sound, (reach, size + 2 * reach))
    count = max(int(len(sound) * factor / hop), 1)
    out, at = np.zeros(count * hop + size), reach
    for index in range(count):
        wanted = min(round(index * hop / factor) + reach, len(padded) - size - reach - 1)
        if index:
            tail = padded[min(at + hop, len(padded) - size) :][:size]
            near = padded[wanted - reach : wanted + reach + size]
            wanted += int(fftconvolve(near, tail[::-1], "valid").argmax()) - reach
        at = wanted
        out[index * hop : index * hop + size] += window * padded[at : at + size]
    return out


def in_a_room(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With a made-up room: a direct pulse, some early echoes and a decaying tail of noise."""
    decay = rng.uniform(0.15, 0.7)
    time = np.arange(int(decay * RATE)) / RATE
    tail = rng.normal(0, 1, len(time)) * np.exp(-6.9 * time / decay)
    tail *= np.sqrt(10 ** (-rng.uniform(2.0, 14.0) / 10) / np.sum(tail**2))
    tail[0] += 1.0
    tail[rng.integers(40, 800, 4)] += rng.uniform(-0.4, 0.4, 4)
    return fftconvolve(sound, tail)[: len(sound)]


def tilted(sound: np.ndarray, db_per_octave: float) -> np.ndarray:
    """Through a microphone that favours high or low tones."""
    spectrum = np.fft.rfft(sound)
    hz = np.maximum(np.fft.rfftfreq(len(sound), 1 / RATE), 100.0)
    octaves = np.clip(np.log2(hz / 1000.0), -2.0, 2.0)
    return np.fft.irfft(spectrum * 10 ** (0.5 * db_per_octave * octaves / 20), len(sound))


def noisy(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With noise between white and brown at 5 to 35 dB below the voice."""
    (hiss,) = rng.spawn(1)  # its own numbers: what follows must not depend on the length of the sound
    spectrum = np.fft.rfft(hiss.normal(0, 1, len(sound)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20.0) ** rng.uniform(0.0, 1.0)
    noise = np.fft.irfft(spectrum, len(sound))
    ratio = 10 ** (-rng.uniform(5.0, 35.0) / 20)
    return sound + noise * ratio * np.sqrt(np.mean(sound**2) / np.mean(noise**2))


def coded(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through a telephone (band and mu-law), a narrow band, or MP3 at a low rate."""
    kind = rng.integers(3)
    if kind == 0:
        band = np.convolve(sound, firwin(129, [250, 3400], pass_zero=False, fs=RATE), "same")
        squeezed = np.sign(band) * np.log1p(255 * np.minimum(np.abs(band), 1.0)) / np.log(256)
        squeezed = np.round(squeezed * 127) / 127
        return np.sign(squeezed) * np.expm1(np.abs(squeezed) * np.log(256)) / 255
    if kind == 1:
        return np.convolve(sound, firwin(65, rng.uniform(3000, 7000), fs=RATE), "same")
    return through_mp3(sound, int(rng.choice([16_000, 24_000, 32_000])))


def through_mp3(sound: np.ndarray, bits_per_second: int) -> np.ndarray:
    """Encoded as MP3 and decoded again."""
    buffer = io.BytesIO()
    pcm = np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)[None]
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = bits_per_second
        resampler = av.AudioResampler(format="s16p", layout="mono", rate=RATE, frame_size=576)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16p", layout="mono")
        frame.sample_rate = RATE
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as container:
        planes = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.concatenate(planes).astype(np.float64)
