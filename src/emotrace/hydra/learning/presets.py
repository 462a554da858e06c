"""How a policy is trained: settings of both stages, and the presets `paper`, `house` and `world`.

A comment behind each default says where it is from: [paper] said by it or through its reviews, [field] by public code
that it builds on, [ours] our choice where nobody says. No preset is a claim to repeat the paper: too much of it is
unknown.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeVar, get_args

from emotrace.errors import UnknownChoice, UsageError
from emotrace.hydra.propose import MAX_HYPOTHESES

Preset = Literal["paper", "house", "world"]
Precision = Literal["auto", "no", "bf16"]
Device = Literal["auto", "cpu", "cuda"]
Vllm = Literal["off", "colocate", "server"]
Schedule = Literal["linear", "constant", "cosine", "cosine_to_tenth"]

S = TypeVar("S", bound="_Settings")

OF_THE_MACHINE = frozenset({"save_every", "keep", "samples_per_step"})
"""Settings that change what a run leaves behind, and no number of it."""


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """Low-rank adapters on the language model's attention and MLP; whatever else there is, such as eyes, is frozen."""

    rank: int = 16  # [ours]
    alpha: int = 32  # [ours]
    dropout: float = 0.0  # [ours]

    def __post_init__(self) -> None:
        _demand(self, "rank", self.rank >= 1, "at least 1")
        _demand(self, "alpha", self.alpha >= 1, "at least 1")
        _demand(self, "dropout", 0 <= self.dropout < 1, "at least 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What both stages have."""

    learning_rate: float
    schedule: Schedule
    """How the learning rate goes on from there."""
    warmup_share: float = 0.0
    weight_decay: float = 0.0  # [field]
    clip_norm: float = 1.0  # [field] TRL's default
    """Largest norm of the gradient."""
    micro_batch: int | None = None
    """Texts that one process takes at once; None: its whole share of a step."""
    lora: LoraSettings | None = None
    """None trains all weights."""
    precision: Precision = "auto"
    """Of matrix products; auto: bf16 on a GPU that has it, `no` elsewhere."""
    device: Device = "auto"
    checkpointing: bool = True  # [field] TRL's default
    """Whether activations are computed twice to save memory; never on a CPU."""
    attention: str | None = None
    """transformers' name of the attention code, such as `flash_attention_2`; None leaves it to the model."""
    frames: bool = True
    """Whether the pictures that cases name are shown."""
    seed: int = 0
    save_every: int = 100  # [ours]
    """Steps from one checkpoint to the next."""
    keep: int = 3  # [ours]
    """How many checkpoints are kept."""

    def __post_init__(self) -> None:
        _demand(self, "learning_rate", 0 < self.learning_rate < math.inf, "a finite number above 0")
        _demand(self, "clip_norm", 0 < self.clip_norm < math.inf, "a finite number above 0")
        _demand(self, "warmup_share", 0 <= self.warmup_share < 1, "at least 0 and below 1")
        _demand(self, "weight_decay", 0 <= self.weight_decay < math.inf, "a finite number, 0 or more")
        _demand(self, "micro_batch", self.micro_batch is None or self.micro_batch >= 1, "at least 1, or None")
        _demand(self, "seed", self.seed >= 0, "0 or more")
        for name in ("save_every", "keep"):
            _demand(self, name, getattr(self, name) >= 1, "at least 1")
        for name, choices in (("schedule", Schedule), ("precision", Precision), ("device", Device)):
            _demand(self, name, getattr(self, name) in get_args(choices), f"one of {get_args(choices)}")

    @property
    def scheduler(self) -> dict[str, Any]:
        """The schedule in transformers' words."""
        if self.schedule == "cosine_to_tenth":
            return {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}}
        return {"lr_scheduler_type": self.schedule}

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values."""
        return asdict(self)

    def decisive(self) -> dict[str, Any]:
        """The settings that decide the numbers of a run."""
        return {name: value for name, value in self.to_dict().items() if name not in OF_THE_MACHINE}

    @classmethod
    def preset(cls: type[S], name: str, **changes: Any) -> S:
        """The settings of a preset, with changes.

        Raises:
            UnknownChoice: No such preset.
            UsageError: A setting that does not exist, or a value that cannot be.
        """
        presets = _PRESETS[cls.__name__]
        if name not in presets:
            raise UnknownChoice(f"got {name!r}", where="preset", hint=f"Known: {', '.join(presets)}")
        if unknown := set(changes) - {field.name for field in fields(cls)}:
            raise UsageError(f"no such settings: {', '.join(sorted(unknown))}", where="preset")
        return cls(**{**presets[name], **changes})


@dataclass(frozen=True, kw_only=True)
class SftSettings(_Settings):
    """Supervised fine-tuning: the loss is on the trajectory alone. Defaults: R1-Omni's cold start [field].

    Raises:
        UsageError: A value that cannot be, named with its field.
    """

    epochs: float = 5.0  # [field]
    steps: int | None = None
    """Optimiser steps; None: as many as the epochs take."""
    batch: int = 16  # [field]
    """Demonstrations of one optimiser step, over all processes."""
    learning_rate: float = 2e-5  # [field]
    schedule: Schedule = "cosine"  # [field]
    warmup_share: float = 0.03  # [field]
    max_length: int = 2048  # [ours]
    """Most tokens of question and trajectory together; a longer row is refused, never cut."""
    by_length: bool = False
    """Whether rows of like length share a batch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _demand(self, "epochs", 0 < self.epochs < math.inf, "a finite number above 0")
        _demand(self, "steps", self.steps is None or self.steps >= 1, "at least 1, or None")
        for name in ("batch", "max_length"):
            _demand(self, name, getattr(self, name) >= 1, "at least 1")


@dataclass(frozen=True, kw_only=True)
class GrpoSettings(_Settings):
    """Group-relative policy optimisation. Defaults: the preset `house`.

    Raises:
        UsageError: A value that cannot be, named with its field.
    """

    k: int = 2  # [paper] through reviews
    """How many rival hypotheses are asked for."""
    steps: int = 4500  # [paper]
    group: int = 8  # [paper]
    """Answers to one question, compared with each other."""
    prompts_per_step: int = 8  # [ours] inferred from 12,000 cases, 3 epochs and 4,500 steps
    max_prompt: int = 1024  # [paper]
    """Most tokens of a question, pictures not counted; the weakest observations go until it fits."""
    max_completion: int = 1024  # [paper]
    learning_rate: float = 1e-6  # [paper]
    schedule: Schedule = "linear"  # [field] TRL's default
    micro_batch: int | None = 8  # [ours]
    kl: float = 0.0  # [ours]
    """Weight of the divergence from the policy at the start; 0 needs no second model."""
    kl_correction: bool = True  # [field] TRL's default
    """Whether the divergence is weighted by the ratio of new to old policy, which makes its gradient unbiased."""
    loss: Literal["grpo", "dapo", "dr_grpo", "bnpo"] = "dapo"  # [ours]
    scale: Literal["group", "batch", "none"] = "batch"  # [ours]
    """What the rewards' spread is taken over. Of a group, it blows up tiny differences where all are right."""
    aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = "sum_then_normalize"  # [ours]
    """Whether rewards are added before or after they are normalised."""
    temperature: float = 1.0  # [field]
    vllm: Vllm = "off"
    """Who samples: transformers, vLLM beside the policy on its GPU, or a vLLM server."""
    vllm_memory: float = 0.3  # [field] TRL's default
    """Share of the GPU's memory that vLLM takes beside the policy."""
    vllm_server: str = "http://127.0.0.1:8000"
    samples_per_step: int = 2  # [ours]
    """Trajectories of each step that are kept in `samples.jsonl`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _demand(self, "k", 0 <= self.k <= MAX_HYPOTHESES, f"in 0..{MAX_HYPOTHESES}")
        _demand(self, "group", self.group >= 2, "at least 2: answers are compared with each other")
        for name in ("steps", "prompts_per_step", "max_prompt", "max_completion"):
            _demand(self, name, getattr(self, name) >= 1, "at least 1")
        _demand(self, "kl", 0 <= self.kl < math.inf, "a finite number, 0 or more")
        _demand(self, "temperature", 0 < self.temperature < math.inf, "a finite number above 0")
        _demand(self, "vllm_memory", 0 < self.vllm_memory < 1, "above 0 and below 1")
        _demand(self, "samples_per_step", self.samples_per_step >= 0, "0 or more")
        _demand(self, "loss", self.loss in ("grpo", "dapo", "dr_grpo", "bnpo"), "grpo, dapo, dr_grpo or bnpo")
        _demand(self, "scale", self.scale in ("group", "batch", "none"), "group, batch or none")
        _demand(self, "vllm", self.vllm in get_args(Vllm), f"one of {get_args(Vllm)}")
        known = ("sum_then_normalize", "normalize_then_sum")
        _demand(self, "aggregation", self.aggregation in known, f"one of {known}")

    @property
    def texts_per_step(self) -> int:
        """Answers of one step, over all processes."""
        return self.group * self.prompts_per_step


HOUSE_LORA_RATE = 1e-5
"""[ours] Learning rate of `GrpoSettings` where adapters are trained and none is named."""

_PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "SftSettings": {
        "paper": {},  # its supervised settings are unknown: R1-Omni's [field]
        "house": {},
        "world": {  # all [ours]
            "epochs": 3.0,
            "batch": 32,
            "learning_rate": 1.5e-3,
            "schedule": "cosine_to_tenth",
            "max_length": 720,
            "by_length": True,
            "checkpointing": False,
        },
    },
    "GrpoSettings": {
        # The KL weight and the loss are R1-Omni's [field]; the paper's are unknown.
        "paper": {"kl": 0.04, "kl_correction": False, "loss": "grpo", "scale": "group"},
        "house": {},
        "world": {  # all [ours]
            "steps": 60,
            "prompts_per_step": 12,
            "max_prompt": 320,
            "max_completion": 400,
            "learning_rate": 2e-4,
            "schedule": "constant",
            "micro_batch": None,
            "checkpointing": False,
        },
    },
}


def _demand(settings: Any, name: str, holds: bool, rule: str) -> None:
    if not holds:
        raise UsageError(f"must be {rule}, got {getattr(settings, name)!r}", where=name)
