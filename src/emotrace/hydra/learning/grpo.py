"""`train_grpo`: a policy learns the protocol by its rewards. A thin call of TRL's GRPOTrainer."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from emotrace.errors import UsageError
from emotrace.hydra.learning.callback import Recorder
from emotrace.hydra.learning.cases import Case
from emotrace.hydra.learning.journal import Journal
from emotrace.hydra.learning.observing import observer
from emotrace.hydra.learning.policy import lora_config, open_policy, resolved_precision
from emotrace.hydra.learning.presets import GrpoSettings, Precision
from emotrace.hydra.learning.rows import grpo_rows, in_order
from emotrace.hydra.learning.run_folder import CHECKPOINTS, SAMPLES, RunFolder
from emotrace.hydra.learning.running import (
    Learned,
    Tell,
    batches,
    identity_of,
    quiet_and_private,
    run_trainer,
    shared_arguments,
)
from emotrace.hydra.rewards import RewardConfig, hydra_rewards
from emotrace.progress import Watch

KIND = "hydra-grpo"
RolloutFunc = Callable[[list[Any], Any], dict[str, Any]]
"""(prompts, trainer) -> `prompt_ids`, `completion_ids`, `logprobs`. Experimental in TRL 1.16."""


@quiet_and_private()
def train_grpo(
    settings: GrpoSettings,
    cases: Sequence[Case],
    *,
    model: str | Path,
    out: str | Path,
    reward: RewardConfig | None = None,
    rollout_func: RolloutFunc | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    tell: Tell = lambda line: None,
) -> Learned:
    """Trains a policy by group-relative policy optimisation, and leaves a run folder.

    On a CPU, with one process, transformers' sampling and a step in one pass, a resumed run repeats the uninterrupted
    one bit for bit. With vLLM it does not.

    Args:
        settings: How it learns.
        cases: What it learns on: sheets with gold.
        model: A folder or a name on the hub; with a KL weight it is also what the policy is held to.
        out: The run's folder.
        reward: What is rewarded; None: the preset `full`. Its k must be that of the settings.
        rollout_func: Who samples instead of the trainer.
        resume: Go on with the run in `out`, if there is one.
        watch: Told how far training is.
        tell: Told what a person should know: alarms, a resume.

    Raises:
        UsageError: A value or combination that cannot be.
        ModelNotFound: The model cannot be loaded.
        CheckpointMismatch: The run in `out` is another one.
        RewardFailed: A completion, sheet or gold that cannot be scored; the message names the sample.
        TrainingDiverged: The loss is no longer a number.
        UnwritableOutput: The disk is full, or the place is closed.
    """
    reward = reward or RewardConfig(k=settings.k)
    if reward.k != settings.k:
        raise UsageError(f"the reward expects {reward.k} hypotheses, the settings ask for {settings.k}", where="k")
    if settings.vllm != "off" and importlib.util.find_spec("vllm") is None:
        raise UsageError("vLLM is not installed", where="vllm", hint="pip install vllm, or switch it off")
    precision = resolved_precision(settings.precision, settings.device)
    functions, weights = hydra_rewards(reward)
    run_path = Path(out)
    # The arguments come before the model: with ZeRO-3 they decide how it is loaded.
    told = grpo_arguments(settings, run_path / CHECKPOINTS, precision)
    args = GRPOConfig(**told, reward_weights=[*weights, 0.0])
    policy = open_policy(model, settings, precision=precision)
    rows = grpo_rows(cases, policy, k=settings.k, max_prompt=settings.max_prompt, frames=settings.frames)
    run = RunFolder(
        path=run_path,
        identity=identity_of(KIND, settings, policy, rows, precision, reward=reward.record()),
        about={"model": policy.name, "rollout": "trainer" if rollout_func is None else "rollout_func"},
    )
    if rows.observations_dropped:
        tell(f"{rows.observations_dropped} observations of {rows.shortened} cases dropped to fit the questions")

    def build(recorder: Recorder, start: int) -> GRPOTrainer:
        samples = Journal(run.path / SAMPLES, last_step=start) if args.process_index == 0 else None
        watching = observer(reward, group=settings.group, samples=samples, samples_per_step=settings.samples_per_step)
        return GRPOTrainer(
            model=policy.model,
            reward_funcs=[*functions, watching],
            args=args,
            train_dataset=in_order(rows.dataset, settings.steps * settings.prompts_per_step, seed=settings.seed),
            processing_class=policy.processor,
            callbacks=[recorder],
            peft_config=None if settings.lora is None else lora_config(settings.lora, policy),
            rollout_func=rollout_func,
        )

    return run_trainer(
        build,
        args=args,
        run=run,
        policy=policy,
        step_to_learn={"kind": KIND, "k": settings.k, "data_sha256": rows.sha256, "rows": len(rows.dataset)},
        k=settings.k,
        resume=resume,
        watch=watch,
        tell=tell,
    )


def grpo_arguments(settings: GrpoSettings, checkpoints: Path, precision: Precision) -> dict[str, Any]:
    """What is told to `trl.GRPOConfig`, apart from the reward's weights.

    Raises:
        UsageError: A step cannot be shared evenly among processes and passes.
    """
    vllm: dict[str, Any] = {}
    if settings.vllm != "off":
        vllm = {"vllm_mode": settings.vllm, "vllm_gpu_memory_utilization": settings.vllm_memory}
    if settings.vllm == "server":
        vllm["vllm_server_base_url"] = settings.vllm_server
    return {
        **shared_arguments(settings, checkpoints, precision),
        **batches(settings.texts_per_step, settings.micro_batch),
        "max_steps": settings.steps,
        "shuffle_dataset": False,  # the rows come in the order of training
        "num_generations": settings.group,
        "max_completion_length": settings.max_completion,
        "temperature": settings.temperature,
        "top_p": 1.0,
        "top_k": 0,
        "num_iterations": 1,
        "beta": settings.kl,
        "use_bias_correction_kl": settings.kl_correction,
        "loss_type": settings.loss,
        "scale_rewards": settings.scale,
        "multi_objective_aggregation": settings.aggregation,
        "epsilon": 0.2,
        "use_vllm": settings.vllm != "off",
        **vllm,
    }
