"""The end of a run: the finished model in `final/`, whole or not at all, and the card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel

from emotrace.files import write_atomically
from emotrace.hydra.learning.policy import Policy
from emotrace.hydra.learning.prompts import whole_reply
from emotrace.hydra.learning.run_folder import ADAPTER, CARD, LINEAGE, RunFolder
from emotrace.training.whole_folder import replacing

_NOT_PUBLISHED = ("training_args.bin", "README.md")
"""A pickle with paths of the machine, and a card that knows nothing of the data."""


def finish(run: RunFolder, trainer: Any, policy: Policy, lineage: Sequence[Mapping[str, Any]]) -> None:
    """Writes `final/` and `card.md`. All processes must come here, since a sharded model is gathered from all.

    Adapters are also merged into the model that they belong to, so that `final/` is served and trained like any other.

    Raises:
        UnwritableOutput: The disk is full, or the place is closed.
    """
    saved = run.path / ".saved"
    trainer.save_model(str(saved))
    if not trainer.is_world_process_zero():
        return
    for path in (*(saved / name for name in _NOT_PUBLISHED), run.checkpoints / "README.md"):
        path.unlink(missing_ok=True)
    adapted = (saved / "adapter_config.json").is_file()
    if adapted:
        with replacing(run.path / ADAPTER) as part:
            _move(saved, part)
    with replacing(run.final) as part:
        if adapted:
            _merge(policy, run.path / ADAPTER, part)
        else:
            _move(saved, part)
        tokenizer: Any = getattr(policy.processor, "tokenizer", policy.processor)
        if getattr(tokenizer, "response_template", None) is None:
            tokenizer.response_template = whole_reply(str(tokenizer.eos_token))
        policy.processor.save_pretrained(part)
        record = json.dumps({"runs": lineage}, indent=1, ensure_ascii=False)
        write_atomically(part / LINEAGE, record + "\n")
    saved.rmdir()
    write_atomically(run.path / CARD, card(run, lineage, trainer.state.global_step))


def card(run: RunFolder, lineage: Sequence[Mapping[str, Any]], steps: int) -> str:
    """What the model is, in words."""
    rows = []
    for each in lineage:
        saw = f"; the teacher saw {', '.join(each['teacher_saw'])}" if "teacher_saw" in each else ""
        rows.append(f"- {each['kind']}: {each['rows']} rows, data SHA-256 `{each['data_sha256'][:16]}`{saw}")
    settings = run.identity["settings"]
    told = ", ".join(f"{name} {value}" for name, value in settings.items() if not isinstance(value, dict))
    return "\n".join(
        [
            "# A policy of emotrace's reconstruction of HyDRA",
            "",
            "It reads an evidence sheet, proposes rival explanations, checks each against every observation, and "
            "answers with the emotion words that a viewer would perceive. It says nothing of what a person feels.",
            "",
            "## What it learned from, in order",
            "",
            *rows,
            "",
            f"## The last run: {run.identity['kind']}, {steps} steps",
            "",
            f"Settings: {told}.",
            "",
            "Numbers of every step: `metrics.jsonl`. The whole record: `config.json`. Rewards on the training data are "
            "no accuracy: test the model on clips that it has not seen.",
            "",
        ]
    )


def _merge(policy: Policy, adapter: Path, target: Path) -> None:
    """The model with its adapters added to its weights, in the precision that it came in."""
    base = type(policy.model).from_pretrained(policy.name, dtype="auto")
    PeftModel.from_pretrained(base, str(adapter)).merge_and_unload().save_pretrained(target)


def _move(source: Path, target: Path) -> None:
    for path in list(source.iterdir()):
        path.rename(target / path.name)
