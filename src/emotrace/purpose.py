"""What an analysis is for: kept in its provenance, and refused where the law prohibits it.

Regulation (EU) 2024/1689 (AI Act), article 5(1)(f), prohibits AI systems that infer emotions of people in the areas of
workplace and education, except for medical or safety reasons. Asking for the purpose does not make a use lawful; it
makes the person at the keyboard say what it is. See `docs/responsible-use.md`.
"""

from __future__ import annotations

from typing import get_args

from emotrace.errors import PurposeRefused, UsageError
from emotrace.results import Purpose

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
PROHIBITED = {"workplace": "the workplace", "education": "education"}


def check_purpose(purpose: str) -> Purpose:
    """The purpose, if it may be served.

    Raises:
        PurposeRefused: A purpose that article 5(1)(f) of the EU AI Act prohibits.
        UsageError: A purpose that is not in `PURPOSES`.
    """
    name = purpose.strip().lower()
    if name in PROHIBITED:
        raise PurposeRefused(
            f"emotion recognition in {PROHIBITED[name]} is prohibited by article 5(1)(f) of the EU AI Act",
            where=f"--purpose {purpose}",
            hint="The article exempts medical and safety reasons only: see docs/responsible-use.md",
        )
    if name not in PURPOSES:
        raise UsageError(
            f"unknown purpose {purpose!r}", where="--purpose", hint=f"Choose one of: {', '.join(PURPOSES)}"
        )
    return name
