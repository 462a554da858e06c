"""The whole algorithm in one file: a small decoder learns the protocol by imitation, then by reward (GRPO).

    python recipes/hydra_nano.py --size nano --k 2 --seed 0

Everything happens in the simulated world, which knows nothing about real people: a result here is about the algorithm,
never about accuracy on video. The model starts from random weights.

1. *Imitate*: the embedded reasoner, blind to gold, writes trajectories; those that agree with gold are kept.
2. *Reinforce*: for each sheet, 8 trajectories are sampled; each is rewarded (`emotrace.hydra.rewards`); what is better
   than the mean of its group becomes likelier. One update per sample, no reference model:

       loss = - sum over tokens of advantage · p(token) / p(token) when sampled / number of tokens
       advantage = (R - mean of the group) / (standard deviation of the batch + 1e-4)

What TRL does beside, and this file leaves out: several updates per sample with clipped ratios, a penalty on the
distance to a reference model, gradient accumulation, many processes, LoRA, vLLM, pictures and checkpoints. Where none
of these is on, both give the same numbers: `--check` (`hydra_nano_check.py`) takes 6 steps with each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import DynamicCache, PreTrainedTokenizerFast, Qwen3ForCausalLM

from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.coldstart.build import ColdStart, Plan, build
from emotrace.hydra.coldstart.filters import LevelOne
from emotrace.hydra.coldstart.sources import from_world
from emotrace.hydra.coldstart.teaching import EmbeddedTeacher, Saw
from emotrace.hydra.grammar import parse, render
from emotrace.hydra.learning.cases import Case, Demonstration, world_cases
from emotrace.hydra.learning.prompts import prompt_messages
from emotrace.hydra.nano.model import SIZES, nano_model
from emotrace.hydra.nano.tokenizer import nano_tokenizer
from emotrace.hydra.rewards import BatchScores, RewardConfig, Scorer
from emotrace.hydra.rewards.combine import TERMS
from emotrace.hydra.world_wheel import WorldWheel
from emotrace.training.seeds import generator_of

Ids = list[int]
AT_ONCE = 3
"""Groups whose gradient is computed at once."""
MOST_TOKENS = 288
"""Of a trajectory; a longer one is cut off, and so malformed. The teacher's have at most 268, with K = 4."""


@dataclass(frozen=True, kw_only=True)
class Imitation:
    """Settings of the first stage [ours]."""

    epochs: int = 2
    batch: int = 8
    lr: float = 4e-3
    last_lr: float = 0.1
    """Share of `lr` at the end of the cosine."""


@dataclass(frozen=True, kw_only=True)
class Reinforcement:
    """Settings of the second stage [ours]."""

    steps: int = 60
    group: int = 8
    prompts: int = 12
    """Sheets per step."""
    lr: float = 2e-4
    temperature: float = 1.0
    most_tokens: int = MOST_TOKENS
    clip_norm: float = 1.0
    apart: bool = False
    """Whether each reward is normalised by itself before they are added (TRL's `normalize_then_sum`)."""


class Step(NamedTuple):
    """What a step of the second stage measured."""

    reward: float
    loss: float
    norm: float
    """Of the gradient, before it was clipped."""


def prompt_ids(tokenizer: PreTrainedTokenizerFast, sheet: EvidenceSheet, k: int) -> Ids:
    """The question about a sheet, in tokens."""
    ids: Ids = tokenizer.apply_chat_template(prompt_messages(sheet, k=k), add_generation_prompt=True, return_dict=False)
    return ids


# --- imitation


def cold_start(k: int, *, sheets: int, seed: int, saw: Saw = "nothing") -> ColdStart:
    """Trajectories of the embedded reasoner on the world's training sheets, those that agree with gold."""
    level_one = LevelOne(WorldWheel())
    teacher = EmbeddedTeacher(saw=saw, agreement=level_one.agreement)
    return build(from_world("train", first=sheets), teacher, Plan(k=k, seed=seed), level_one=level_one)


def rows_of(tokenizer: PreTrainedTokenizerFast, demonstrations: Iterable[Demonstration]) -> list[tuple[Ids, Ids]]:
    """Questions and answers in tokens. Stories are left out: the teacher's say no more than its labels do."""
    rows = []
    for each in demonstrations:
        trace = parse(each.trace, k=each.k).trace
        assert trace is not None  # the cold start keeps what can be read
        plain = replace(trace, hypotheses=tuple(replace(hypothesis, story="") for hypothesis in trace.hypotheses))
        rows.append((prompt_ids(tokenizer, each.sheet, each.k), ended(tokenizer, render(plain))))
    return rows


def ended(tokenizer: PreTrainedTokenizerFast, text: str) -> Ids:
    """A text in tokens, with the end token."""
    return [*tokenizer(text)["input_ids"], int(tokenizer.eos_token_id)]


def imitate(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    rows: Sequence[tuple[Ids, Ids]],
    settings: Imitation,
    *,
    seed: int,
) -> float:
    """Trains on questions and answers, the loss on the answers alone; the mean loss of the last 20 batches."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=0.0, betas=(0.9, 0.98))
    batches = [
        batch
        for epoch in range(settings.epochs)
        for batch in _batches_of_like_length(rows, settings.batch, seed=seed + 1000 * epoch)
    ]
    losses = []
    model.train()
    for step, batch in enumerate(batches):
        warm = min(1.0, (step + 1) / 20)
        fall = settings.last_lr + (1.0 - settings.last_lr) * 0.5 * (1.0 + np.cos(np.pi * step / len(batches)))
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * warm * fall
        ids = right_padded([ask + reply for ask, reply in batch], pad=int(tokenizer.pad_token_id))
        labels = ids.clone()
        for row, (ask, reply) in enumerate(batch):
            labels[row, : len(ask)] = -100
            labels[row, len(ask) + len(reply) :] = -100
        logits = model(input_ids=ids, attention_mask=(labels != -100) | (ids != tokenizer.pad_token_id)).logits
        loss = cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        losses.append(update(model, optimizer, [loss])[0])
    return float(np.mean(losses[-20:]))


def _batches_of_like_length(
    rows: Sequence[tuple[Ids, Ids]], size: int, *, seed: int
) -> Iterator[list[tuple[Ids, Ids]]]:
    """Shuffled batches whose rows are about equally long, so that little is padded."""
    rng = np.random.default_rng(seed)
    length = np.array([len(ask) + len(reply) for ask, reply in rows]) + rng.uniform(0, 16, len(rows))
    parts = np.array_split(np.argsort(length, kind="stable"), max(1, len(rows) // size))
    for number in rng.permutation(len(parts)):
        yield [rows[i] for i in parts[number]]


def update(
    model: Qwen3ForCausalLM, optimizer: torch.optim.Optimizer, losses: Iterable[Tensor], clip_norm: float = 1.0
) -> tuple[float, float]:
    """One step on the sum of losses, each made when it is its turn; that sum, and the gradient's norm unclipped."""
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for loss in losses:
        loss.backward()
        total += loss.item()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
    return total, float(norm)


# --- sampling


@torch.no_grad()
def sample(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Ids],
    *,
    group: int = 1,
    temperature: float = 1.0,
    most_tokens: int = MOST_TOKENS,
    generator: torch.Generator | None = None,
) -> list[Ids]:
    """`group` trajectories for each prompt, each ending in the end token unless it was cut off.

    A prompt is read once for its whole group. Rows that are done leave the batch. Temperature 0 takes the likeliest.
    """
    end = int(tokenizer.eos_token_id)
    ids = left_padded(prompts, pad=int(tokenizer.pad_token_id))
    mask = ids != tokenizer.pad_token_id
    cache = DynamicCache(config=model.config)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=places(mask), past_key_values=cache).logits[:, -1]
    if group > 1:
        cache.batch_repeat_interleave(group)
        mask, logits = mask.repeat_interleave(group, 0), logits.repeat_interleave(group, 0)
    replies: list[Ids] = [[] for _ in range(len(logits))]
    rows = torch.arange(len(logits))
    for _ in range(most_tokens):
        if temperature == 0.0:
            chosen = logits.argmax(-1)
        else:
            chosen = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
        for row, token in zip(rows.tolist(), chosen.tolist(), strict=True):
            replies[row].append(token)
        going = chosen != end
        if not going.any():
            break
        if not going.all():
            cache.batch_select_indices(going.nonzero()[:, 0])
            rows, chosen, mask = rows[going], chosen[going], mask[going]
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        logits = model(
            input_ids=chosen[:, None], attention_mask=mask, position_ids=places(mask)[:, -1:], past_key_values=cache
        ).logits[:, -1]
    return replies


def left_padded(rows: Sequence[Ids], *, pad: int) -> Tensor:
    """Rows of tokens that end together."""
    width = max(map(len, rows))
    return torch.tensor([[pad] * (width - len(row)) + row for row in rows])


def right_padded(rows: Sequence[Ids], *, pad: int) -> Tensor:
    """Rows of tokens that begin together."""
    width = max(map(len, rows))
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows])


def places(mask: Tensor) -> Tensor:
    """Position of every token among those that count."""
    return (mask.long().cumsum(1) - 1).clamp(min=0)


# --- reinforcement


def log_probabilities(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[Ids], replies: Sequence[Ids]
) -> tuple[Tensor, Tensor]:
    """Ln p of every token of every reply, and which are padding; replies of one prompt stand together.

    Each prompt is read once, and its keys and values are shared by its group: the gradient flows through them.
    """
    pad, group = int(tokenizer.pad_token_id), len(replies) // len(prompts)
    ask, said = left_padded(prompts, pad=pad), right_padded(replies, pad=pad)
    asked, counts = ask != pad, said != pad
    cache = DynamicCache(config=model.config)
    read = model(input_ids=ask, attention_mask=asked, position_ids=places(asked), past_key_values=cache)
    cache.batch_repeat_interleave(group)
    mask = torch.cat([asked.repeat_interleave(group, 0), counts], dim=1)
    rest = model(
        input_ids=said[:, :-1],
        attention_mask=mask[:, :-1],
        position_ids=places(mask)[:, asked.shape[1] : -1],
        past_key_values=cache,
    )
    logits = torch.cat([read.logits[:, -1:].repeat_interleave(group, 0), rest.logits], dim=1)
    chosen = -cross_entropy(logits.flatten(0, 1), said.flatten(), reduction="none").view(said.shape)
    return chosen, counts


def policy_losses(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Ids],
    replies: Sequence[Ids],
    better: Tensor,
) -> Iterator[Tensor]:
    """The parts of the loss, a few groups at a time, so that memory stays small."""
    group, tokens = len(replies) // len(prompts), sum(map(len, replies))
    for first in range(0, len(prompts), AT_ONCE):
        last = min(first + AT_ONCE, len(prompts))
        rows = slice(first * group, last * group)
        chosen, counts = log_probabilities(model, tokenizer, prompts[first:last], replies[rows])
        ratio = (chosen - chosen.detach()).exp()  # 1, with the gradient of ln p: one update per sample
        yield -(better[rows, None] * ratio * counts).sum() / tokens


def advantages(rewards: Tensor, group: int) -> Tensor:
    """How much better each trajectory is than the mean of its group, in deviations of the batch; 0 where unrewarded."""
    groups = rewards.view(-1, group)
    better = groups - groups.nanmean(1, keepdim=True)
    return (better / (deviation(rewards) + 1e-4)).nan_to_num(0.0).flatten()


def advantages_apart(terms: Tensor, weights: Tensor, group: int) -> Tensor:
    """The same with each reward (a column of `terms`) normalised in its group before they are added."""
    groups = terms.view(-1, group, terms.shape[1])
    spread = groups.std(1, keepdim=True)
    summed = ((groups - groups.mean(1, keepdim=True)) / (spread + 1e-4)).flatten(0, 1) @ weights
    return ((summed - summed.nanmean()) / (deviation(summed) + 1e-4)).nan_to_num(0.0)


def deviation(values: Tensor) -> Tensor:
    """Standard deviation of the values that are numbers."""
    return values[~values.isnan()].std()


def reinforce(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    cases: Sequence[Case],
    scorer: Scorer,
    settings: Reinforcement,
    *,
    seed: int,
    watch: Callable[[int, BatchScores], object] = lambda step, scores: None,
) -> list[Step]:
    """Samples, rewards and updates, `settings.steps` times.

    Args:
        model: The policy; its weights change.
        tokenizer: Its tokenizer.
        cases: Sheets with gold.
        scorer: The rewards, and how many hypotheses are asked for.
        settings: How it learns.
        seed: Of the samples and of the order of the cases.
        watch: Is told the rewards of every step.
    """
    k = scorer.config.k
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=0.0)
    passes = settings.steps * settings.prompts // len(cases) + 1
    order = np.concatenate(
        [generator_of(seed, "hydra", number, "order").permutation(len(cases)) for number in range(1, passes + 1)]
    )
    weights = torch.tensor([scorer.config.weights[term] for term in TERMS], dtype=torch.float32)
    done: list[Step] = []
    for step in range(settings.steps):
        first = step * settings.prompts
        drawn = [cases[i] for i in order[first : first + settings.prompts]]
        prompts = [prompt_ids(tokenizer, case.sheet, k) for case in drawn]
        replies = sample(
            model,
            tokenizer,
            prompts,
            group=settings.group,
            temperature=settings.temperature,
            most_tokens=settings.most_tokens,
            generator=generator,
        )
        asked = [case for case in drawn for _ in range(settings.group)]
        scores = scorer.score(tokenizer.batch_decode(replies, skip_special_tokens=True), *columns(asked))
        model.train()
        if settings.apart:
            better = advantages_apart(torch.tensor(scores.gated, dtype=torch.float32), weights, settings.group)
        else:
            better = advantages(torch.tensor(scores.total, dtype=torch.float32), settings.group)
        losses = policy_losses(model, tokenizer, prompts, replies, better)
        loss, norm = update(model, optimizer, losses, settings.clip_norm)
        done.append(Step(reward=float(np.nanmean(scores.total)), loss=loss, norm=norm))
        watch(step, scores)
    return done


def columns(cases: Iterable[Case]) -> tuple[list[EvidenceSheet], list[list[str]]]:
    """Sheets and gold, as the scorer takes them."""
    listed = list(cases)
    return [case.sheet for case in listed], [list(case.gold) for case in listed]


# --- both


def learn(size: str, k: int, seed: int) -> None:
    """Imitates, then reinforces, and prints reward and level-1 F on held-out sheets before and after."""
    tokenizer, dev = nano_tokenizer(), world_cases("dev")[:200]
    scorer = Scorer(RewardConfig(k=k, table=WorldWheel()))
    model = nano_model(size, tokenizer, seed=seed)

    def report(stage: str) -> None:
        replies = sample(model, tokenizer, [prompt_ids(tokenizer, case.sheet, k) for case in dev], temperature=0.0)
        scores = scorer.score(tokenizer.batch_decode(replies, skip_special_tokens=True), *columns(dev))
        terms = ", ".join(f"{term} {value:.3f}" for term, value in zip(TERMS, scores.raw.mean(axis=0), strict=True))
        print(f"{stage}: R {scores.total.mean():.3f} of 2.2; {terms}", flush=True)

    demonstrations = cold_start(k, sheets=6000, seed=seed).demonstrations
    loss = imitate(model, tokenizer, rows_of(tokenizer, demonstrations), Imitation(), seed=seed)
    report(f"after {len(demonstrations)} demonstrations (loss {loss:.2f})")
    settings = Reinforcement()
    reinforce(model, tokenizer, world_cases("rl"), scorer, settings, seed=seed)
    report(f"after {settings.steps} steps of reward")


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="nano")
    parser.add_argument("--k", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true", help="compare with TRL, and leave")
    chosen = parser.parse_args()
    if not chosen.check:
        learn(chosen.size, chosen.k, chosen.seed)
        return
    from hydra_nano_check import main as compare

    compare()


if __name__ == "__main__":
    main()
