from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from emotrace.errors import UnreadableCheckpoint
from emotrace.priors.card import CARD, FeatureSource, HeldOutScores, PriorsCard, TraceSource, read_card, write_card
from emotrace.priors.config import DISCLAIMER


def card() -> PriorsCard:
    return PriorsCard(
        weights_sha256="a" * 64,
        corpus="mer2024",
        corpus_terms="for research",
        scheme="mer6",
        labels=("neutral", "angry"),
        fold=1,
        seed=0,
        folds_sha256="b" * 64,
        features={
            "visual": FeatureSource(
                set_name="face-UTT",
                width=4,
                sha256="c",
                encoder="face",
                fingerprint="face-1",
                settings={"rate_hz": 5.0},
            ),
            "vocal": FeatureSource(set_name="theirs-UTT", width=3, sha256="d"),
        },
        traces=TraceSource(
            providers=("embedded/1",),
            text_encoder="hashed",
            text_fingerprint="hashed-1",
            text_width=1024,
            view="full",
            clips=7,
            sha256="e",
        ),
        train_clips=10,
        guessed_clips=2,
        validation=HeldOutScores(clips=4, uar=0.5, waf=0.25, accuracy=0.75),
        test=None,
    )


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    assert write_card(tmp_path, card()) == tmp_path / CARD
    assert read_card(tmp_path) == card()
    assert read_card(str(tmp_path)) == card()


def test_it_carries_the_disclaimer_and_cannot_be_changed(tmp_path: Path) -> None:
    assert json.loads(write_card(tmp_path, card()).read_text())["disclaimer"] == DISCLAIMER
    with pytest.raises(ValidationError):
        card().fold = 2  # type: ignore[misc]


def test_features_of_other_tools_are_told_apart() -> None:
    assert card().features["visual"].is_known
    assert not card().features["vocal"].is_known


def test_a_folder_without_a_card_has_none_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    assert read_card(tmp_path) is None
    (tmp_path / CARD).write_text("{")
    with pytest.raises(UnreadableCheckpoint, match="no card"):
        read_card(tmp_path)
    (tmp_path / CARD).write_text(json.dumps({**json.loads(card().model_dump_json()), "stranger": 1}))
    with pytest.raises(UnreadableCheckpoint, match="stranger"):
        read_card(tmp_path)
