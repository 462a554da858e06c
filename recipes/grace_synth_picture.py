"""The picture of four maps of the study: frames, where base looked, where the truth lies. Used by `grace_synth.py`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from grace_synth_clips import FRAMES
from grace_synth_scores import patches_of, pictured

from emotrace.datasets.synth_dfer import SynthDfer
from emotrace.grace.clips import sample_indices

_SIDE, _GAP, _HEAD = 112, 4, 18


def draw(data: SynthDfer, base: Path, target: Path) -> None:
    """One row a clip, one column a frame: heat in red over the grey frame, the outline of the truth in blue."""
    paired = data.split("paired")
    heats, places = np.load(base / "scores.npz")["picture"].astype(np.float32), pictured(paired)
    shown = sample_indices(paired.length, FRAMES, None)[0]
    rows = [
        _row(paired.frames(place)[shown], heat, patches_of(paired.name, paired)[place], paired.labels[place])
        for place, heat in zip(places, heats, strict=True)
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target), np.concatenate(rows)[:, :, ::-1])


def _row(frames: np.ndarray, heat: np.ndarray, truth: np.ndarray, label: str) -> np.ndarray:
    strip = np.full((_SIDE + _HEAD + _GAP, FRAMES * (_SIDE + _GAP), 3), 255, np.uint8)
    for number, (frame, warmth, where) in enumerate(zip(frames, heat / heat.max(), truth, strict=True)):
        left = number * (_SIDE + _GAP)
        strip[_HEAD : _HEAD + _SIDE, left : left + _SIDE] = _cell(frame, warmth, where)
    caption = f"{label} (rendered), the clip's own words"
    cv2.putText(strip, caption, (2, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return strip


def _cell(frame: np.ndarray, warmth: np.ndarray, where: np.ndarray) -> np.ndarray:
    large = cv2.resize(warmth, (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)[:, :, None]
    grey = np.repeat(frame[:, :, None], 3, axis=2).astype(np.float32)
    mixed = (grey * (1 - 0.75 * large) + np.array([255.0, 40.0, 0.0]) * 0.75 * large).astype(np.uint8)
    outline = cv2.resize(where.astype(np.uint8), (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(outline, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.ascontiguousarray(mixed), contours, -1, (40, 90, 255), 1)
