"""Cases for the cold start: draws of the simulated world, and sheets on which a made-up model is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest

from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.coldstart.sources import Source
from emotrace.hydra.learning.cases import Case
from emotrace.hydra.world import splits

MakeSheet = Callable[..., EvidenceSheet]


@pytest.fixture(scope="session")
def world_source() -> Source:
    draws = islice(splits()["train"], 100)
    return Source(name="world/train", cases=tuple(Case(sheet=d.sheet, gold=d.cause.gold) for d in draws))


@pytest.fixture
def joyful_cases(make_sheet: MakeSheet) -> tuple[Case, ...]:
    """Different sheets, each joyful: what the made-up model of `reasoner_answers` always says."""
    sheet = make_sheet("au06_12", "pitch_low", "w_fell_short")
    return tuple(Case(sheet=replace(sheet, clip_id=f"{n:064x}"), gold=("joyful",)) for n in range(6))
