from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the extra [rl]")

import numpy as np
from PIL import Image

from datasets import Dataset
from emotrace.errors import MissingClip, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.learning.cases import Case, Demonstration, Frame
from emotrace.hydra.learning.policy import Policy, open_policy
from emotrace.hydra.learning.presets import GrpoSettings
from emotrace.hydra.learning.rows import grpo_rows, in_order, sft_rows, token_count


@pytest.fixture(scope="module")
def policy(newborn: Path) -> Policy:
    return open_policy(newborn, GrpoSettings(), precision="no")


@pytest.fixture
def pictured(cases: list[Case], tmp_path: Path) -> list[Case]:
    """The first case with two pictures, the second with none."""
    for number, grey in enumerate((40, 200)):
        Image.fromarray(np.full((12, 16, 3), grey, np.uint8)).save(tmp_path / f"{number}.png")
    frames = tuple(Frame(path=str(tmp_path / f"{number}.png"), seconds=number + 0.5) for number in range(2))
    return [replace(cases[0], frames=frames), cases[1]]


class Eyes:
    """A processor as far as rows ask for one."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def apply_chat_template(self, messages: list[dict[str, Any]], **options: Any) -> dict[str, list[list[int]]]:
        parts = [part for message in messages for part in message["content"]]
        words = " ".join(part["text"] for part in parts if part["type"] == "text")
        pictures = sum(part["type"] == "image" for part in parts)
        return {"input_ids": [[*self.tokenizer(words)["input_ids"], *[0] * 100 * pictures]]}


@pytest.fixture
def seeing(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Policy:
    monkeypatch.setattr(Policy, "sees", property(lambda self: isinstance(self.processor, Eyes)))
    eyes: Any = Eyes(policy.processor)
    made = object.__new__(Policy)
    for name, value in {"name": "eyes", "model": policy.model, "processor": eyes}.items():
        object.__setattr__(made, name, value)
    return made


def test_a_row_asks_and_carries_what_scores_the_answer(policy: Policy, cases: list[Case]) -> None:
    rows = grpo_rows(cases, policy, k=2, max_prompt=400)
    assert set(rows.dataset.column_names) == {"prompt", "sheet", "gold", "clip_id"}
    row = rows.dataset[1]
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    assert EvidenceSheet.from_dict(json.loads(row["sheet"])) == cases[1].sheet
    assert (tuple(row["gold"]), row["clip_id"]) == (cases[1].gold, cases[1].clip_id)
    assert rows.observations_dropped == 0
    assert rows.longest == max(token_count(policy, row["prompt"]) for row in rows.dataset)


def test_a_long_question_loses_its_weakest_lines_and_they_are_counted(policy: Policy, cases: list[Case]) -> None:
    free = grpo_rows(cases, policy, k=2, max_prompt=400)
    tight = grpo_rows(cases, policy, k=2, max_prompt=free.longest - 1)
    assert tight.observations_dropped >= tight.shortened >= 1
    assert tight.longest < free.longest
    kept = [EvidenceSheet.from_dict(json.loads(row["sheet"])) for row in tight.dataset]
    assert sum(len(case.sheet.observations) for case in cases) - sum(len(s.observations) for s in kept) == (
        tight.observations_dropped
    )
    for sheet, row in zip(kept, tight.dataset, strict=True):
        assert all(o.text in row["prompt"][1]["content"] for o in sheet.observations)
    assert tight.sha256 == free.sha256
    with pytest.raises(UsageError, match="longer than 5"):
        grpo_rows(cases, policy, k=2, max_prompt=5)


def test_gold_and_trajectory_never_reach_a_prompt(policy: Policy, cases: list[Case]) -> None:
    marked = [replace(case, gold=("zzyzx",)) for case in cases]
    for row in grpo_rows(marked, policy, k=2, max_prompt=400).dataset:
        assert "zzyzx" not in json.dumps(row["prompt"])
    shown = [Demonstration(sheet=c.sheet, gold=("zzyzx",), k=2, trace="<ans>qwxq</ans>", teacher="t@1") for c in cases]
    for row in sft_rows(shown, policy, max_length=700).dataset:
        assert "zzyzx" not in json.dumps(row)
        assert "qwxq" not in json.dumps(row["prompt"])
        assert row["completion"] == [{"role": "assistant", "content": "<ans>qwxq</ans>"}]


def test_pictures_travel_beside_the_question_in_order(seeing: Policy, pictured: list[Case]) -> None:
    rows = grpo_rows(pictured, seeing, k=2, max_prompt=3000)
    first, second = rows.dataset[0], rows.dataset[1]
    assert [picture.size for picture in first["images"]] == [(16, 12), (16, 12)]
    assert [np.asarray(picture)[0, 0, 0] for picture in first["images"]] == [40, 200]
    assert second["images"] == []
    assert "frame 1 at 0.50 s" in first["prompt"][1]["content"]
    assert "frame" not in second["prompt"][1]["content"]
    plain = grpo_rows(pictured, seeing, k=2, max_prompt=3000, frames=False)
    assert "images" not in plain.dataset.column_names
    assert "frame 1" not in plain.dataset[0]["prompt"][1]["content"]


def test_pictures_count_towards_a_demonstration_and_not_towards_a_question(
    seeing: Policy, pictured: list[Case]
) -> None:
    shown = [
        Demonstration(sheet=c.sheet, gold=c.gold, frames=c.frames, k=0, trace="x", teacher="t@1") for c in pictured
    ]
    bare = [replace(each, frames=()) for each in shown]
    assert sft_rows(shown, seeing, max_length=9000).longest > 200 + sft_rows(bare[:1], seeing, max_length=9000).longest
    assert grpo_rows(pictured, seeing, k=0, max_prompt=9000).longest < 200 + 2000


def test_what_cannot_be_a_row_is_said(policy: Policy, seeing: Policy, pictured: list[Case]) -> None:
    with pytest.raises(UsageError, match="takes none"):
        grpo_rows(pictured, policy, k=2, max_prompt=400)
    lost = replace(pictured[0], frames=(Frame(path="nowhere.png", seconds=0.0),))
    with pytest.raises(MissingClip, match="nowhere"):
        grpo_rows([lost], seeing, k=2, max_prompt=400)
    with pytest.raises(UsageError, match="nothing to learn"):
        grpo_rows([], policy, k=2, max_prompt=400)


def test_the_order_of_training_goes_through_all_again_and_again() -> None:
    dataset = Dataset.from_dict({"n": list(range(5))})
    order = in_order(dataset, 12, seed=3)["n"]
    assert sorted(order[:5]) == sorted(order[5:10]) == [0, 1, 2, 3, 4]
    assert order[:5] != order[5:10]
    assert list(in_order(dataset, 7, seed=3)["n"]) == list(order)[:7]  # a longer run begins like a shorter one
    assert list(in_order(dataset, 12, seed=4)["n"]) != list(order)
