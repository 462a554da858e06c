"""Cases and what was answered to them as the tables that `metrics.evaluation` joins: a row per clip, by its name."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from emotrace.errors import DuplicateName, first_five
from emotrace.hydra.learning.cases import Case
from emotrace.metrics.answer_files import ABSTAINED, AnswerFile, Row
from emotrace.results import Verdict


def names_of(cases: Sequence[Case]) -> list[str]:
    """A name per case: the id of its clip, and beside it that of the sheet where a clip has several.

    Raises:
        DuplicateName: A sheet stands there twice.
    """
    if twice := [sheet for sheet, count in Counter(case.sheet.sheet_id for case in cases).items() if count > 1]:
        raise DuplicateName(f"one sheet in several cases: {first_five(twice)}", hint="Keep one of them")
    uses = Counter(case.clip_id for case in cases)
    return [case.clip_id if uses[case.clip_id] == 1 else f"{case.clip_id}/{case.sheet.sheet_id[:16]}" for case in cases]


def truth_table(names: Iterable[str], golds: Iterable[Sequence[str]], path: Path) -> AnswerFile:
    """What people said, by name."""
    rows = {name: {"name": name, "openset": list(gold)} for name, gold in zip(names, golds, strict=True)}
    return _table(rows, path, ("name", "openset"))


def answer_table(verdicts: Mapping[str, Verdict], path: Path) -> AnswerFile:
    """What a reasoner said, by name; an abstention has its code and no labels."""
    rows = {
        name: {"name": name, "labels": [label.word for label in verdict.labels], ABSTAINED: verdict.abstain}
        for name, verdict in verdicts.items()
    }
    return _table(rows, path, ("name", "labels", ABSTAINED))


def _table(rows: Mapping[str, Row], path: Path, columns: tuple[str, ...]) -> AnswerFile:
    written = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows.values())
    return AnswerFile(path=path, sha256=hashlib.sha256(written.encode()).hexdigest(), rows=rows, columns=columns)
