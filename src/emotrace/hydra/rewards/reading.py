"""The texts of a batch as the terms see them: the grammar of `grammar.parse`, read for speed.

A trainer scores thousands of texts and needs neither offsets nor reasons, so this reader only says *what* legal texts
hold. A text is a row of lines, and legal where the letters of their kinds make a legal shape: `Hrrhccvta` is two rivals
between tags, then two checks, a verdict and an answer. It accepts exactly the texts from which `grammar.parse` makes a
trace, and a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise

import numpy as np
from jaxtyping import Bool, Int64

from emotrace.hydra.rewards.arrays import numbered
from emotrace.hydra.rewards.lines import ANSWER, CHECK, MISSING, NOTE, RIVAL, TAGS, VERDICT, Lines, read_lines
from emotrace.hydra.trace import MAX_NOTES


@dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """What the legal texts hold. Checks, rivals and so on are rows in the tables of `lines`."""

    legal: Bool[np.ndarray, " text"]
    lines: Lines
    of: Int64[np.ndarray, " check"]
    """The legal text that each check stands in."""
    checks: Int64[np.ndarray, " check"]
    rivals: Int64[np.ndarray, "legal hypothesis"]
    """By number."""
    verdicts: Int64[np.ndarray, " verdict"]
    """One per legal text; K = 0: none."""
    answers: Int64[np.ndarray, " legal"]

    def __len__(self) -> int:
        return len(self.answers)


def read(texts: Sequence[str], k: int) -> Readings:
    """What the texts hold; legal are those in which `grammar.parse` finds no grammar issue.

    Args:
        texts: Completions.
        k: How many hypotheses each must have.
    """
    written = [text.strip().split("\n") for text in texts]
    lengths = list(map(len, written))
    different, number = numbered(list(chain.from_iterable(written)))
    lines = read_lines(different, k)
    kinds, rows = lines.kinds[number], lines.row[number]
    letters = kinds.tobytes()
    shapes, shape = numbered([letters[start:end] for start, end in pairwise(accumulate(lengths, initial=0))])
    legal = np.array([_is_legal(each, k) for each in shapes], np.bool_)[shape]
    of = np.repeat(np.arange(len(texts)), lengths)
    rivals = rows[legal[of] & (kinds == ord(RIVAL))].reshape(-1, k) if k else np.zeros((legal.sum(), 0), np.int64)
    named = lines.rivals.number[rivals]
    each_once = (np.sort(named, axis=1) == np.arange(1, k + 1)).all(axis=1)
    legal[legal] = each_once
    is_check, is_verdict, is_answer = (legal[of] & (kinds == ord(kind)) for kind in (CHECK, VERDICT, ANSWER))
    return Readings(
        legal=legal,
        lines=lines,
        of=(np.cumsum(legal) - 1)[of[is_check]],
        checks=rows[is_check],
        rivals=np.take_along_axis(rivals, np.argsort(named, axis=1), axis=1)[each_once],
        verdicts=rows[is_verdict],
        answers=rows[is_answer],
    )


def _is_legal(shape: bytes, k: int) -> bool:
    opened = f"{TAGS['<hyp>']}{RIVAL}{{{k}}}{TAGS['</hyp>']}" if k else ""
    thought = f"{CHECK}*{MISSING}?{NOTE}{{0,{MAX_NOTES}}}{VERDICT if k else ''}"
    legal = f"{opened}{TAGS['<think>']}{thought}{TAGS['</think>']}{ANSWER}"
    return re.fullmatch(legal, shape.decode()) is not None
