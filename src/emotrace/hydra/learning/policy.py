"""The policy that learns: a language model with its tokenizer, or a vision-language model with its processor."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor
from transformers.processing_utils import ProcessorMixin

from emotrace.errors import ModelNotFound, UsageError
from emotrace.files import sha256_of
from emotrace.hydra.learning.presets import Device, GrpoSettings, LoraSettings, Precision, SftSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PROJECTIONS = (
    "q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "gate_proj", "up_proj", "down_proj", "gate_up_proj",
)  # fmt: skip
"""[field] Where adapters go: what transformers calls the projections of attention and MLP."""
NOT_LANGUAGE = "visual|vision|image|audio|speech|projector|merger"
"""[ours] Words in the names of parts that are not the language model: adapters stay away from them."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A model and what turns messages into its tokens."""

    name: str
    """The folder, or the name on the hub."""
    model: PreTrainedModel
    processor: PreTrainedTokenizerBase | ProcessorMixin

    @property
    def sees(self) -> bool:
        """Whether it takes pictures."""
        return isinstance(self.processor, ProcessorMixin)

    def record(self) -> dict[str, Any]:
        """What says which model it is: the bytes of its folder, or the commit of the hub."""
        folder = Path(self.name)
        if folder.is_dir():
            files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()}
            digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
            return {"folder_sha256": digest}
        return {"name": self.name, "commit": getattr(self.model.config, "_commit_hash", None)}


def open_policy(name: str | Path, settings: SftSettings | GrpoSettings, *, precision: Precision) -> Policy:
    """Loads a policy.

    Args:
        name: A folder, or a name on the hub.
        settings: Its attention and adapters decide how it is loaded.
        precision: As `resolved_precision` gives it. Frozen weights under adapters are kept in it; weights that learn
            stay float32, since steps as small as 1e-6 vanish in bf16 [ours].

    Raises:
        ModelNotFound: Nothing there that transformers can load.
        UsageError: It has no chat template.
    """
    name = str(name)
    frozen_in_bf16 = settings.lora is not None and precision == "bf16"
    chosen = {"attn_implementation": settings.attention} if settings.attention else {}
    try:
        processor = AutoProcessor.from_pretrained(name)  # type: ignore[no-untyped-call]
        kind = AutoModelForImageTextToText if isinstance(processor, ProcessorMixin) else AutoModelForCausalLM
        config = AutoConfig.from_pretrained(name)
        dtype = torch.bfloat16 if frozen_in_bf16 else torch.float32
        model = kind.from_pretrained(name, config=config, dtype=dtype, **chosen)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelNotFound(
            f"is no model that can be loaded ({reason})", where=name, hint="Name a folder of transformers, or a model"
        ) from error
    if not getattr(processor, "chat_template", None):
        raise UsageError("the model has no chat template", where=name, hint="Choose a chat model")
    return Policy(name=name, model=model, processor=processor)


def lora_config(lora: LoraSettings, policy: Policy) -> LoraConfig:
    """The adapters, on the language model alone.

    Raises:
        UsageError: The model has no projection of a known name.
    """
    pattern = rf"(?!.*(?:{NOT_LANGUAGE})).*\.(?:{'|'.join(PROJECTIONS)})"
    names = (name for name, _ in policy.model.named_modules())
    if not any(name.rpartition(".")[2] in PROJECTIONS for name in names):
        raise UsageError(
            f"none of its parts is called {', '.join(PROJECTIONS)}", where="lora", hint="Train it without adapters"
        )
    return LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=pattern, task_type="CAUSAL_LM"
    )


def resolved_precision(precision: Precision, device: Device) -> Precision:
    """`no` or `bf16`.

    Raises:
        UsageError: A GPU was asked for and there is none, or bf16 on a CPU, where it is slow and gains nothing.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise UsageError("there is no GPU that torch can use", where="device", hint="Use auto or cpu")
    on_gpu = has_gpu and device != "cpu"
    if precision == "bf16" and not (on_gpu and torch.cuda.is_bf16_supported()):
        raise UsageError("bf16 needs a GPU that has it", where="precision", hint="Use auto or no")
    if precision == "auto":
        return "bf16" if on_gpu and torch.cuda.is_bf16_supported() else "no"
    return precision
