"""`emotrace train hydra-sft` and `hydra-grpo`: a language model learns the protocol, from examples and by rewards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from emotrace.cli.console import needing, say, watching
from emotrace.errors import UsageError

if TYPE_CHECKING:
    from emotrace.hydra.learning.cases import Case
    from emotrace.hydra.learning.running import Learned

WORLD = "world"
_DATA = "Data and model"
_LEARNING = "How it learns"
_REWARD = "Questions, answers and rewards"
_RUN = "Run"

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="A folder of transformers, or a name on the hub.", rich_help_panel=_DATA)
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", help="The run's folder; made if it is not there.", rich_help_panel=_DATA)
]
PresetOption = Annotated[
    Literal["paper", "house", "world"],
    typer.Option(help="Settings to start from; what is named below replaces them.", rich_help_panel=_LEARNING),
]
FramesOption = Annotated[
    bool | None,
    typer.Option(
        "--frames/--no-frames", help="Show the pictures that cases name.", show_default="shown", rich_help_panel=_DATA
    ),
]
StepsOption = Annotated[int | None, typer.Option(min=1, help="Optimiser steps.", rich_help_panel=_LEARNING)]
RateOption = Annotated[float | None, typer.Option("--learning-rate", "--lr", rich_help_panel=_LEARNING)]
MicroOption = Annotated[
    int | None,
    typer.Option(min=1, help="Texts that a process takes at once.", rich_help_panel=_LEARNING),
]
LoraOption = Annotated[
    bool, typer.Option("--lora", help="Train small adapters, not all weights.", rich_help_panel=_LEARNING)
]
AttentionOption = Annotated[
    str | None,
    typer.Option(
        help="Attention code, such as flash_attention_2.", show_default="the model's own", rich_help_panel=_RUN
    ),
]
SeedOption = Annotated[int | None, typer.Option(min=0, rich_help_panel=_RUN)]
PrecisionOption = Annotated[
    Literal["auto", "no", "bf16"] | None,
    typer.Option(
        help="Of matrix products; auto: bf16 on a GPU that has it.", show_default="auto", rich_help_panel=_RUN
    ),
]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"] | None, typer.Option(show_default="auto", rich_help_panel=_RUN)]
SaveOption = Annotated[
    int | None,
    typer.Option(min=1, help="Steps from one checkpoint to the next.", show_default="100", rich_help_panel=_RUN),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --out, if there is one.", rich_help_panel=_RUN)
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.", rich_help_panel=_RUN)]


def hydra_sft(
    data: Annotated[Path, typer.Option(help="Demonstrations, as JSON lines.", rich_help_panel=_DATA)],
    model: ModelOption,
    out: OutOption,
    frames: FramesOption = None,
    preset: PresetOption = "house",
    epochs: Annotated[float | None, typer.Option(rich_help_panel=_LEARNING)] = None,
    steps: StepsOption = None,
    learning_rate: RateOption = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Demonstrations of a step.", rich_help_panel=_LEARNING)
    ] = None,
    micro_batch: MicroOption = None,
    max_length: Annotated[
        int | None,
        typer.Option(min=1, help="Most tokens of a row; a longer one is refused.", rich_help_panel=_LEARNING),
    ] = None,
    lora: LoraOption = False,
    attention: AttentionOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = None,
    save_every: SaveOption = None,
    resume: ResumeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Teach a language model the protocol from demonstrations: it imitates whole trajectories.

    Writes OUT/final, a folder that transformers and vLLM load; OUT/metrics.jsonl, a line for each step; OUT/config.json
    and OUT/card.md. Our reconstruction of HyDRA: the paper's settings of this stage are unknown.
    """
    from emotrace.hydra.learning.cases import read_demonstrations

    with needing("rl", "train hydra-sft"):
        from emotrace.hydra.learning.presets import LoraSettings, SftSettings
        from emotrace.hydra.learning.sft import train_sft

    settings = SftSettings.preset(
        preset,
        **_named(
            frames=frames, epochs=epochs, steps=steps, learning_rate=learning_rate, batch=batch,
            micro_batch=micro_batch, max_length=max_length, lora=LoraSettings() if lora else None, attention=attention,
            seed=seed, precision=precision, device=device, save_every=save_every,
        ),
    )  # fmt: skip
    demonstrations = read_demonstrations(data)
    _run(
        lambda **looking: train_sft(settings, demonstrations, model=model, out=out, resume=resume, **looking),
        quiet=quiet,
    )


def hydra_grpo(
    data: Annotated[
        str, typer.Option(help="Cases, as JSON lines; or world: the simulated world.", rich_help_panel=_DATA)
    ],
    model: ModelOption,
    out: OutOption,
    frames: FramesOption = None,
    preset: PresetOption = "house",
    steps: StepsOption = None,
    learning_rate: RateOption = None,
    group: Annotated[
        int | None, typer.Option(min=2, help="Answers to each question.", show_default="8", rich_help_panel=_LEARNING)
    ] = None,
    prompts_per_step: Annotated[
        int | None, typer.Option(min=1, help="Questions of a step.", rich_help_panel=_LEARNING)
    ] = None,
    micro_batch: MicroOption = None,
    kl: Annotated[
        float | None, typer.Option(min=0.0, help="Weight that holds it to where it began.", rich_help_panel=_LEARNING)
    ] = None,
    lora: LoraOption = False,
    k: Annotated[
        int | None, typer.Option(help="Rival hypotheses, 0 to 4.", show_default="2", rich_help_panel=_REWARD)
    ] = None,
    reward: Annotated[
        Literal["full", "outcome", "flat"],
        typer.Option(help="All terms; format and labels alone; or all without gates.", rich_help_panel=_REWARD),
    ] = "full",
    temperature: Annotated[float | None, typer.Option(show_default="1.0", rich_help_panel=_REWARD)] = None,
    max_prompt: Annotated[
        int | None,
        typer.Option(min=1, help="Most tokens of a question; the weakest lines go.", rich_help_panel=_REWARD),
    ] = None,
    max_completion: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of an answer.", rich_help_panel=_REWARD)
    ] = None,
    vllm: Annotated[
        Literal["off", "colocate", "server"] | None,
        typer.Option(help="Let vLLM sample, on the same GPU or elsewhere.", show_default="off", rich_help_panel=_RUN),
    ] = None,
    vllm_server: Annotated[
        str | None, typer.Option(metavar="URL", show_default="http://127.0.0.1:8000", rich_help_panel=_RUN)
    ] = None,
    attention: AttentionOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = None,
    save_every: SaveOption = None,
    resume: ResumeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Let a language model find better trajectories by itself: it answers in groups, and rewards compare its answers.

    Writes what hydra-sft writes, and OUT/samples.jsonl: some trajectories of each step. Start from a model that knows
    the format, as hydra-sft leaves one. Our reconstruction of HyDRA: reward formulas are emotrace's own.
    """
    with needing("rl", "train hydra-grpo"):
        from emotrace.hydra.learning.grpo import train_grpo
        from emotrace.hydra.learning.presets import HOUSE_LORA_RATE, GrpoSettings, LoraSettings
    from emotrace.hydra.rewards import RewardConfig
    from emotrace.hydra.world_wheel import WorldWheel

    if lora and learning_rate is None and preset != "world":
        learning_rate = HOUSE_LORA_RATE
    settings = GrpoSettings.preset(
        preset,
        **_named(
            frames=frames, steps=steps, learning_rate=learning_rate, group=group, prompts_per_step=prompts_per_step,
            micro_batch=micro_batch, kl=kl, lora=LoraSettings() if lora else None, k=k, temperature=temperature,
            max_prompt=max_prompt, max_completion=max_completion, vllm=vllm, vllm_server=vllm_server,
            attention=attention, seed=seed, precision=precision, device=device, save_every=save_every,
        ),
    )  # fmt: skip
    cases = _cases(data)
    # The simulated world is scored on its own wheel: its numbers do not move when the shipped one is edited.
    table = {"table": WorldWheel()} if data == WORLD else {}
    rewarded = RewardConfig.preset(reward, k=settings.k, **table)
    _run(
        lambda **looking: train_grpo(settings, cases, model=model, out=out, reward=rewarded, resume=resume, **looking),
        quiet=quiet,
    )


def _named(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _cases(data: str) -> list[Case]:
    from emotrace.hydra.learning.cases import read_cases, world_cases

    if data == WORLD:
        return world_cases("rl")
    if not Path(data).is_file():
        raise UsageError("is no file", where=data, hint=f"Name a file of JSON lines, or {WORLD}")
    return read_cases(Path(data))


def _run(train: Callable[..., Learned], *, quiet: bool) -> None:
    """Trains, and says where the model lies; of many processes the first one speaks."""
    quiet = quiet or os.environ.get("RANK", "0") != "0"  # launchers set it; the trainer decides about the device
    with watching("hydra", quiet=quiet) as watch:
        learned = train(watch=watch, tell=(lambda line: None) if quiet else say)
    if not quiet:
        say(f"wrote {learned.final} after {learned.steps} steps")
