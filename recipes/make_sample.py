"""Makes the sample clip `src/emotrace/samples/talk.mp4` with its subtitle `talk.srt`.

    pip install 'emotrace[dev]' && python recipes/make_sample.py

A portrait is moved by a thin-plate spline: the lip corners start lowered, the mouth opens with the loudness of the
speech, then brows and lip corners rise. The speech is synthetic. Nothing is drawn at random: the same versions of the
dependencies give the same bytes. What the clip is made of, and under which licences, is in `PROVENANCE.md` beside it.
"""

from __future__ import annotations

import ctypes
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import espeakng_loader
import numpy as np
import skimage.data

FOLDER = Path(__file__).resolve().parents[1] / "src" / "emotrace" / "samples"
FRAMES_PER_SECOND = 25
WIDTH, HEIGHT = 480, 360
CROP_LEFT, CROP_TOP, CROP_WIDTH = 88.0, 14.0, 272.0
"""The part of the 512 x 512 portrait that is shown."""


class Utterance(NamedTuple):
    """A sentence and the way it is spoken, in eSpeak NG's units (rate in words per minute, the others 0..100)."""

    text: str
    rate: int
    pitch: int
    pitch_range: int
    volume: int


SCRIPT = (
    Utterance("They told us that we had fallen short, by almost nothing.", 165, 42, 25, 70),
    Utterance("I had already packed my things.", 155, 38, 20, 60),
    Utterance("And then they counted again, and we are in! I am so relieved.", 190, 62, 85, 100),
)
LEAD_SECONDS, PAUSE_SECONDS, TAIL_SECONDS = 0.5, 0.45, 0.7

# Landmarks of the portrait in its pixels, by eye: where they are, and where each pull (in pixels) moves them.
#            x      y      lowered corners   open mouth     raised brows
LANDMARKS = (
    ((202, 139.5), (3.0, 5.6), (0.6, 0.5), (0, 0)),  # lip corners
    ((246, 139.5), (-3.0, 5.6), (-0.6, 0.5), (0, 0)),
    ((213, 139), (0, 2.2), (0, -0.3), (0, 0)),  # upper lip, outer edge
    ((224, 141), (0, 0.8), (0, -0.4), (0, 0)),
    ((235, 139), (0, 2.2), (0, -0.3), (0, 0)),
    ((210, 142), (0.8, 3.5), (0, -0.2), (0, 0)),  # upper lip, inner edge
    ((224, 143.5), (0, 2.2), (0, -0.4), (0, 0)),
    ((238, 142), (-0.8, 3.5), (0, -0.2), (0, 0)),
    ((212, 147), (0, -0.9), (0, 4.0), (0, 0)),  # lower lip, inner edge
    ((224, 149.5), (0, -3.2), (0, 6.0), (0, 0)),
    ((236, 147), (0, -0.9), (0, 4.0), (0, 0)),
    ((211, 151), (0, 0.8), (0, 4.0), (0, 0)),  # lower lip, outer edge
    ((224, 155.5), (0, -2.6), (0, 6.0), (0, 0)),
    ((237, 151), (0, 0.8), (0, 4.0), (0, 0)),
    ((224, 177), (0, -0.5), (0, 4.5), (0, 0)),  # chin and jaw
    ((203, 171), (0, 0), (0, 3.0), (0, 0)),
    ((247, 171), (0, 0), (0, 3.0), (0, 0)),
    ((190, 156), (0, 0), (0, 1.0), (0, 0)),
    ((260, 156), (0, 0), (0, 1.0), (0, 0)),
    ((199, 132), (0.5, 2.5), (0, 0), (0, 0)),  # folds beside the mouth, cheeks
    ((250, 132), (-0.5, 2.5), (0, 0), (0, 0)),
    ((195, 120), (0, 1.5), (0, 0), (0, 0)),
    ((256, 120), (0, 1.5), (0, 0), (0, 0)),
    ((186, 93), (0, 0.6), (0, 0), (0, -3.2)),  # brows
    ((199, 88), (0, 0.6), (0, 0), (0, -4.2)),
    ((213, 92), (0, 0.9), (0, 0), (0, -4.2)),
    ((235, 93), (0, 0.9), (0, 0), (0, -4.2)),
    ((249, 91), (0, 0.6), (0, 0), (0, -4.2)),
    ((263, 94), (0, 0.6), (0, 0), (0, -3.2)),
    ((203, 98), (0, 0), (0, 0), (0, -0.9)),  # upper lids
    ((246, 99), (0, 0), (0, 0), (0, -0.9)),
)
FIXED = (
    (193, 102), (213, 103), (236, 104), (258, 104), (203, 104), (246, 105), (212, 130), (224, 131), (236, 130),
    (188, 76), (206, 74), (224, 73), (242, 74), (260, 76), (179, 100), (271, 102), (180, 130), (268, 130),
    (196, 184), (224, 188), (252, 184), (88, 14), (224, 14), (360, 14), (88, 116), (360, 116), (88, 218),
    (224, 218), (360, 218),
)  # fmt: skip


def main() -> None:
    """Speaks, moves, encodes, and writes the subtitle."""
    rate_hz, sound, spans = speak_all(SCRIPT)
    frames = round(len(sound) / rate_hz * FRAMES_PER_SECOND)
    mouth = opening(sound, rate_hz, frames, spans)
    portrait = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    turn_seconds = spans[-1][0]
    with av.open(str(FOLDER / "talk.mp4"), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as clip:
        picture = clip.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "24", "threads": "2"})
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        voice = clip.add_stream("aac", rate=rate_hz, layout="mono", bit_rate=48_000)
        for k in range(frames):
            image = pose(portrait, k / FRAMES_PER_SECOND, float(mouth[k]), turn_seconds)
            clip.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        clip.mux(picture.encode(None))
        heard = av.AudioFrame.from_ndarray(sound[np.newaxis], format="fltp", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = rate_hz, 0, Fraction(1, rate_hz)
        clip.mux(voice.encode(heard))
        clip.mux(voice.encode(None))
    (FOLDER / "talk.srt").write_text(subtitle(spans), encoding="utf-8")
    print(f"{frames} frames, {frames / FRAMES_PER_SECOND:.2f} s, {(FOLDER / 'talk.mp4').stat().st_size} bytes")


def pose(portrait: np.ndarray, seconds: float, mouth: float, turn_seconds: float) -> np.ndarray:
    """The portrait at one time: `mouth` is how far it opens; at `turn_seconds` the face brightens."""
    brows = ramp(seconds, turn_seconds - 0.1, 0.35) - 0.75 * ramp(seconds, turn_seconds + 1.5, 0.8)
    lowered = 0.7 - 0.85 * ramp(seconds, turn_seconds + 0.9, 0.7)
    at = np.array([place for place, *_ in LANDMARKS], dtype=np.float64)
    down, opened, raised = (np.array([row[i] for row in LANDMARKS], dtype=np.float64) for i in (1, 2, 3))
    moved = at + lowered * down + mouth * opened + brows * raised
    fixed = np.array(FIXED, dtype=np.float64)

    scale = CROP_WIDTH / WIDTH
    step = 4  # the spline is smooth: every fourth pixel is enough
    y, x = np.mgrid[0 : HEIGHT + 1 : step, 0 : WIDTH + 1 : step].astype(np.float64)
    grid = np.stack([CROP_LEFT + scale * x.ravel(), CROP_TOP + scale * y.ravel()], axis=1)
    back = spline(np.vstack([moved, fixed]), np.vstack([at, fixed]), undo_head_movement(grid, seconds))
    coarse = back.reshape(*x.shape, 2).astype(np.float32)
    # Pixel (4i, 4j) lies on coarse sample (i, j): an exact bilinear enlargement of that lattice.
    fine_y, fine_x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32) / step
    source = cv2.remap(coarse, fine_x, fine_y, cv2.INTER_LINEAR)
    return cv2.remap(portrait, source[..., 0], source[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def undo_head_movement(points: np.ndarray, seconds: float) -> np.ndarray:
    """Where points of the picture lie on the head: a slow sway of 1.2 degrees and a few pixels about the neck."""
    degrees = 0.9 * np.sin(2 * np.pi * seconds / 4.1) + 0.3 * np.sin(2 * np.pi * seconds / 1.7)
    shift = np.array([1.6 * np.sin(2 * np.pi * seconds / 5.3), 1.0 * np.sin(2 * np.pi * seconds / 2.9)])
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    neck = np.array([224.0, 200.0])
    return (points - neck - shift) @ turn + neck


def spline(at: np.ndarray, value: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Thin-plate spline through `value` at the points `at`, read at `where`. Source: Bookstein 1989."""
    n = len(at)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = bending(at, at)
    plane = np.column_stack([np.ones(n), at])
    system[:n, n:], system[n:, :n] = plane, plane.T
    weights = np.linalg.solve(system, np.vstack([value, np.zeros((3, 2))]))
    return bending(where, at) @ weights[:n] + np.column_stack([np.ones(len(where)), where]) @ weights[n:]


def bending(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """r^2 ln r between two sets of points."""
    squared = ((a[:, np.newaxis] - b) ** 2).sum(axis=2)
    return 0.5 * squared * np.log(np.maximum(squared, 1e-12))


def ramp(seconds: float, start: float, length: float) -> float:
    """0 before `start`, 1 after `length` more seconds, smooth in between."""
    share = min(max((seconds - start) / length, 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


def opening(sound: np.ndarray, rate_hz: int, frames: int, spans: list[tuple[float, float]]) -> np.ndarray:
    """How far each frame's loudness opens the mouth, 0..1.8: each utterance against its own loudest moments."""
    edges = np.linspace(0, len(sound), frames + 1).astype(int)
    power = np.array([np.sqrt(np.mean(sound[a:b] ** 2)) for a, b in pairwise(edges)])
    smooth = np.convolve(power, [0.25, 0.5, 0.25], mode="same")  # lips do not move faster
    mouth = np.zeros(frames)
    for start, end in spans:
        spoken = slice(int(start * FRAMES_PER_SECOND), int(end * FRAMES_PER_SECOND) + 1)
        mouth[spoken] = 1.8 * np.clip(smooth[spoken] / np.quantile(smooth[spoken], 0.95), 0.0, 1.0) ** 1.5
    return mouth


def speak_all(script: tuple[Utterance, ...]) -> tuple[int, np.ndarray, list[tuple[float, float]]]:
    """The whole sound track as (samples a second, samples in -1..1, when each utterance is heard)."""
    synthesiser = Synthesiser()
    rate_hz = synthesiser.rate_hz
    pieces, spans = [np.zeros(round(LEAD_SECONDS * rate_hz), np.float32)], []
    for place, utterance in enumerate(script):
        start = sum(map(len, pieces)) / rate_hz
        speech = synthesiser.speak(utterance)
        pieces.append(speech)
        spans.append((start, start + len(speech) / rate_hz))
        rest = TAIL_SECONDS if place == len(script) - 1 else PAUSE_SECONDS
        pieces.append(np.zeros(round(rest * rate_hz), np.float32))
    return rate_hz, np.concatenate(pieces), spans


class Synthesiser:
    """eSpeak NG by way of its C interface (speak_lib.h)."""

    SYNCHRONOUS, CHARACTERS_UTF8 = 2, 1
    RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4

    def __init__(self) -> None:
        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = Path(espeakng_loader.get_data_path()).parent
        self.rate_hz = int(self.library.espeak_Initialize(self.SYNCHRONOUS, 0, str(data).encode(), 0))
        if self.rate_hz <= 0 or self.library.espeak_SetVoiceByName(b"en-us+f3") != 0:
            raise RuntimeError("eSpeak NG could not be started, or lacks its American English voice")
        self.heard: list[np.ndarray] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self.callback = kind(self._hear)  # kept: C holds no reference to it
        self.library.espeak_SetSynthCallback(self.callback)

    def speak(self, utterance: Utterance) -> np.ndarray:
        """The samples of one sentence, without the silence at its ends."""
        self.heard.clear()
        self.library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # the breath of the voice is noise, seeded by the clock
        for parameter, value in (
            (self.RATE, utterance.rate),
            (self.PITCH, utterance.pitch),
            (self.RANGE, utterance.pitch_range),
            (self.VOLUME, utterance.volume),
        ):
            self.library.espeak_SetParameter(parameter, value, 0)
        text = utterance.text.encode() + b"\0"
        self.library.espeak_Synth(text, len(text), 0, 0, 0, self.CHARACTERS_UTF8, None, None)
        samples = np.concatenate(self.heard).astype(np.float32) / 32768.0
        loud = np.flatnonzero(np.abs(samples) > 0.003)
        return samples[loud[0] : loud[-1] + 1]

    def _hear(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: int | None) -> int:
        if samples and count > 0:
            self.heard.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0


def subtitle(spans: list[tuple[float, float]]) -> str:
    """The script as SubRip."""
    return "\n".join(
        f"{number}\n{timestamp(start)} --> {timestamp(end)}\n{utterance.text}\n"
        for number, ((start, end), utterance) in enumerate(zip(spans, SCRIPT, strict=True), start=1)
    )


def timestamp(seconds: float) -> str:
    """A time as SubRip writes it."""
    whole, milliseconds = divmod(round(1000 * seconds), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{milliseconds:03}"


if __name__ == "__main__":
    main()
