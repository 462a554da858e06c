"""The shipped face network behind the interface of the other encoders: frozen, with a trained projection [ours].

visual   map [64 14 14] and features [64] of the network, each through a linear 64 -> d
text     a table of word vectors, as `tiny.py` has: any phrase of the canonical words works, and no tower is needed
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from emotrace.encoders.embedded import DIM, GRID, PIXELS, FaceEncoder
from emotrace.encoders.encoded import PatchEncoded
from emotrace.encoders.frames import encode_each, resized
from emotrace.encoders.initialise import drawn_for
from emotrace.encoders.tiny import WordTable
from emotrace.encoders.towers import VisualTower


class EmbeddedEncoder(VisualTower):
    """The visual side. The network runs on the CPU by ONNX Runtime, and no gradient reaches it."""

    name = "embedded"
    image_pixels = PIXELS
    patch_grid = GRID
    pretrained = True

    def __init__(self, *, dim: int = DIM, seed: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.backbone: nn.Module = nn.Module()  # nothing that torch could train
        self._network = FaceEncoder()
        with drawn_for("encoders.embedded.visual", seed=seed):
            self.tokens = nn.Linear(DIM, dim)
            self.pooled = nn.Linear(DIM, dim)

    def encode_frames(
        self, frames: Float[Tensor, "batch frame 3 height width"], frame_mask: Bool[Tensor, "batch frame"]
    ) -> PatchEncoded:
        """Tokens of RGB frames in 0..1; see `VisualEncoder`."""
        return encode_each(frames, frame_mask, see=self._see, patch_grid=GRID, dim=self.dim)

    def last_layers(self, count: int) -> list[nn.Module]:
        """None: nothing of the network is trained."""
        return []

    def _see(self, pictures: Float[Tensor, "picture 3 height width"]) -> tuple[Tensor, Tensor]:
        grey = resized(pictures.detach().float(), PIXELS).mean(dim=1)
        found = self._network.encode_grey(grey.cpu().numpy())
        patches = torch.from_numpy(found.map.reshape(len(found.map), DIM, -1)).to(pictures.device).transpose(1, 2)
        return self.tokens(patches), self.pooled(torch.from_numpy(found.features).to(pictures.device))


def embedded_words(*, dim: int = DIM, seed: int = 0) -> WordTable:
    """The text side, as wide as the visual one."""
    return WordTable(name="embedded", dim=dim, seed=seed)
