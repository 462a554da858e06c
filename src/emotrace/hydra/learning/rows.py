"""Cases and demonstrations as rows of a data set in the form that TRL takes.

A question that is too long loses its weakest observations, and they are counted. A demonstration loses nothing, since
its trajectory speaks of every line: one that is too long is refused. Nothing is ever cut.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trl.data_utils import prepare_multimodal_messages

from datasets import Dataset, Features, Image, List, Value
from emotrace.errors import MissingClip, UsageError, first_five
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.learning.cases import Case, Demonstration, Frame
from emotrace.hydra.learning.policy import Policy
from emotrace.hydra.learning.prompts import Message, prompt_messages
from emotrace.training.seeds import generator_of

_MESSAGES = List({"role": Value("string"), "content": Value("string")})


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A data set, and what became of the cases on the way."""

    dataset: Dataset
    sha256: str
    """Of the cases as they came, in order."""
    observations_dropped: int = 0
    shortened: int = 0
    """Cases that lost observations."""
    longest: int = 0
    """Tokens of the longest row, or question."""

    def record(self) -> dict[str, Any]:
        """Plain values, for the run's record."""
        return {
            "sha256": self.sha256,
            "rows": len(self.dataset),
            "observations_dropped": self.observations_dropped,
            "shortened": self.shortened,
            "longest_tokens": self.longest,
        }


def grpo_rows(cases: Sequence[Case], policy: Policy, *, k: int, max_prompt: int, frames: bool = True) -> Rows:
    """Questions with what their answers are scored by: `prompt`, `sheet`, `gold`, `clip_id`, and `images` if any.

    `sheet` is a JSON string, since Arrow would fill absent keys with nulls; it is the sheet that was asked about.

    Raises:
        UsageError: No case, pictures for a model without eyes, or a limit below the shortest question.
        MissingClip: A picture that is not there.
    """
    _demand_rows(cases, policy, frames)
    rows = []
    dropped = shortened = longest = 0
    for case in cases:
        shown = case.frames if frames else ()
        sheet, lost = _fitted(case.sheet, length=_question_length(policy, k, shown), most=max_prompt)
        prompt = prompt_messages(sheet, k=k, frames=shown)
        longest = max(longest, token_count(policy, prompt))
        dropped, shortened = dropped + lost, shortened + bool(lost)
        rows.append(_row(case, prompt, shown) | {"sheet": json.dumps(sheet.to_dict()), "gold": list(case.gold)})
    columns = {"sheet": Value("string"), "gold": List(Value("string"))}
    return Rows(
        dataset=_dataset(rows, columns),
        sha256=hash_of(cases),
        observations_dropped=dropped,
        shortened=shortened,
        longest=longest,
    )


def sft_rows(demonstrations: Sequence[Demonstration], policy: Policy, *, max_length: int, frames: bool = True) -> Rows:
    """Questions with the trajectories to imitate: `prompt`, `completion`, `clip_id`, and `images` if any.

    Raises:
        UsageError: No demonstration, one of more tokens than `max_length`, or pictures for a model without eyes.
        MissingClip: A picture that is not there.
    """
    _demand_rows(demonstrations, policy, frames)
    rows = []
    too_long = {}
    longest = 0
    for shown_case in demonstrations:
        shown = shown_case.frames if frames else ()
        prompt = prompt_messages(shown_case.sheet, k=shown_case.k, frames=shown)
        completion = [{"role": "assistant", "content": shown_case.trace}]
        length = token_count(policy, prompt + completion, pictures=[frame.path for frame in shown])
        longest = max(longest, length)
        if length > max_length:
            too_long[shown_case.clip_id] = length
        rows.append(_row(shown_case, prompt, shown) | {"completion": completion})
    if too_long:
        told = first_five(f"clip {clip} with {length}" for clip, length in too_long.items())
        raise UsageError(
            f"demonstrations of more than {max_length} tokens, and cutting them would cut the answer: {told}",
            where="max_length",
            hint=f"Allow {longest}, or leave them out",
        )
    return Rows(dataset=_dataset(rows, {"completion": _MESSAGES}), sha256=hash_of(demonstrations), longest=longest)


def in_order(dataset: Dataset, count: int, *, seed: int) -> Dataset:
    """So many rows in the order of training: pass after pass through the data, each in an order of its own.

    TRL would draw the orders from one generator, which a resumed run does not bring to where it was.
    """
    passes = (
        generator_of(seed, "hydra", number, "order").permutation(len(dataset))
        for number in range(1, count // len(dataset) + 2)
    )
    return dataset.select(np.concatenate(list(passes))[:count])


def token_count(policy: Policy, messages: Sequence[Message], *, pictures: Sequence[str] = ()) -> int:
    """Tokens of messages under the policy's chat template; with a prompt's end where no answer follows."""
    asked = messages[-1]["role"] != "assistant"
    told: Any = [dict(message) for message in messages]
    if policy.sees:
        told = prepare_multimodal_messages(told, images=list(pictures))
    processor: Any = policy.processor
    told_ids = processor.apply_chat_template(told, tokenize=True, return_dict=True, add_generation_prompt=asked)
    ids = told_ids["input_ids"]
    return len(ids[0]) if policy.sees else len(ids)


def hash_of(cases: Sequence[Case]) -> str:
    """SHA-256 of cases, in order."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(json.dumps(case.to_dict(), sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _fitted(sheet: EvidenceSheet, *, length: Callable[[EvidenceSheet], int], most: int) -> tuple[EvidenceSheet, int]:
    """The sheet without its weakest observations, until its question is short enough, and how many went.

    What is left is numbered anew, as on every sheet: no answer has been written yet that could cite the old ids.
    """
    fitted = sheet
    while length(fitted) > most:
        if not fitted.observations:
            raise UsageError(f"a question without any observation is longer than {most} tokens", where="max prompt")
        weakest = min(fitted.observations, key=lambda each: (sheet.weight(each), each.id))
        fitted = fitted.without([weakest.id])
    return fitted, len(sheet.observations) - len(fitted.observations)


def _question_length(policy: Policy, k: int, frames: tuple[Frame, ...]) -> Callable[[EvidenceSheet], int]:
    def length(sheet: EvidenceSheet) -> int:
        return token_count(policy, prompt_messages(sheet, k=k, frames=frames))

    return length


def _demand_rows(cases: Sequence[Case], policy: Policy, frames: bool) -> None:
    if not cases:
        raise UsageError("there is nothing to learn from", where="data")
    paths = [frame.path for case in cases for frame in case.frames] if frames else []
    if paths and not policy.sees:
        raise UsageError(
            "the cases have pictures, and the model takes none", where=policy.name, hint="Switch frames off"
        )
    if lost := [path for path in paths if not Path(path).is_file()]:
        raise MissingClip(f"pictures that are not there: {first_five(lost)}", where="frames")


def _row(case: Case, prompt: list[Message], frames: tuple[Frame, ...]) -> dict[str, Any]:
    return {"prompt": prompt, "clip_id": case.clip_id, "images": [frame.path for frame in frames]}


def _dataset(rows: list[dict[str, Any]], columns: dict[str, Any]) -> Dataset:
    """Rows as a data set; pictures are named by path and read when a row is used."""
    schema = {"prompt": _MESSAGES, "clip_id": Value("string"), **columns}
    if any(row["images"] for row in rows):
        schema["images"] = List(Image())
    return Dataset.from_list([{name: row[name] for name in schema} for row in rows], features=Features(schema))
