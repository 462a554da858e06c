"""Sheets and gold of every kind, no leak, typed errors, and what the record and the document say."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

from emotrace.errors import InvalidScores, RewardFailed, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.grammar import render
from emotrace.hydra.rewards import TERMS, RewardConfig, Scorer, hydra_rewards, score
from emotrace.hydra.rewards.citing import cite
from emotrace.hydra.rewards.quoting import evid, sem
from emotrace.hydra.rewards.thinking import think
from emotrace.hydra.rewards.trajectories import Trajectories
from emotrace.hydra.verify import from_marks
from emotrace.span import Span
from emotrace.testing.reward_cases import (
    Case,
    but,
    cases,
    full,
    golds,
    reward,
    scorer,
)

# --- sheets and gold of every kind


def test_a_sheet_with_no_observation_earns_no_process_reward() -> None:
    empty = EvidenceSheet(clip_id="0" * 64, person=None, span=Span(0.0, 1.0))
    text = "<think>\n</think>\n<ans>sad [V1]</ans>"
    found = score(text, sheet=empty, gold=["sad"], config=RewardConfig(k=0))
    assert found is not None
    assert found.raw == {"fmt": 1.0, "acc": 1.0, "think": 0.0, "cite": 0.0, "evid": 0.0, "sem": 0.0}
    abstained = score(
        "<think>\n</think>\n<ans>abstain: no_evidence</ans>", sheet=empty, gold=["sad"], config=RewardConfig(k=0)
    )
    assert abstained is not None
    assert abstained.total == 0.2


@pytest.mark.parametrize("gold", [[], None, "", ["zorplish"], [" "]])
def test_gold_that_is_on_no_wheel_gives_no_reward_at_all(gold: Any) -> None:
    case = full()
    assert score(render(case.trace), sheet=case.sheet, gold=gold) is None
    functions, _ = hydra_rewards(RewardConfig())
    column = [json.dumps(case.sheet.to_dict())]
    assert [f([""], ["x"], sheet=column, gold=[gold]) for f in functions] == [[None]] * 6


def test_gold_may_be_a_label_string() -> None:
    case = full()
    texts = [render(case.trace)] * 2
    totals = scorer(2).score(texts, [case.sheet] * 2, ["['sad', 'Sad']", ["sad"]]).total
    assert totals.tolist() == [2.2, 2.2]


def test_an_unknown_word_that_gold_uses_too_costs_nothing() -> None:
    case = full(0)
    answers = (*case.trace.answers, replace(case.trace.answers[0], word="zorplish"))
    assert reward(replace(but(case, answers=answers), gold=("sad", "zorplish"))).raw["acc"] == 1.0


@settings(deadline=None)
@given(cases(least_k=1))
def test_closure_is_that_of_verify(case: Case) -> None:
    ids = [c.id for c in case.trace.checks]
    assume(len(set(ids)) == len(ids))
    winner = case.trace.verdict[0]
    marks = {c.id: c.marks[winner] for c in case.trace.checks if winner in c.marks and c.id in case.sheet}
    known = from_marks(case.sheet, number=winner, marks=marks, quotes={})
    assert reward(case).closure == pytest.approx(known.phi * known.psi, abs=0.011)


# --- no leak, typed errors, and the trainer's signature


def test_process_terms_are_given_no_gold() -> None:
    for term in (think, cite, evid, sem):
        assert list(inspect.signature(term).parameters) == ["trajectories"]
    assert "gold" not in {field.name for field in fields(Trajectories)}


@settings(deadline=None)
@given(cases(), golds())
def test_process_terms_do_not_depend_on_gold(case: Case, gold: tuple[str, ...]) -> None:
    one, other = reward(case).raw, reward(replace(case, gold=gold)).raw
    assert all(one[term] == other[term] for term in TERMS if term != "acc")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sheet", "{"),
        ("sheet", "null"),
        ("sheet", '{"gold": ["sad"]}'),
        ("sheet", None),
        ("gold", 3),
        ("gold", [1, 2]),
        ("completions", 7),
        ("completions", []),
        ("completions", [{"role": "assistant"}]),
    ],
)
def test_what_cannot_be_scored_stops_the_run_and_names_the_sample(column: str, value: Any) -> None:
    case = full()
    columns: dict[str, list[Any]] = {
        "completions": [render(case.trace)] * 3,
        "sheet": [json.dumps(case.sheet.to_dict())] * 3,
        "gold": [["sad"]] * 3,
    }
    columns[column][2] = value
    functions, _ = hydra_rewards()
    with pytest.raises(RewardFailed, match="sample 2"):
        functions[0](prompts=[""] * 3, clip_id=["a", "b", "c"], **columns)
    with pytest.raises(RewardFailed, match="clip c"):
        functions[0](prompts=[""] * 3, clip_id=["a", "b", "c"], **columns)


class Broken:
    """An encoder whose vectors are no numbers."""

    modality, name, width, fingerprint, mask_token = "verbal", "broken", 2, "broken-1", "[MASK]"

    def encode_tokens(self, text: str) -> Any:
        raise AssertionError(text)

    def encode(self, texts: Any) -> Any:
        return np.full((len(texts), 2), np.nan)


def test_an_encoder_that_fails_stops_the_run() -> None:
    case = full()
    with pytest.raises(RewardFailed, match="broken gave no finite vector"):
        score(render(case.trace), sheet=case.sheet, gold=["sad"], config=RewardConfig(encoder=Broken()))  # type: ignore[arg-type]


def test_options_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="0 to 4"):
        RewardConfig(k=5)
    with pytest.raises(UsageError, match="weights"):
        RewardConfig(weights={"fmt": 1.0})
    with pytest.raises(UsageError, match="presets"):
        RewardConfig.preset("best")
    with pytest.raises(UsageError, match="2 completions"):
        Scorer().score(["", ""], [], [])
    with pytest.raises(InvalidScores):
        Scorer()._accuracy.gold(3)


def test_the_record_names_wheel_and_encoder() -> None:
    record = RewardConfig().record()
    assert record["table"].startswith("emotrace-wheel/1:")
    assert record["encoder"] == "hashed"
    assert json.loads(json.dumps(record)) == record


DOCUMENT = (Path(__file__).parents[3] / "docs" / "hydra_learning.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["combine.WEIGHTS", "likeness.ALIKE", "likeness.ALMOST_ALIKE"])
def test_the_documents_table_tells_the_code(name: str) -> None:
    module, constant = name.split(".")
    value = getattr(importlib.import_module(f"emotrace.hydra.rewards.{module}"), constant)
    shown = (
        " ".join(f"{term} {weight:g}" for term, weight in value.items()) if name.endswith("WEIGHTS") else f"{value:g}"
    )
    row = re.search(rf"^\| `rewards/{re.escape(name)}` \| (.+?) \| .*\[(?:ours|paper)\]", DOCUMENT, flags=re.M)
    assert row is not None
    assert row[1] == shown
