"""A candidate that lost: a small convolutional network on the frames themselves, with attentive pooling.

Part of `voice_head.py`, which reports it beside the statistics. It sees the order of the frames, hence the words.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from emotrace.heads.voice import EMOTIONS
from emotrace.heads.voice_features import BANDS, COLUMNS, LEVEL, PITCH
from emotrace.heads.voice_statistics import sounding

FRAMES, CHANNELS, STEPS, BATCH, LEARNING_RATE, MIXUP = 150, 64, 400, 32, 3e-3, 0.3


def even(frames: np.ndarray) -> np.ndarray:
    """Frames without the gain of the recording, in numbers near one."""
    heard = sounding(frames)
    level = frames[heard, LEVEL].mean() if heard.any() else 0.0
    out = frames.copy()
    out[:, : BANDS + 1] = np.clip((out[:, : BANDS + 1] - level + 20.0) / 15.0, -3.0, 3.0)
    out[:, PITCH] = (out[:, PITCH] - 32.0) / 8.0
    out[:, PITCH + 1] -= 0.5
    out[:, PITCH + 2] /= 10.0
    return out


def cut(frames: np.ndarray, start: int) -> np.ndarray:
    """3 s from a frame on, begun again where the clip ends."""
    return frames[(start + np.arange(FRAMES)) % len(frames)].T


class Convolution(nn.Module):
    """Three convolutions over time, then the mean and spread of what attention picks."""

    def __init__(self) -> None:
        super().__init__()
        sizes = ((COLUMNS, 5, 1), (CHANNELS, 5, 2), (CHANNELS, 3, 2))
        self.body = nn.Sequential(
            *(
                layer
                for width, kernel, stride in sizes
                for layer in (nn.Conv1d(width, CHANNELS, kernel, stride), nn.BatchNorm1d(CHANNELS), nn.ReLU())
            )
        )
        self.attention = nn.Conv1d(CHANNELS, 1, 1)
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(2 * CHANNELS, len(EMOTIONS)))

    def forward(self, frames: Tensor) -> Tensor:
        """Log odds of [clip feature frame]."""
        hidden = self.body(frames)
        share = self.attention(hidden).softmax(2)
        mean = (share * hidden).sum(2)
        spread = ((share * hidden**2).sum(2) - mean**2).clamp(min=1e-4).sqrt()
        return self.head(torch.cat([mean, spread], 1))


def convolution(frames: list[np.ndarray], labels: np.ndarray, seed: int) -> Convolution:
    """Trained on random cuts of evened frames, mixed in pairs."""
    torch.manual_seed(seed)
    rng, network = np.random.default_rng(seed), Convolution()
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=STEPS)
    counts = np.maximum(np.bincount(labels, minlength=len(EMOTIONS)), 1)
    weight = torch.tensor(np.sqrt(len(labels) / len(EMOTIONS) / counts), dtype=torch.float32)
    for _ in range(STEPS):
        chosen = rng.integers(0, len(frames), BATCH)
        inputs = torch.tensor(np.stack([cut(frames[i], int(rng.integers(len(frames[i])))) for i in chosen]))
        target, other = torch.eye(len(EMOTIONS))[torch.tensor(labels[chosen])], torch.randperm(BATCH)
        share = float(rng.beta(MIXUP, MIXUP))
        odds = network(share * inputs + (1 - share) * inputs[other])
        loss = -((share * target + (1 - share) * target[other]) * weight * odds.log_softmax(1)).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def convolution_left_out(
    versions: list[list[np.ndarray]], labels: np.ndarray, speakers: np.ndarray, seed: int
) -> np.ndarray:
    """Probabilities of each clean clip (the first version), by a network that does not know its speaker."""
    evened = [[even(frames) for frames in version] for version in versions]
    p = np.zeros((len(labels), len(EMOTIONS)))
    for speaker in np.unique(speakers):
        known = np.flatnonzero(speakers != speaker)
        frames = [version[i] for version in evened for i in known]
        network = convolution(frames, np.tile(labels[known], len(evened)), seed)
        with torch.no_grad():
            for i in np.flatnonzero(speakers == speaker):
                clip = evened[0][i]
                cuts = np.stack([cut(clip, start) for start in (0, max(len(clip) - FRAMES, 0))])
                p[i] = network(torch.tensor(cuts)).softmax(1).mean(0).numpy()
    return p
