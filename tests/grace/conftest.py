"""Texts made by hand: one column a phrase, then the background."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from emotrace.grace.language.affect_text import AffectText, Phrase


@pytest.fixture(scope="session")
def text_of() -> Callable[..., AffectText]:
    def build(*phrases: str, background: tuple[str, ...] = ("a face at rest", "hair")) -> AffectText:
        """Phrase units: one column a phrase, then the background."""
        count, rest = len(phrases), len(background)
        affect = np.concatenate([np.linspace(1.0, 0.5, count) if count else [], np.zeros(rest)]).astype(np.float32)
        share = affect[:count] / affect[:count].sum() * 0.5 if count else []
        marginal = np.concatenate([share, np.full(rest, (0.5 if count else 1.0) / rest)]).astype(np.float32)
        return AffectText(
            units="phrase",
            source="evidence",
            phrases=tuple(
                Phrase(
                    text=phrase,
                    region="lips",
                    action="move",
                    action_unit=None,
                    intensity=None,
                    phase=None,
                    span=None,
                    strength=1.0,
                    confidence=1.0,
                    observation_ids=(),
                    columns=slice(place, place + 1),
                )
                for place, phrase in enumerate(phrases)
            ),
            token_ids=(),
            positions=(),
            background=background,
            affect=affect,
            marginal=marginal,
        )

    return build
