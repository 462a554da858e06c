from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest

from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.likelihood import shipped_table
from emotrace.hydra.oracle import Oracle
from emotrace.hydra.phrasings import phrasings
from emotrace.hydra.world import (
    DISPLAY_RULES,
    HELD_OUT_AFFECTS,
    HELD_OUT_SITUATIONS,
    SENSES,
    SITUATION_NAMES,
    SITUATIONS,
    World,
    sample,
    splits,
)
from emotrace.labels.affects import AFFECT_BY_WORD, AFFECT_NAMES

MakeSheet = Callable[..., EvidenceSheet]


def test_a_seed_gives_the_same_sheets() -> None:
    first, again = (list(sample(World(), 20, seed=3)) for _ in range(2))
    assert first == again
    assert first != list(sample(World(), 20, seed=4))
    assert len({draw.sheet.sheet_id for draw in first}) == 20


def test_the_world_is_as_described() -> None:
    assert len(SITUATIONS) == len(SITUATION_NAMES) == 24
    assert {affect for pair in SITUATIONS for affect in pair} == set(AFFECT_NAMES)
    draws = list(sample(World(), 600, seed=0))
    assert np.mean([len(d.sheet.observations) for d in draws]) == pytest.approx(5.4, abs=0.4)
    assert np.mean([len(d.cause.felt) for d in draws if len(SITUATIONS[d.cause.situation]) == 2]) == pytest.approx(
        1.6, abs=0.08
    )
    assert np.mean([len(d.sheet.missing) for d in draws]) == pytest.approx(0.36, abs=0.08)
    for draw in draws:
        cause = draw.cause
        assert [AFFECT_BY_WORD[word].name for word in cause.gold] == list(cause.felt)
        if cause.shown is not None:
            assert any(cause.shown in DISPLAY_RULES.get(affect, ()) for affect in cause.felt)
        assert all(len(draw.sheet.of_modality(m)) <= 4 for m in SENSES)
        assert "gold" not in draw.sheet.to_dict()


def test_nobody_reasons_with_the_true_emissions() -> None:
    world, table = World(), shipped_table()
    for modality in SENSES:
        rows = [table.index[cue.key] for cue in world.cues[modality]]
        told = np.array(table.probabilities)[table.levels[:, rows] + 2]
        assert np.mean(np.abs(told - world.emission[modality]) > 1e-9) > 0.05


def test_six_phrasings_for_every_cue() -> None:
    texts = phrasings()
    assert set(texts) == {cue.key for modality in SENSES for cue in World().cues[modality]}
    assert all(len(set(six)) == 6 for six in texts.values())


def test_the_splits_hold_out_what_they_say() -> None:
    parts = {name: list(islice(draws, 60)) for name, draws in splits().items()}
    assert list(parts) == ["train", "rl", "dev", "iid", "pairs", "clusters", "phrasing"]
    for name in ("train", "rl", "dev", "iid", "phrasing"):
        assert all(d.cause.situation not in HELD_OUT_SITUATIONS for d in parts[name])
        assert all(HELD_OUT_AFFECTS.isdisjoint(d.cause.felt) for d in parts[name])
    assert all(d.cause.situation in HELD_OUT_SITUATIONS for d in parts["pairs"])
    assert all(HELD_OUT_AFFECTS & set(d.cause.felt) for d in parts["clusters"])
    seen = {o.text for name in ("train", "rl", "iid") for d in parts[name] for o in d.sheet.observations}
    assert seen.isdisjoint(o.text for d in parts["phrasing"] for o in d.sheet.observations)


def test_the_oracle_is_a_posterior() -> None:
    oracle = Oracle()
    assert sum(story.prior for story in oracle.stories) == pytest.approx(1.0)
    for draw in sample(World(), 40, seed=1):
        posterior = oracle.posterior(draw.sheet)
        assert all(-1e-12 <= p <= 1.0 + 1e-12 for p in posterior.values())
        assert 1.0 - 1e-9 <= sum(posterior.values()) <= 2.0 + 1e-9
        assert 1 <= len(oracle.answer(draw.sheet)) <= 3


def test_the_oracle_knows_how_often_it_is_right() -> None:
    oracle = Oracle()
    said, right = [], []
    for draw in sample(World(), 500, seed=9):
        posterior = oracle.posterior(draw.sheet)
        best = max(posterior, key=lambda affect: posterior[affect])
        said.append(posterior[best])
        right.append(best in draw.cause.felt)
    assert np.mean(said) == pytest.approx(float(np.mean(right)), abs=0.05)


def test_likelihoods_of_all_sheets_of_one_sense_sum_to_one(make_sheet: MakeSheet) -> None:
    # Exact over all 2^n sets of cues in a world with four verbal cues, where the cap can bind only on the full set.
    world = World()
    few = {**world.cues, "verbal": world.cues["verbal"][:5]}
    emission = {**world.emission, "verbal": world.emission["verbal"][:, :5]}
    object.__setattr__(world, "__dict__", {**world.__dict__, "cues": few, "emission": emission})
    oracle = Oracle(world=world)
    keys = [cue.key for cue in few["verbal"]]
    total = np.zeros(len(oracle.stories))
    for bits in range(2**5):
        chosen = [key for n, key in enumerate(keys) if bits >> n & 1]
        if len(chosen) <= 4:
            total += oracle.likelihood(make_sheet(*chosen), "verbal")
    np.testing.assert_allclose(total, 1.0, rtol=1e-9)
