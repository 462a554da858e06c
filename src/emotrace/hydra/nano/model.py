"""Small decoders of the Qwen3 kind with random weights: what the studies of the protocol train from nothing [ours]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emotrace.errors import UnknownChoice

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

CONTEXT: Final = 1024
"""[ours] Most tokens of question and trajectory together."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """The shape of a decoder."""

    layers: int
    width: int
    heads: int
    key_heads: int
    inner: int
    """Width of the gated feed-forward part."""


SIZES: Final[dict[str, Size]] = {
    "nano": Size(layers=3, width=160, heads=5, key_heads=1, inner=480),
    "small": Size(layers=6, width=256, heads=4, key_heads=2, inner=832),
    "large": Size(layers=8, width=512, heads=8, key_heads=4, inner=1408),
}
"""[ours] About 1, 5 and 25 million parameters."""


def nano_model(size: str, tokenizer: PreTrainedTokenizerFast, *, seed: int) -> Qwen3ForCausalLM:
    """A decoder with random weights.

    Args:
        size: `nano`, `small` or `large`.
        tokenizer: Its vocabulary decides the size of the tied embedding.
        seed: Of the weights.

    Raises:
        UnknownChoice: No such size.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    if size not in SIZES:
        raise UnknownChoice(f"got {size!r}", where="size", hint=f"Known: {', '.join(SIZES)}")
    shape = SIZES[size]
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        head_dim=shape.width // shape.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.02,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(config)
    torch.set_rng_state(state)
    return model


def save_nano(folder: Path, model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Writes a folder that `AutoModelForCausalLM.from_pretrained`, `transformers serve` and vLLM load."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
