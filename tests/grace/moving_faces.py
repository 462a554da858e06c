"""Pictures whose motion is known exactly: a random texture drawn anew at the displaced places, never resampled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

SIDE = 112
CENTRES = (np.arange(SIDE) * 2 + 1) / SIDE - 1
RIGHT, DOWN = np.meshgrid(CENTRES, CENTRES)
LIPS = np.exp(-0.5 * ((RIGHT / 0.2) ** 2 + ((DOWN - 0.5) / 0.09) ** 2))
"""How far each place follows the lips, 0..1."""
LIP_PATCHES = LIPS.reshape(14, 8, 14, 8).mean(axis=(1, 3)) >= 0.25


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a picture is seen from, and its light. Shift in pixels, turn in radians; gain and offset of the light."""

    right: float = 0.0
    down: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    lips: float = 0.0
    """How far the lips moved, in pixels."""

    @property
    def matrix(self) -> np.ndarray:
        """What the map from this picture's places to the texture's adds to the identity."""
        turn = np.array([[np.cos(self.turn), -np.sin(self.turn)], [np.sin(self.turn), np.cos(self.turn)]])
        return (1 + self.zoom) * turn - np.eye(2)

    @property
    def shift(self) -> np.ndarray:
        """In half sides."""
        return np.array([self.right, self.down]) * 2 / SIDE


def texture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Waves of 5 to 60 px in all directions, the long ones stronger: frequencies and (cosine, sine) amplitudes."""
    rng = np.random.default_rng(seed)
    length, direction = np.exp(rng.uniform(np.log(5), np.log(60), 80)), rng.uniform(0, 2 * np.pi, 80)
    frequency = 2 * np.pi / length[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=1) * SIDE / 2
    amplitude = rng.normal(size=(80, 2)) * (length / 60)[:, None]
    return frequency, amplitude * 0.13 / np.sqrt(np.square(amplitude).sum() / 2)


@lru_cache(maxsize=1024)  # a picture takes 50 ms and 100 KB, and many tests look at the same ones
def draw(seed: int, pose: Pose, *, noise: float = 0.004, noise_seed: int = 0) -> np.ndarray:
    """The texture of `seed` seen as `pose` says, 0..1."""
    places = np.stack([RIGHT, DOWN], axis=-1)
    places = places + places @ pose.matrix.T + pose.shift
    places[..., 1] += pose.lips * 2 / SIDE * LIPS
    frequency, amplitude = texture(seed)
    phase = places @ frequency.T
    picture = 0.5 + np.cos(phase) @ amplitude[:, 0] + np.sin(phase) @ amplitude[:, 1]
    grain = np.random.default_rng([seed, noise_seed]).normal(size=picture.shape) * noise
    return pose.gain * picture + pose.offset + grain


def clips(poses: list[Pose], *, faces: range | list[int] = range(1), noise: float = 0.004) -> Tensor:
    """Clips [face, pose, 3, 112, 112], one frame per pose."""
    drawn = [[draw(face, pose, noise=noise, noise_seed=t) for t, pose in enumerate(poses)] for face in faces]
    return torch.tensor(np.array(drawn), dtype=torch.float32)[:, :, None].expand(-1, -1, 3, -1, -1).contiguous()
