"""Further questions to a trained policy, each put once and kept beside its weights: other sheets, sampled answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from multiprocessing import get_context

import torch
from hydra_world_cells import Cell, answer, policy

from emotrace.evidence.observation import EvidenceSheet
from emotrace.files import write_atomically


def asked(
    cell: Cell, name: str, sheets: Sequence[EvidenceSheet], *, temperature: float = 0.0
) -> tuple[list[str], list[int]]:
    """A trajectory per sheet and its number of tokens; asked again only where sheets or temperature are others.

    Args:
        cell: The policy.
        name: Of the file that keeps the answers.
        sheets: What is asked about.
        temperature: 0 takes the likeliest token; above it the cell's seed decides.
    """
    kept = cell.folder / f"asked-{name}.json"
    ids = hashlib.sha256("".join(sheet.sheet_id for sheet in sheets).encode()).hexdigest()
    question = {"sheets": ids, "temperature": temperature}
    if kept.exists():
        record = json.loads(kept.read_text(encoding="utf-8"))
        if record["question"] == question:
            return record["texts"], record["tokens"]
    texts, tokens = answer(policy(cell), sheets, cell.k, temperature=temperature, seed=cell.seed)
    write_atomically(kept, json.dumps({"question": question, "texts": texts, "tokens": tokens}) + "\n")
    return texts, tokens


def ask_ahead(ask: Callable[[Cell], object], cells: Sequence[Cell], jobs: int) -> None:
    """Puts a study's questions to several policies at once, one core each; their answers are then found."""
    with get_context("spawn").Pool(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        pool.map(ask, cells, chunksize=1)
