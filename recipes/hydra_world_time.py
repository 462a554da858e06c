"""How long does one cell of the studies in the simulated world take: imitation, then 60 steps of reward, at a size?

    python recipes/hydra_world_time.py [--size nano small] [--threads 1]

A whole cell is what `recipes/hydra_world_cells.py` trains at K = 2. Here a few batches of its imitation and two of its
steps of reward are timed, and multiplied by how many there are. Answers are cut at 160 tokens, and as the policy has
hardly learned to end one, nearly all are that long: trained policies write 100 to 110 on average, so that the time of a
step is told too high rather than too low. Answering the test splits comes on top: a tenth, or a little more.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from typing import Any

import torch
from hydra_nano import cold_start, imitate, reinforce, rows_of
from hydra_world_cells import BUDGETS, rewards, rl_cases, tokenizer
from hydra_world_scores import machine, write_result

from emotrace.hydra.nano.model import nano_model
from emotrace.hydra.nano.tokenizer import lexicon_lines
from emotrace.hydra.rewards import Scorer

K = 2
SHEETS = 300
"""That the teacher is shown here; the cell shows it `Budget.sheets`."""
BATCHES = 24
STEPS = 2
TOKENS = 160


def timed(size: str) -> dict[str, Any]:
    """Seconds of each part of a cell, and of the whole."""
    tokens, budget = tokenizer(), BUDGETS[size]
    start = time.perf_counter()
    demonstrations = cold_start(K, sheets=SHEETS, seed=0).demonstrations
    teaching = (time.perf_counter() - start) / SHEETS * budget.sheets
    kept = len(demonstrations) / SHEETS
    all_rows = kept * budget.sheets + len(list(lexicon_lines()))

    model = nano_model(size, tokens, seed=0)
    some = rows_of(tokens, demonstrations)[: BATCHES * budget.imitation.batch]
    start = time.perf_counter()
    imitate(model, tokens, some, replace(budget.imitation, epochs=1), seed=0)
    imitation = (time.perf_counter() - start) / len(some) * all_rows * budget.imitation.epochs

    settings = replace(budget.reinforcement, steps=STEPS, most_tokens=TOKENS)
    start = time.perf_counter()
    reinforce(model, tokens, rl_cases(), Scorer(rewards(K)), settings, seed=0)
    reward = (time.perf_counter() - start) / STEPS * budget.reinforcement.steps
    return {
        "size": size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "teaching_seconds": teaching,
        "imitation_seconds": imitation,
        "reward_seconds": reward,
        "minutes": (teaching + imitation + reward) / 60,
    }


def table(result: dict[str, Any]) -> list[str]:
    """The result as Markdown."""
    lines = [
        "# How long does one cell of the studies in the simulated world take?",
        "",
        f"`{result['command']}`; {result['machine']}. K = {K}. {BATCHES} batches of imitation and {STEPS} steps of "
        "reward were timed and multiplied up to a whole cell; test splits come on top (a tenth, or a little more).",
        "",
        "| size | parameters | teacher, s | imitation, s | reward, s | together, minutes |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        seconds = " | ".join(f"{row[f'{part}_seconds']:.0f}" for part in ("teaching", "imitation", "reward"))
        lines.append(f"| {row['size']} | {row['parameters'] / 1e6:.1f} M | {seconds} | {row['minutes']:.0f} |")
    return lines


def main() -> None:
    """Times the sizes that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = [name for name in BUDGETS if name != "tiny"]
    parser.add_argument("--size", nargs="+", choices=sizes, default=["nano", "small"])
    parser.add_argument("--threads", type=int, default=1, help="of torch; two cells train side by side on two cores")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    result = {
        "command": f"python recipes/hydra_world_time.py --size {' '.join(chosen.size)} --threads {chosen.threads}",
        "machine": f"{machine()}, {os.cpu_count()} cores visible, load {os.getloadavg()[0]:.1f}",
        "rows": [timed(size) for size in chosen.size],
    }
    write_result("hydra_world_time", result, table(result))


if __name__ == "__main__":
    main()
