"""The encoders by name."""

from __future__ import annotations

from typing import Any

from emotrace.encoders.adaptation import Adaptation, adapt
from emotrace.encoders.towers import TextTower, VisualTower


def build_encoder(
    name: str, *, seed: int = 0, adaptation: Adaptation | None = None, **options: Any
) -> tuple[VisualTower, TextTower]:
    """A visual and a textual encoder that share a space.

    Args:
        name: `tiny` (to train from scratch, no download), `embedded` (the shipped face network, frozen), or a CLIP
            checkpoint for transformers: a name of the hub, such as `openai/clip-vit-base-patch16`, or a local folder.
        seed: Of whatever starts from random weights.
        adaptation: What of the visual backbone is trained: `frozen`, `lora`, `last_k` or `full`. By default `full` for
            `tiny`, `frozen` for `embedded`, `lora` for CLIP.
        options: `last_k` and `lora` of `adapt`; any other goes to the encoder, such as `readout` of `clip.load`.

    Raises:
        ModelNotFound: The checkpoint is not on this machine and cannot be fetched, or is none of CLIP.
        UnknownChoice: No such adaptation.
        UsageError: An adaptation that the encoder does not have.
    """
    visual: VisualTower
    text: TextTower
    how = {key: options.pop(key) for key in ("last_k", "lora") if key in options}
    if name == "tiny":
        from emotrace.encoders.tiny import TinyEncoder, WordTable

        visual, text = TinyEncoder(seed=seed, **options), WordTable(seed=seed)
        adaptation = adaptation or "full"
    elif name == "embedded":
        from emotrace.encoders.embedded_towers import EmbeddedEncoder, embedded_words

        visual, text = EmbeddedEncoder(seed=seed, **options), embedded_words(seed=seed, **options)
        adaptation = adaptation or "frozen"
    else:
        from emotrace.encoders.clip import load

        adaptation = adaptation or "lora"
        visual, text = load(name, **{"readout": "value" if adaptation == "frozen" else "final", **options})
    adapt(visual, adaptation, seed=seed, **how)
    return visual, text
