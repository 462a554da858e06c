"""What the experiments in the simulated world share: trained policies, each made once and kept, and their scores.

A *cell* is one policy: how many hypotheses (K), which seed, and what it learned by. Weights and answers of a cell lie
in `build/hydra_world/SIZE/`, so that a study goes on where it was stopped, and another one finds what it needs.

    python recipes/hydra_world_cells.py --size nano --seeds 0-2 --k 0,2 --stages sft,full --jobs 2

trains cells ahead. The studies themselves: `hydra_world_{k,drop,tokens,faithful,conflict,verify}.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from hydra_nano import (
    Ids,
    Imitation,
    Reinforcement,
    cold_start,
    ended,
    imitate,
    prompt_ids,
    reinforce,
    rows_of,
    sample,
)
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen3ForCausalLM

from emotrace.files import write_atomically
from emotrace.hydra.coldstart.teaching import Saw
from emotrace.hydra.learning.cases import Case, world_cases
from emotrace.hydra.nano.model import nano_model, save_nano
from emotrace.hydra.nano.tokenizer import lexicon_lines, nano_tokenizer
from emotrace.hydra.rewards import RewardConfig, Scorer
from emotrace.hydra.rewards.combine import TERMS, WEIGHTS
from emotrace.hydra.world import Draw, splits
from emotrace.hydra.world_wheel import WorldWheel

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/hydra_world"
SPLITS = {"iid": 500, "pairs": 150, "clusters": 150, "phrasing": 150}
"""Test splits of the world, and how many of their sheets are asked about."""
BATCH = 125
"""Sheets that are answered at once."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a size is trained with [ours]."""

    sheets: int
    """Of the training split that the teacher is shown."""
    imitation: Imitation
    reinforcement: Reinforcement


BUDGETS = {
    "tiny": Budget(sheets=200, imitation=Imitation(epochs=1), reinforcement=Reinforcement(steps=2, prompts=2)),
    "nano": Budget(sheets=6000, imitation=Imitation(), reinforcement=Reinforcement()),
    "small": Budget(sheets=6000, imitation=Imitation(lr=1.5e-3), reinforcement=Reinforcement()),
    "large": Budget(sheets=6000, imitation=Imitation(lr=1.5e-3), reinforcement=Reinforcement(steps=150, prompts=32)),
}
"""`tiny` is for trying out the commands: the nano model, hardly trained."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One policy of a study."""

    size: str
    k: int
    seed: int
    stage: str
    """`sft`: imitation alone. Then by reward: `full`, `outcome`, `flat`, `apart` (each reward normalised by itself) or
    `no-TERM`."""
    teacher: Saw = "nothing"
    """What the teacher of the imitation saw: `nothing`, or `labels` (the paper's EmbedGT [paper])."""

    @property
    def name(self) -> str:
        """Of its folder."""
        told = "" if self.teacher == "nothing" else "-told"
        return f"k{self.k}{told}-{self.stage}-s{self.seed}"

    @property
    def folder(self) -> Path:
        """Where its weights and answers lie."""
        return BUILD / self.size / self.name

    @property
    def is_trained(self) -> bool:
        """Whether its weights are there."""
        return (self.folder / "trained.json").exists()

    @property
    def start(self) -> Cell:
        """The imitation that it begins with."""
        return replace(self, stage="sft")

    def reward(self) -> RewardConfig:
        """What it is rewarded for."""
        if self.stage.startswith("no-"):
            return rewards(self.k, weights={**WEIGHTS, self.stage.removeprefix("no-"): 0.0})
        preset = self.stage if self.stage in ("outcome", "flat") else "full"
        return rewards(self.k, preset)


def rewards(k: int, preset: str = "full", **changes: Any) -> RewardConfig:
    """Rewards on the world's own wheel, so that they do not move when the shipped one is edited."""
    return RewardConfig.preset(preset, k=k, table=WorldWheel(), **changes)


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """The one tokenizer of all cells."""
    return nano_tokenizer()


@cache
def draws(split: str) -> tuple[Draw, ...]:
    """The draws of a test split, with their causes."""
    return tuple(islice(splits()[split], SPLITS[split]))


def policy(cell: Cell) -> Qwen3ForCausalLM:
    """The trained model of a cell, from its folder where it is there.

    Raises:
        SystemExit: The one that is there was trained with other settings.
    """
    if not cell.is_trained:
        _train(cell)
    elif json.loads((cell.folder / "trained.json").read_text(encoding="utf-8"))["settings"] != settings_of(cell):
        sys.exit(f"{cell.folder} was trained with other settings: remove it, and what began with it")
    model: Qwen3ForCausalLM = AutoModelForCausalLM.from_pretrained(cell.folder)
    return model


def settings_of(cell: Cell) -> dict[str, Any]:
    """What a cell's own stage is trained with, as plain values."""
    budget = BUDGETS[cell.size]
    if cell.stage == "sft":
        return {"sheets": budget.sheets, **asdict(budget.imitation)}
    return {**asdict(budget.reinforcement), "apart": cell.stage == "apart"}


def _train(cell: Cell) -> None:
    model = None if cell.stage == "sft" else policy(cell.start)
    started = time.perf_counter()
    if model is None:
        model, record = _imitate(cell)
    else:
        record = _reinforce(cell, model)
    cell.folder.mkdir(parents=True, exist_ok=True)
    save_nano(cell.folder, model, tokenizer())
    record |= {"seconds": round(time.perf_counter() - started, 1), "settings": settings_of(cell)}
    write_atomically(cell.folder / "trained.json", json.dumps(record, indent=1) + "\n")


def _imitate(cell: Cell) -> tuple[Qwen3ForCausalLM, dict[str, Any]]:
    budget, tokens = BUDGETS[cell.size], tokenizer()
    started = cold_start(cell.k, sheets=budget.sheets, seed=cell.seed, saw=cell.teacher)
    rows = rows_of(tokens, started.demonstrations)
    # What the words of affects mean that are never gold here.
    rows += [([int(tokens.eos_token_id)], ended(tokens, line)) for line in lexicon_lines()]
    model = nano_model("nano" if cell.size == "tiny" else cell.size, tokens, seed=cell.seed)
    loss = imitate(model, tokens, rows, budget.imitation, seed=cell.seed)
    return model, {
        "demonstrations": len(started.demonstrations),
        "dropped": {str(count.filter): count.dropped for count in started.manifest.counts},
        "loss": round(loss, 4),
    }


def _reinforce(cell: Cell, model: Qwen3ForCausalLM) -> dict[str, Any]:
    settings = BUDGETS[cell.size].reinforcement
    rows: list[list[float]] = []
    done = reinforce(
        model,
        tokenizer(),
        rl_cases(),
        Scorer(cell.reward()),
        replace(settings, apart=cell.stage == "apart"),
        seed=cell.seed,
        watch=lambda step, scores: rows.append([round(float(value), 4) for value in scores.raw.mean(axis=0)]),
    )
    return {"reward": [round(step.reward, 4) for step in done], "raw": {"terms": list(TERMS), "steps": rows}}


@cache
def rl_cases() -> list[Case]:
    """What is learned on by reward."""
    return world_cases("rl")


def answers(cell: Cell, split: str, *, sampled: bool = False) -> list[str]:
    """The policy's trajectory for each sheet of a test split; kept beside its weights.

    Args:
        cell: The policy.
        split: One of `SPLITS`.
        sampled: At temperature 1, as rewards saw it; otherwise the likeliest token each time.
    """
    return list(_record(cell, split, sampled)["texts"])


def cost(cell: Cell, split: str) -> tuple[float, float]:
    """Mean tokens and seconds of a trajectory, decoded in batches."""
    record = _record(cell, split, False)
    return sum(record["tokens"]) / len(record["tokens"]), record["seconds"] / len(record["tokens"])


def _record(cell: Cell, split: str, sampled: bool) -> dict[str, Any]:
    kept = cell.folder / f"answers-{split}{'-sampled' if sampled else ''}.json"
    if not kept.exists():
        model = policy(cell)
        started = time.perf_counter()
        sheets = [draw.sheet for draw in draws(split)]
        texts, tokens = answer(model, sheets, cell.k, temperature=float(sampled), seed=cell.seed)
        record = {"texts": texts, "tokens": tokens, "seconds": round(time.perf_counter() - started, 2)}
        write_atomically(kept, json.dumps(record) + "\n")
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def answer(
    model: Qwen3ForCausalLM,
    sheets: Sequence[Any],
    k: int,
    *,
    temperature: float = 0.0,
    seed: int = 0,
) -> tuple[list[str], list[int]]:
    """One trajectory per sheet, and its number of tokens, in the order of the sheets."""
    tokens = tokenizer()
    prompts = [prompt_ids(tokens, sheet, k) for sheet in sheets]
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    generator = torch.Generator().manual_seed(seed)
    replies: dict[int, Ids] = {}
    for first in range(0, len(order), BATCH):
        part = order[first : first + BATCH]
        said = sample(model, tokens, [prompts[number] for number in part], temperature=temperature, generator=generator)
        replies.update(zip(part, said, strict=True))
    ordered = [replies[number] for number in range(len(prompts))]
    return tokens.batch_decode(ordered, skip_special_tokens=True), [len(reply) for reply in ordered]


# --- training ahead


def in_study(rows: dict[str, list[Cell]], *, only_trained: bool) -> tuple[dict[str, list[Cell]], list[str]]:
    """The rows of a table, and the names of those left out as one of their cells is not trained."""
    kept = {name: cells for name, cells in rows.items() if not only_trained or all(cell.is_trained for cell in cells)}
    return kept, [name for name in rows if name not in kept]


def prepare(cells: Sequence[Cell], jobs: int) -> None:
    """Trains the cells that are not there yet and answers all test splits; first the imitations that others need."""
    starts = dict.fromkeys(cell.start for cell in cells)
    others = [cell for cell in dict.fromkeys(cells) if cell not in starts]
    with get_context("spawn").Pool(jobs) as pool:
        for group in (list(starts), others):
            for told in pool.imap_unordered(_prepare, group):
                print(told, flush=True)


def _prepare(cell: Cell) -> str:
    torch.set_num_threads(1)
    started = time.perf_counter()
    for split in SPLITS:
        answers(cell, split)
    answers(cell, "iid", sampled=True)
    return f"{cell.size} {cell.name} ready after {time.perf_counter() - started:.0f} s"


def numbers(text: str) -> list[int]:
    """`0-2` or `0,2,4` as numbers."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def arguments(description: str | None, *, seeds: str = "0-2") -> argparse.ArgumentParser:
    """Options that all studies have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(BUDGETS), default="nano")
    parser.add_argument("--seeds", type=numbers, default=numbers(seeds), help="such as 0-2")
    parser.add_argument("--jobs", type=int, default=2, help="cells trained at once, one core each")
    parser.add_argument("--only-trained", action="store_true", help="train nothing; name the rows that are left out")
    return parser


def main() -> None:
    """Trains the named cells."""
    parser = arguments(__doc__)
    parser.add_argument("--k", type=numbers, default=numbers("0-4"))
    parser.add_argument("--stages", default="sft,full")
    chosen = parser.parse_args()
    prepare(
        [
            Cell(size=chosen.size, k=k, seed=seed, stage=stage)
            for seed in chosen.seeds
            for k in chosen.k
            for stage in chosen.stages.split(",")
        ],
        chosen.jobs,
    )


if __name__ == "__main__":
    main()
