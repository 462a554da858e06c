"""The network behind `face.onnx`: one trunk, landmarks as the means of learned maps, the rest from both.

A crop, made grey by its own contrast, passes convolutions of stride 2 down to 28, 14 and 7 squares a side. The last two
are added up at 14 x 14, where each landmark has a map; it lies at the map's mean (integral regression, Sun et al.
2018), plus a small step that the whole face decides. Units see the landmarks, a summary of the face, and the places
that each of them chooses to look at.
"""

from __future__ import annotations

import numpy as np
import torch
from face_head_render import UNIT_NAMES
from face_head_scenes import CROP
from torch import Tensor, nn
from torch.nn import functional

UNITS, MARKS = len(UNIT_NAMES), 68
LEAST_CONTRAST = 0.02
GRID = 14


def mixed(inside: int, outside: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions beside a straight way."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = mixed(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The map, changed."""
        return functional.relu(x + self.second(self.first(x)))


class FaceNetwork(nn.Module):
    """Crops [n 1 112 112] in 0..1 -> landmarks, units, pose, quality."""

    def __init__(self, mean_marks: np.ndarray, mean_units: np.ndarray) -> None:
        super().__init__()
        self.to28 = nn.Sequential(mixed(1, 16, 2), mixed(16, 32, 2))
        self.to14 = nn.Sequential(mixed(32, 64, 2), Residual(64))
        self.to7 = nn.Sequential(mixed(64, 128, 2), Residual(128))
        self.side14, self.side7 = nn.Conv2d(64, 96, 1), nn.Conv2d(128, 96, 1)
        self.maps = nn.Conv2d(96, MARKS, 1)
        self.summary = nn.Sequential(
            mixed(128, 32, kernel=1), nn.Flatten(), nn.Linear(32 * 49, 160), nn.ReLU(), nn.Dropout(0.1)
        )
        self.step = nn.Linear(160, 2 * MARKS)
        self.where, self.what = nn.Conv2d(64, UNITS, 1), nn.Conv2d(64, UNITS, 1)
        self.together = nn.Sequential(nn.Linear(160 + 2 * MARKS, 128), nn.ReLU())
        self.units, self.turn, self.worth = nn.Linear(128, UNITS), nn.Linear(128, 3), nn.Linear(160 + 2, 1)
        for head in (self.step, self.what, self.units, self.turn):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.units.bias.data.copy_(torch.from_numpy(mean_units))
        self.register_buffer("mean_marks", torch.from_numpy(mean_marks.astype(np.float32)))
        along = (torch.arange(GRID) + 0.5) * (CROP / GRID) - 0.5
        self.register_buffer("along", along)
        self.to(memory_format=torch.channels_last)

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Landmarks [n 68 2] in pixels, units [n unit], pose [n 3] in degrees, quality [n] as log odds."""
        marks, seen, looked, worth = self.see(grey)
        together = self.together(seen)
        return marks, self.units(together) + looked, self.turn(together) * 10, worth

    def see(self, grey: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Landmarks, what units and pose are read from, what units found where they looked, and quality."""
        x = grey - grey.mean(dim=3, keepdim=True).mean(dim=2, keepdim=True)
        spread = (x.square().mean(dim=3, keepdim=True).mean(dim=2, keepdim=True) + LEAST_CONTRAST**2).sqrt()
        at14 = self.to14(self.to28(x / spread))
        at7 = self.to7(at14)
        summary = self.summary(at7)
        marks = self.placed(at14, at7) + self.step(summary).unflatten(1, (MARKS, 2))
        seen = torch.cat([summary, (marks - self.mean_marks).flatten(1) / 8], dim=1)
        share = self.where(at14).flatten(2).softmax(dim=2)
        looked = (share * self.what(at14).flatten(2)).sum(dim=2)
        light = torch.cat([spread.flatten(1).log(), grey.mean(dim=(2, 3)).reshape(-1, 1)], dim=1)
        worth = self.worth(torch.cat([summary, light], dim=1))
        return marks, seen, looked, worth.squeeze(1)

    def placed(self, at14: Tensor, at7: Tensor) -> Tensor:
        """The mean of each landmark's map, in pixels."""
        seen = functional.relu(self.side14(at14) + functional.interpolate(self.side7(at7), scale_factor=2.0))
        maps = self.maps(seen).flatten(2).softmax(dim=2).unflatten(2, (GRID, GRID))
        across, down = (maps.sum(dim=axis) @ self.along for axis in (2, 3))
        return torch.stack([across, down], dim=2)


class Exported(nn.Module):
    """What the file holds: the network, with units and quality brought into 0..1."""

    def __init__(self, network: FaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Landmarks, units, pose, quality."""
        marks, units, pose, worth = self.network(grey)
        return marks, units.clamp(0, 1), pose, worth.sigmoid()
