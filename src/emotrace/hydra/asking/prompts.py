"""The words of the questions: `tables/prompts.toml`, filled in. Our own wording [ours]; the paper's is unknown."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from emotrace.hydra.grammar import MAX_ANSWERS
from emotrace.hydra.propose import MAX_CITES, MAX_LABELS, MAX_STORY_WORDS, PERSPECTIVES
from emotrace.results import AbstainCode

Step = Literal["reason", "propose", "verify", "decide"]
"""`reason` does all three at once."""
Form = Literal["json", "tags"]
"""How the reply is written."""


def system_prompt(step: Step, *, k: int, form: Form, fence: str) -> str:
    """The fixed words of a question.

    Args:
        step: What is asked.
        k: How many explanations are asked for, or were proposed.
        form: How the reply is to be written.
        fence: What stands on the two lines around the clip's material.
    """
    table = _table()
    filled = {
        "k": k,
        "fence": fence,
        "perspectives": ", ".join(PERSPECTIVES),
        "max_labels": MAX_LABELS,
        "max_story": MAX_STORY_WORDS,
        "max_cites": MAX_CITES,
        "max_answers": MAX_ANSWERS,
        "abstain_codes": ", ".join(get_args(AbstainCode)),
    }
    asked = table["reason_without_rivals"] if step == "reason" and k == 0 else table[step]
    rules = [table["rules"]] if step in ("reason", "decide") else []
    filled["named"] = "by their letter" if step == "decide" else "by their number from 1"
    parts = [part.strip().format(**filled) for part in (table["role"], asked, *rules)]
    form_words = table["json"].format(**filled) if form == "json" else table["tags"].format(example=_example(step, k))
    return "\n\n".join([*parts, form_words.strip()])


def name_of(step: Step, number: int) -> str:
    """What a question calls its hypotheses: neutral letters where it decides between them, else their numbers.

    >>> name_of("decide", 2), name_of("verify", 1)
    ('B', '1')
    """
    return chr(ord("A") + number - 1) if step == "decide" else str(number)


def lines() -> Mapping[str, str]:
    """The short lines of a question, each with its gaps."""
    return {name: text.strip() for name, text in _table()["lines"].items()}


@cache
def prompts_sha256() -> str:
    """SHA-256 of the whole table."""
    return hashlib.sha256(_bytes()).hexdigest()


def _example(step: Step, k: int) -> str:
    """The worked example of a reply in tags; it shows as many explanations as the question has, at most two."""
    example = _table()["example"]
    hyp, think = ("hyp_one", "think_one") if k == 1 else ("hyp", "think")
    blocks = {
        "reason": (hyp, think, "ans") if k else ("think_none", "ans"),
        "propose": (hyp,),
        "verify": ("verify",),
        "decide": ("decide", "ans"),
    }
    return "\n".join(example[block].strip() for block in blocks[step])


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_bytes().decode("utf-8"))


def _bytes() -> bytes:
    return files("emotrace.hydra").joinpath("tables/prompts.toml").read_bytes()
