"""How much of a pretrained visual tower is trained, and with what step: frozen, LoRA, the last blocks, or all of it.

    frozen   nothing of the backbone                                          5e-4 for what is new
    lora     rank 8 beside q, k, v and out projections                        1e-4   [field: MSA-LMC/CLAIP-Emo]
    last_k   the last two blocks, the final norm, the projection              1e-5
    full     the whole tower                                                  1e-5   [field: zengqunzhao/DFER-CLIP]

The text tower stays as it is, so what it says of a phrase can be kept [ours].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from torch import nn

from emotrace.encoders.choices import refuse_unknown
from emotrace.encoders.initialise import drawn_for
from emotrace.encoders.towers import TextTower, VisualTower
from emotrace.errors import UsageError

Adaptation = Literal["frozen", "lora", "last_k", "full"]

NEW_LEARNING_RATE: Final = 5e-4
"""Of whatever starts from random weights."""
BACKBONE_LEARNING_RATES: Final[dict[Adaptation, float]] = {"frozen": 0.0, "lora": 1e-4, "last_k": 1e-5, "full": 1e-5}
WEIGHT_DECAY: Final = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """Low-rank adapters (arXiv 2106.09685); the numbers are those of MSA-LMC/CLAIP-Emo [field]."""

    rank: int = 8
    alpha: int = 32
    dropout: float = 0.1
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "out_proj")


def adapt(
    visual: VisualTower, adaptation: Adaptation, *, last_k: int = 2, lora: Lora | None = None, seed: int = 0
) -> None:
    """Makes the chosen part of the tower's backbone trainable, and nothing else of it; LoRA's adapters start at zero.

    Raises:
        UnknownChoice: No such adaptation.
        UsageError: LoRA on a tower that has none of the projections that it goes beside.
    """
    refuse_unknown("adaptation", adaptation, get_args(Adaptation))
    visual.backbone.requires_grad_(adaptation == "full")
    if adaptation == "last_k":
        for layer in visual.last_layers(last_k):
            layer.requires_grad_(True)
    elif adaptation == "lora":
        _add_adapters(visual, lora or Lora(), seed)


def _add_adapters(visual: VisualTower, lora: Lora, seed: int) -> None:
    names = {name.rpartition(".")[2] for name, _ in visual.backbone.named_modules()}
    if not names.intersection(lora.targets):
        raise UsageError(
            f"the encoder {visual.name!r} has no attention projections, so LoRA has no place in it",
            where="adaptation",
            hint="Choose frozen, last_k or full",
        )
    from peft import LoraConfig, inject_adapter_in_model  # takes a second to import

    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets)
    )
    with drawn_for(f"{visual.name}.lora", seed=seed):
        inject_adapter_in_model(config, visual.backbone)


def merge_adapters(visual: VisualTower, *, undo: bool = False) -> None:
    """Adds the adapters into the weights that they lie beside: faster, same features. `undo` takes them out again."""
    from peft.tuners.lora import LoraLayer

    for layer in visual.backbone.modules():
        if isinstance(layer, LoraLayer):
            layer.unmerge() if undo else layer.merge()


def parameter_groups(
    visual: VisualTower,
    text: TextTower,
    adaptation: Adaptation,
    *,
    new_learning_rate: float = NEW_LEARNING_RATE,
    weight_decay: float = WEIGHT_DECAY,
) -> list[dict[str, Any]]:
    """Groups for AdamW of what is trained in the two towers. Norms, biases and other vectors do not decay.

    A backbone that was not pretrained takes the learning rate of new layers.
    """
    backbone = {id(weight) for weight in visual.backbone.parameters()}
    slow = BACKBONE_LEARNING_RATES[adaptation] if visual.pretrained else new_learning_rate
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for weight in (*visual.parameters(), *text.parameters()):
        if weight.requires_grad:
            key = (slow if id(weight) in backbone else new_learning_rate, weight_decay if weight.ndim > 1 else 0.0)
            groups.setdefault(key, []).append(weight)
    return [{"params": params, "lr": lr, "weight_decay": decay} for (lr, decay), params in groups.items()]
