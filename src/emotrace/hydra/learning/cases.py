"""What a policy learns on, as JSON lines: a `Case` is a sheet with gold, a `Demonstration` a case with a trajectory.

Gold stands beside the sheet, never on it: a sheet has no field for it. Frames are named by paths relative to the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from emotrace.errors import UnreadableTable
from emotrace.evidence.observation import EvidenceSheet
from emotrace.files import write_atomically
from emotrace.hydra.world import splits

C = TypeVar("C", bound="Case")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A picture of the stretch."""

    path: str
    seconds: float
    """Since the clip began."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One sheet, and the words that people gave the clip."""

    sheet: EvidenceSheet
    gold: tuple[str, ...]
    frames: tuple[Frame, ...] = ()

    @property
    def clip_id(self) -> str:
        """Of the clip that the sheet is about."""
        return self.sheet.clip_id

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        frames = [{"path": frame.path, "seconds": frame.seconds} for frame in self.frames]
        return {"sheet": self.sheet.to_dict(), "gold": list(self.gold)} | ({"frames": frames} if frames else {})

    @classmethod
    def from_dict(cls: type[C], record: Mapping[str, Any]) -> C:
        """Reads what `to_dict` wrote.

        Raises:
            ValueError, TypeError, InvalidObservation: It is no such record.
        """
        known = set(cls.__dataclass_fields__)
        if unknown := set(record) - known:
            raise ValueError(f"unknown keys {sorted(unknown)}")
        gold = record["gold"]
        if not isinstance(gold, list) or not gold or not all(isinstance(word, str) and word.strip() for word in gold):
            raise ValueError(f"gold must be a list of words, at least one, got {gold!r}")
        values = {name: value for name, value in record.items() if name not in ("sheet", "gold", "frames")}
        return cls(
            sheet=EvidenceSheet.from_dict(record["sheet"]),
            gold=tuple(gold),
            frames=tuple(Frame(**frame) for frame in record.get("frames", ())),
            **values,
        )


@dataclass(frozen=True, kw_only=True)
class Demonstration(Case):
    """A case with a trajectory that a policy may imitate."""

    k: int
    """How many hypotheses it has."""
    trace: str
    """In the grammar of `hydra/grammar.py`."""
    teacher: str
    """Who wrote it."""
    teacher_saw: str = "nothing"
    """`nothing`, or `labels` where gold was told to the teacher (the paper's EmbedGT [paper])."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        own = {"k": self.k, "trace": self.trace, "teacher": self.teacher, "teacher_saw": self.teacher_saw}
        return super().to_dict() | own


def read_cases(path: Path) -> list[Case]:
    """The cases of a JSON-lines file.

    Raises:
        UnreadableTable: It is not there, or a line is no case; the message names the line.
    """
    return list(_read(path, Case))


def read_demonstrations(path: Path) -> list[Demonstration]:
    """The demonstrations of a JSON-lines file. Raises as `read_cases` does."""
    return list(_read(path, Demonstration))


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """Writes cases or demonstrations, one per line.

    Raises:
        UnwritableOutput: It cannot be written.
    """
    lines = (json.dumps(case.to_dict(), ensure_ascii=False, sort_keys=True) for case in cases)
    write_atomically(path, "".join(f"{line}\n" for line in lines))


def world_cases(split: str, count: int | None = None) -> list[Case]:
    """A split of the simulated world: `train`, `rl`, `dev`, `iid`, `pairs`, `clusters` or `phrasing`.

    Args:
        split: Its name.
        count: How many of its first cases; None for all.

    Raises:
        KeyError: No such split.
    """
    return [Case(sheet=draw.sheet, gold=draw.cause.gold) for draw in islice(splits()[split], count)]


def _read(path: Path, kind: type[C]) -> Iterator[C]:
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableTable(f"cannot be read: {error}", where=path) from None
    if lines == [""]:
        raise UnreadableTable("holds nothing", where=path, hint="A line is a JSON object with sheet and gold")
    for number, line in enumerate(lines, start=1):
        try:
            yield kind.from_dict(json.loads(line))
        except (ValueError, TypeError, LookupError) as error:
            raise UnreadableTable(f"line {number} is no {kind.__name__.lower()}: {error}", where=path) from None
