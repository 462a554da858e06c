"""One window and its words: what the map is of, in every situation that a clip can bring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.grace.checkpoints import load_grace
from emotrace.grace.config import GraceConfig
from emotrace.grace.corpora.texts import words_of
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.language.narrative import narrate
from emotrace.grace.model import Grace
from emotrace.grace.video.crops import FaceCrop
from emotrace.grace.video.express import express
from emotrace.grace.video.expression import Expression, SeenFrame
from emotrace.grace.video.windows import Window, windows
from emotrace.span import Span
from emotrace.testing.drawn_faces import CLASSES, draw_frames, draw_script

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(grace_weights: Any) -> Grace:
    return load_grace(grace_weights)


@pytest.fixture(scope="module")
def moving() -> list[np.ndarray]:
    script = draw_script(np.random.default_rng(1), "a", CLASSES[0], range(5))
    return [np.repeat(frame[..., None], 3, axis=2) for frame in draw_frames(script)]


def window_of(pictures: Sequence[np.ndarray], model: Grace) -> Window:
    crops = [
        FaceCrop(
            person="P1",
            stretch=0,
            slot=slot,
            frame=SeenFrame(time_seconds=slot / 8, x=0.1, y=0.1, width=0.2, height=0.2, roll_degrees=0.0),
            picture=picture,
        )
        for slot, picture in enumerate(pictures)
    ]
    with torch.no_grad():
        (window,) = windows(crops, model)
    return window


def sheet(*texts: str) -> EvidenceSheet:
    findings = [
        Finding(
            modality="visual",
            span=Span(0.2, 0.9),
            text=text,
            strength=0.9,
            confidence=0.8,
            source="x",
            cue="au12_alone",
        )
        for text in texts
    ]
    return EvidenceSheet.of(findings, clip_id="c", span=Span(0.0, 2.0))


def read(model: Grace, pictures: Sequence[np.ndarray], *texts: str, class_words: bool = False) -> Expression:
    evidence = sheet(*texts)
    words: AffectText = words_of(narrate(evidence), model.text.tokenizer, model.config)
    with torch.no_grad():
        return express(
            model, window_of(pictures, model), words, evidence, source="grace/0", scheme="dfew", class_words=class_words
        )


def variant(model: Grace, **changes: Any) -> Grace:
    """The same weights under other settings."""
    config = GraceConfig(**{**model.config.to_dict(), **changes})
    other = Grace(config, model.visual, model.text)
    other.load_state_dict(model.state_dict())
    return other.eval()


SMILE = "lip corners rise from 0.2 s, most at 0.6 s, until 0.9 s"


def test_the_words_of_the_evidence_make_the_map(model: Grace, moving: list[np.ndarray]) -> None:
    found = read(model, moving, SMILE)
    assert (found.heat_source, found.heat_text) == ("transport", "evidence")
    assert found.heat.values.sum() == pytest.approx(1.0)
    assert found.heat.steps.shape == (16, 7, 7)
    assert sum(found.distribution.values()) == pytest.approx(1.0)
    assert list(found.distribution) == list(model.config.labels)
    assert found.typical_of is None
    assert found.typical_words == ()


def test_a_link_knows_the_observation_that_it_was_read_from(model: Grace, moving: list[np.ndarray]) -> None:
    (word,) = read(variant(model, epsilon=0.03), moving, SMILE).words
    assert (word.read_from, word.cue, word.confidence) == (SMILE, "au12_alone", 0.8)
    assert word.observed_span == Span(0.2, 0.9)
    assert word.share == pytest.approx(1.0, abs=1e-3)
    assert word.lift >= 2.0
    assert word.map.steps.max() == 100
    assert word.peak_seconds in [slot / 8 for slot in range(16)]


def test_without_words_the_map_is_of_movement_and_says_so(model: Grace, moving: list[np.ndarray]) -> None:
    found = read(model, moving)
    assert (found.heat_source, found.heat_text, found.words) == ("motion", None, ())
    assert found.heat.values.sum() == pytest.approx(1.0)
    strongest = np.unravel_index(found.motion.steps.argmax(), found.motion.steps.shape)
    assert found.heat.steps[strongest] == found.heat.steps.max()


def test_words_of_no_face_are_no_words(model: Grace, moving: list[np.ndarray]) -> None:
    assert read(model, moving, "the person stands in a kitchen").heat_source == "motion"


@pytest.mark.parametrize("count", [1, 2, 16])
def test_identical_pictures_have_no_movement_to_map(model: Grace, moving: list[np.ndarray], count: int) -> None:
    still = read(model, [moving[0]] * count)
    assert still.heat_source == "none"
    assert not still.heat.steps.any()
    assert not still.motion.steps.any()
    assert len(still.frames) == count
    assert still.frames_missing == 16 - count


@pytest.mark.parametrize("count", [1, 2])
def test_words_are_matched_even_in_one_picture(model: Grace, moving: list[np.ndarray], count: int) -> None:
    found = read(model, moving[:count], SMILE)
    assert found.heat_source == "transport"
    assert found.heat.steps.shape[0] == count
    assert found.heat.values.sum() == pytest.approx(1.0)


def test_typical_words_are_kept_apart_from_the_evidence(model: Grace, moving: list[np.ndarray]) -> None:
    sharp = variant(model, epsilon=0.03)
    found = read(sharp, moving, SMILE, class_words=True)
    assert found.heat_text == "evidence"
    assert found.typical_of == max(found.distribution, key=found.distribution.__getitem__)
    assert found.typical_words
    assert all(word.read_from is None and word.observed_span is None for word in found.typical_words)
    bare = read(sharp, moving, class_words=True)
    assert (bare.heat_source, bare.heat_text) == ("transport", "class_bank")
    assert bare.words == ()


def test_an_arm_without_a_plan_shows_movement_and_links_nothing(model: Grace, moving: list[np.ndarray]) -> None:
    found = read(variant(model, alignment="none"), moving, SMILE, class_words=True)
    assert (found.heat_source, found.words, found.typical_words, found.typical_of) == ("motion", (), (), None)


@pytest.mark.parametrize("changes", [{"text_mode": "train_and_test"}, {"alignment": "unbalanced"}, {"text": "coarse"}])
def test_every_other_arm_gives_an_expression_too(
    model: Grace, moving: list[np.ndarray], changes: dict[str, str]
) -> None:
    found = read(variant(model, **changes), moving, SMILE)
    assert found.heat_source == "transport"
    assert found.heat.values.sum() == pytest.approx(1.0)


def test_the_same_window_gives_the_same_expression(model: Grace, moving: list[np.ndarray]) -> None:
    assert read(model, moving, SMILE, class_words=True) == read(model, moving, SMILE, class_words=True)
