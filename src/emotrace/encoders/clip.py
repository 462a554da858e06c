"""CLIP of any size as a pair of encoders, through transformers [field: arXiv 2103.00020, huggingface/transformers].

    patches  visual_projection(post_layernorm(x)), x behind the last block, where the library leaves patches un-normed;
      or     visual_projection(post_layernorm(out(v(norm(x))))), x before the last block: `readout="value"`
    frame    visual_projection(post_layernorm(class state)), what CLIP was trained to align
    words    text_projection(last hidden states), already normed; a word has seen the words before it only
    phrase   text_projection(state of the end token)

Patch states were never trained to meet words, and their plain cosines can point to the background [field: arXiv
2304.05653]; the value readout is one remedy for a frozen tower [field: arXiv 2112.01071]. The text tower stays frozen:
each text is read alone, without padding, and what came out is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

from emotrace.encoders.choices import refuse_unknown
from emotrace.encoders.clip_checkpoint import ClipTokenizer, not_found, settings
from emotrace.encoders.encoded import PatchEncoded
from emotrace.encoders.frames import encode_each, resized
from emotrace.encoders.towers import TextTower, VisualTower
from emotrace.errors import ModelFileError

Readout = Literal["final", "value"]
PixelNorm = Literal["clip", "unit"]

_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
_STD: Final = (0.26862954, 0.26130258, 0.27577711)
_KEPT_TEXTS: Final = 16_384
"""About a gigabyte for texts of thirty words and 512 numbers each; the longest unused go first."""


def load(
    checkpoint: str, *, readout: Readout = "final", pixel_norm: PixelNorm = "clip", gradient_checkpointing: bool = False
) -> tuple[ClipVision, ClipText]:
    """The two towers of a checkpoint, in float32. Only safetensors are read: no pickle is ever opened.

    Args:
        checkpoint: A name of the Hugging Face hub, or a folder.
        readout: What a patch token is.
        pixel_norm: `clip` subtracts CLIP's mean colour and divides by its spread; `unit` leaves 0..1, as some published
            work on facial expressions does [field: zengqunzhao/DFER-CLIP].
        gradient_checkpointing: Trade time for memory in training: blocks are computed again for their gradients.

    Raises:
        MissingExtra: transformers is not installed.
        ModelNotFound: No such checkpoint here, and none could be fetched.
        ModelFileError: Not CLIP, damaged, or without some of its weights.
        UnknownChoice: No such readout or pixel norm.
    """
    tokenizer = ClipTokenizer(checkpoint)
    model = _model(checkpoint)
    visual = ClipVision(
        model.vision_model,
        model.visual_projection,
        name=checkpoint,
        readout=readout,
        pixel_norm=pixel_norm,
        gradient_checkpointing=gradient_checkpointing,
    )
    return visual, ClipText(model.text_model, model.text_projection, tokenizer, name=checkpoint)


def _model(checkpoint: str) -> Any:
    """The library's `CLIPModel`, with all its weights."""
    settings(checkpoint)
    from safetensors import SafetensorError
    from transformers import CLIPModel

    try:
        # Since transformers 5 the default is the checkpoint's own precision, which may be half.
        found: Any = CLIPModel.from_pretrained(
            checkpoint, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        raise not_found(checkpoint, error) from None
    except (SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"the weights cannot be read ({error})", where=checkpoint, hint="Fetch it again") from None
    model, report = found
    if report["missing_keys"]:  # transformers draws them at random and goes on
        lost = sorted(report["missing_keys"])
        raise ModelFileError(f"{len(lost)} weights are missing, such as {lost[0]}", where=checkpoint)
    return model


class ClipVision(VisualTower):
    """The visual side."""

    pretrained = True
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        tower: Any,
        projection: nn.Linear,
        *,
        name: str,
        readout: Readout = "final",
        pixel_norm: PixelNorm = "clip",
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        refuse_unknown("readout", readout, get_args(Readout))
        refuse_unknown("pixel_norm", pixel_norm, get_args(PixelNorm))
        self.name, self.readout, self.gradient_checkpointing = name, readout, gradient_checkpointing
        self.backbone: nn.ModuleDict = nn.ModuleDict({"tower": tower, "projection": projection})
        self.dim = projection.out_features
        self.image_pixels = tower.config.image_size
        side = tower.config.image_size // tower.config.patch_size
        self.patch_grid = (side, side)
        mean, std = (_MEAN, _STD) if pixel_norm == "clip" else ((0.0,) * 3, (1.0,) * 3)
        # Buffers, so that a checkpoint keeps the normalisation that it was trained with.
        self.register_buffer("pixel_mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("pixel_std", torch.tensor(std).view(3, 1, 1))

    def encode_frames(
        self, frames: Float[Tensor, "batch frame 3 height width"], frame_mask: Bool[Tensor, "batch frame"]
    ) -> PatchEncoded:
        """Tokens of RGB frames in 0..1; see `VisualEncoder`."""
        return encode_each(frames, frame_mask, see=self._see, patch_grid=self.patch_grid, dim=self.dim)

    def last_layers(self, count: int) -> list[nn.Module]:
        """See `VisualTower`."""
        tower: Any = self.backbone["tower"]
        return [*tower.encoder.layers[-count:], tower.post_layernorm, self.backbone["projection"]]

    def _see(self, pictures: Float[Tensor, "picture 3 height width"]) -> tuple[Tensor, Tensor]:
        tower: Any = self.backbone["tower"]
        projection = self.backbone["projection"]
        pixels = (resized(pictures, self.image_pixels) - self.pixel_mean) / self.pixel_std
        states = tower.pre_layrnorm(tower.embeddings(pixels))
        *blocks, last = tower.encoder.layers
        for block in blocks:
            states = self._through(block, states)
        behind = self._through(last, states)
        if self.readout == "value":
            attention = last.self_attn
            patches = attention.out_proj(attention.v_proj(last.layer_norm1(states[:, 1:])))
        else:
            patches = behind[:, 1:]
        return projection(tower.post_layernorm(patches)), projection(tower.post_layernorm(behind[:, 0]))

    def _through(self, block: nn.Module, states: Tensor) -> Tensor:
        """One block. Recomputing is non-reentrant: the other kind loses gradients when the input needs none."""
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            again: Tensor = recompute(block, states, None, use_reentrant=False)
            return again
        through: Tensor = block(states, None)
        return through


class ClipText(TextTower):
    """The text side, frozen."""

    tokenizer: ClipTokenizer

    def __init__(self, tower: Any, projection: nn.Linear, tokenizer: ClipTokenizer, *, name: str) -> None:
        super().__init__()
        self.name, self.tokenizer = name, tokenizer
        self.tower: Any = tower
        self.projection: nn.Linear = projection
        self.dim = projection.out_features
        self.requires_grad_(False)
        self._kept: OrderedDict[tuple[int, ...], Float[Tensor, "place dim"]] = OrderedDict()

    def encode_tokens(self, token_ids: Sequence[Sequence[int]]) -> list[Float[Tensor, "token dim"]]:
        """One feature per token; see `TextEncoder`.

        Raises:
            TextTooLong: A text has more tokens than CLIP reads.
        """
        return [self._read(ids)[1:-1] for ids in token_ids]

    def encode_phrases(self, phrases: Sequence[str]) -> Float[Tensor, "phrase dim"]:
        """The end token's feature of each phrase: the one that CLIP was trained to align.

        Raises:
            TextTooLong: A phrase has more tokens than CLIP reads.
        """
        read = [self._read([token.id for token in self.tokenizer.tokens(phrase)])[-1] for phrase in phrases]
        return torch.stack(read) if read else self.projection.weight.new_zeros(0, self.dim)

    def _read(self, ids: Sequence[int]) -> Float[Tensor, "place dim"]:
        """Features of start, tokens and end. Read alone, so that no other text can change what is kept."""
        key = tuple(ids)
        device = self.projection.weight.device
        if key not in self._kept:
            self.refuse_long(key)
            places = torch.tensor([[self.tokenizer.start_id, *key, self.tokenizer.end_id]], device=device)
            self.tower.eval()
            with torch.no_grad():
                states = self.tower(input_ids=places, attention_mask=torch.ones_like(places)).last_hidden_state
                self._kept[key] = self.projection(states)[0].cpu()
            if len(self._kept) > _KEPT_TEXTS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key].to(device)
