"""What the task files of other evaluation kits call: the question of a case, and the score of completions.

A completion is the text of one generation in the grammar of `grammar.py`. It becomes a verdict exactly as a reply of a
server does in `emotrace evaluate --predict hydra --reply-form tags --no-swap`, and is scored by the same code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotrace.errors import MalformedCompletion, UnclosedVerdict
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.asking.reading import Asked, read_reply
from emotrace.hydra.case_files import answer_table, truth_table
from emotrace.hydra.grammar import render
from emotrace.hydra.learning.cases import Case
from emotrace.hydra.learning.prompts import prompt_messages
from emotrace.hydra.protocol import gate, run
from emotrace.hydra.reasoners.scripted import ScriptedReasoner
from emotrace.metrics.evaluation import Evaluation, evaluate
from emotrace.metrics.protocol_tables import tables_of
from emotrace.metrics.protocols import PROTOCOLS
from emotrace.metrics.scored import Settings
from emotrace.results import Verdict

Doc = Mapping[str, Any]
"""A row of `docs.jsonl`: `name`, and `case` as JSON text, since tables of other kits fill missing keys with nulls."""


def doc_of(name: str, case: Case) -> dict[str, str]:
    """The row that a case is written as."""
    return {"name": name, "case": json.dumps(case.to_dict(), ensure_ascii=False, sort_keys=True)}


def case_of(doc: Doc) -> Case:
    """The case of a row."""
    return Case.from_dict(json.loads(doc["case"]))


def question_of(doc: Doc, *, k: int) -> str:
    """The question as one text: the fixed words, and then the sheet. Gold is no part of it."""
    case = case_of(doc)
    return "\n\n".join(message["content"] for message in prompt_messages(case.sheet, k=k, frames=case.frames))


def frames_of(doc: Doc) -> list[str]:
    """Paths of the pictures that go with the question, in order."""
    return [frame.path for frame in case_of(doc).frames]


def verdict_of(text: str, sheet: EvidenceSheet, *, k: int) -> Verdict:
    """The verdict that a completion spells out; a sheet that nothing can be told from abstains, whatever the text.

    Raises:
        MalformedCompletion: It breaks the grammar, and the small repairs do not mend it.
        UnclosedVerdict: A label stands on nothing that was judged as support.
    """
    if gate(sheet) is not None:
        return run(sheet, ScriptedReasoner(), k=k, abstain=False)
    reading = read_reply(text, Asked(step="reason", k=k, sheet=sheet), form="tags")
    if reading.trace is None:
        raise MalformedCompletion(f"{reading.status}: {' '.join(reading.faults)[:300]}", raw=text)
    return run(sheet, ScriptedReasoner(render(reading.trace)), k=k, swap_check=False, abstain=False)


def score(
    protocol: str, docs: Sequence[Doc], texts: Sequence[str], *, k: int, rounds: int = 0, tables: Path | None = None
) -> Evaluation:
    """The evaluation of completions; one that cannot be used is an empty answer, and counted as missing.

    Args:
        protocol: Name of a protocol.
        docs: Rows of `docs.jsonl`.
        texts: A completion each.
        k: How many hypotheses were asked for.
        rounds: Resamples for intervals.
        tables: Folder of the official wheel tables; None for the one that the environment names.

    Raises:
        TablesNotFound: The protocol needs tables, and no folder of them was named.
    """
    verdicts: dict[str, Verdict] = {}
    cases = [case_of(doc) for doc in docs]
    for doc, case, text in zip(docs, cases, texts, strict=True):
        try:
            verdicts[doc["name"]] = verdict_of(text, case.sheet, k=k)
        except (MalformedCompletion, UnclosedVerdict):
            continue
    chosen = PROTOCOLS[protocol]
    settings = Settings(table=tables_of(chosen, tables), rounds=rounds, missing="empty")
    truth = truth_table([doc["name"] for doc in docs], [case.gold for case in cases], Path("docs.jsonl"))
    return evaluate(chosen, truth, answer_table(verdicts, Path("completions")), settings=settings)


def main_score(protocol: str, docs: Sequence[Doc], texts: Sequence[str], *, k: int) -> float:
    """The protocol's headline score; nan where it is undefined. Raises as `score` does."""
    value = score(protocol, docs, texts, k=k).report.scores[PROTOCOLS[protocol].main].value
    return math.nan if value is None else value
