"""The folder of a run, and whether what is in it may be gone on with.

    config.json         settings, reward, hashes of data, model and prompts; what a resume is held against
    metrics.jsonl       a line per step
    samples.jsonl       some trajectories of each step (GRPO)
    checkpoints/        the last few, each with everything that it takes to go on
    final/              model and tokenizer, when training is over; with `emotrace.json`, what it learned from
    adapter/            the adapters by themselves, where those were trained
    card.md             what the model is, in words

A checkpoint counts once it bears the mark `whole.json`; one without was torn by a kill, and is removed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from emotrace.errors import UnreadableCheckpoint, UsageError
from emotrace.files import make_folder, write_atomically
from emotrace.training.mismatch import demand_same

CONFIG, METRICS, SAMPLES, CARD = "config.json", "metrics.jsonl", "samples.jsonl", "card.md"
CHECKPOINTS, FINAL, ADAPTER = "checkpoints", "final", "adapter"
WHOLE = "whole.json"
LINEAGE = "emotrace.json"
"""In the folder of a model: the runs that made it, the first one first."""
_PACKAGES = ("emotrace", "torch", "transformers", "trl", "peft", "accelerate", "datasets")


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A run on disk."""

    path: Path
    identity: Mapping[str, Any]
    """What decides the numbers of the run: two runs of one identity are the same run."""
    about: Mapping[str, Any]
    """What else is worth keeping."""

    @property
    def checkpoints(self) -> Path:
        """Where TRL writes."""
        return self.path / CHECKPOINTS

    @property
    def final(self) -> Path:
        """The finished model."""
        return self.path / FINAL

    def check(self, *, resume: bool) -> Path | None:
        """The checkpoint to go on with; None: from the start. Writes nothing.

        Raises:
            UsageError: The folder holds a run, and nobody said to go on with it.
            CheckpointMismatch: The run in it is another one; the message has what differs.
            UnreadableCheckpoint: Its record cannot be read.
        """
        config = self.path / CONFIG
        if not config.exists():
            if self.checkpoints.exists() or self.final.exists():
                raise UnreadableCheckpoint("the run has lost its record", where=config, hint="Use another folder")
            return None
        if not resume:
            raise UsageError("holds a run already", where=self.path, hint="Add --resume, or use another folder")
        try:
            theirs = json.loads(config.read_text(encoding="utf-8"))["identity"]
        except (OSError, ValueError, KeyError) as error:
            raise UnreadableCheckpoint(f"is no record of a run ({error})", where=config) from None
        demand_same(self.identity, theirs, where=self.path)
        whole = [path for path in self._saved() if (path / WHOLE).is_file()]
        return whole[-1] if whole else None

    def begin(self) -> None:
        """Writes the record, and removes what a kill left half-written."""
        make_folder(self.checkpoints)
        for path in self._saved():
            if not (path / WHOLE).is_file():
                shutil.rmtree(path)
        record = {"identity": self.identity, "about": {**self.about, "versions": versions()}}
        write_atomically(self.path / CONFIG, json.dumps(record, indent=1, ensure_ascii=False) + "\n")

    def _saved(self) -> list[Path]:
        """Checkpoints, the oldest first."""
        return sorted(self.checkpoints.glob("checkpoint-*"), key=step_of)


def step_of(checkpoint: Path | None) -> int:
    """The step that a checkpoint was written after; 0 for none.

    >>> step_of(Path("checkpoints/checkpoint-300"))
    300
    """
    return 0 if checkpoint is None else int(checkpoint.name.rpartition("-")[2])


def mark_whole(checkpoint: Path) -> None:
    """Says that all of a checkpoint is written."""
    write_atomically(checkpoint / WHOLE, json.dumps({"step": step_of(checkpoint)}) + "\n")


def lineage_of(model: str) -> list[dict[str, Any]]:
    """What a model learned from in earlier runs; empty where its folder does not say.

    Raises:
        UnreadableCheckpoint: It says something that cannot be read.
    """
    path = Path(model) / LINEAGE
    if not path.is_file():
        return []
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["runs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableCheckpoint(f"is no lineage of a model ({error})", where=path) from None


def versions() -> dict[str, str]:
    """Of the packages that a run depends on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
