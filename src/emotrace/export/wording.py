"""Verdicts and speech as one line of text, for formats that hold nothing else."""

from __future__ import annotations

import unicodedata

from emotrace.results import Verdict

_BREAKS = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories of control characters, lone surrogates, and separators of lines and of paragraphs."""


def one_line(text: str) -> str:
    r"""Text on one line: every run of white space, line breaks and control characters becomes one space.

    >>> one_line(" first\r\n\tsecond\x00\u2028third ")
    'first second third'
    """
    return " ".join("".join(" " if unicodedata.category(c) in _BREAKS else c for c in text).split())


def worded(verdict: Verdict) -> str:
    """The labels with their confidence, or that it abstains and why. A best guess is never told.

    Such as `disappointed (0.72), hopeful (0.50)`, or `abstains: low_margin`.
    """
    if verdict.abstain is not None:
        return f"abstains: {verdict.abstain}"
    return ", ".join(f"{label.word} ({label.confidence:.2f})" for label in verdict.labels)
