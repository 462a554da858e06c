from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from emotrace.encoders.tiny import TinyEncoder, WordTable
from emotrace.errors import UsageError
from emotrace.grace.config import GraceConfig
from emotrace.grace.inputs import GraceInput
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.model import Grace

TextOf = Callable[..., AffectText]
LABELS = ("happiness", "sadness", "anger")
ARMS = ("none", "softmax", "balanced", "unbalanced")


def model(**changes: Any) -> Grace:
    config = GraceConfig(labels=LABELS, encoder="tiny", adaptation="full", **{"frames": 3, "token_pool": 2} | changes)
    return Grace(config, TinyEncoder(), WordTable()).eval()


def clips(texts: tuple[AffectText | None, ...], *, frames: int = 3, seed: int = 0) -> GraceInput:
    generator = torch.Generator().manual_seed(seed)
    return GraceInput(
        frames=torch.rand(len(texts), frames, 3, 56, 56, generator=generator),
        frame_mask=torch.ones(len(texts), frames, dtype=torch.bool),
        frame_times_seconds=torch.arange(frames).expand(len(texts), -1) * 0.125,
        texts=texts,
    )


def masked(batch: GraceInput, mask: list[list[bool]]) -> GraceInput:
    there = torch.tensor(mask)
    frames = torch.where(there[:, :, None, None, None], batch.frames, torch.nan)
    return replace(batch, frames=frames, frame_mask=there)


@pytest.fixture
def texts(text_of: TextOf) -> tuple[AffectText, AffectText]:
    return text_of("lip corners pulled up", "cheeks raised"), text_of("brows lowered")


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_starts_as_the_plain_baseline(arm: str, texts: tuple[AffectText, AffectText]) -> None:
    batch = clips(texts)
    baseline = model(alignment="none", motion="off")(batch).logits
    for mode in ("train_only", "train_and_test"):
        torch.testing.assert_close(model(alignment=arm, text_mode=mode)(batch).logits, baseline, atol=1e-6, rtol=0)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("mode", ["train_only", "train_and_test"])
def test_the_map_is_a_distribution_over_the_clips_patches(
    arm: str, mode: str, texts: tuple[AffectText, AffectText]
) -> None:
    output = model(alignment=arm, text_mode=mode)(clips(texts), links=True)
    assert output.heat.shape == (2, 3, 7, 7)
    assert (output.heat >= 0).all()
    torch.testing.assert_close(output.heat.sum(dim=(1, 2, 3)), torch.ones(2))
    assert output.heat_source == (("motion",) * 2 if arm == "none" else ("transport",) * 2)
    assert (output.transport is None) == (arm == "none")
    torch.testing.assert_close(output.probabilities.sum(dim=1), torch.ones(2))


def test_links_name_the_words_of_the_predicted_class_unless_the_clip_has_its_own(
    texts: tuple[AffectText, AffectText],
) -> None:
    typical = model(epsilon=0.05)(clips(texts), links=True)
    assert {link.source for links in typical.links for link in links} == {"class_bank"}
    bank = model().bank
    for links, label in zip(typical.links, typical.logits.argmax(dim=1).tolist(), strict=True):
        own = dict(bank.class_columns)[LABELS[label]]
        assert links
        assert all(own.start <= link.phrase.columns.start < own.stop for link in links)
    own_words = model(epsilon=0.05, text_mode="train_and_test")(clips(texts), links=True)
    assert {link.source for links in own_words.links for link in links} == {"evidence"}


def test_a_clip_without_text_is_read_by_the_class_bank(texts: tuple[AffectText, AffectText]) -> None:
    network = model(text_mode="train_and_test")
    silent = network(clips((None, texts[1])))
    assert silent.heat_source == ("transport", "transport")
    alone = network(clips((None, texts[1])), targets=torch.tensor([0, 2])).matching
    assert alone is not None
    assert alone.valid.tolist() == [False, False]  # the second has no rival with words


def test_batch_mates_do_not_change_a_clip(texts: tuple[AffectText, AffectText]) -> None:
    network = model(text_mode="train_and_test")
    batch = clips(texts)
    together = network(batch)
    for place in range(2):
        alone = network(
            GraceInput(
                frames=batch.frames[place : place + 1],
                frame_mask=batch.frame_mask[place : place + 1],
                frame_times_seconds=batch.frame_times_seconds[place : place + 1],
                texts=(texts[place],),
            )
        )
        torch.testing.assert_close(together.logits[place], alone.logits[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(together.heat[place], alone.heat[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "mask", [[[True, True, False], [True, False, False]], [[True, False, True], [False, False, False]]]
)
def test_frames_that_are_not_there_may_hold_anything(
    mask: list[list[bool]], texts: tuple[AffectText, AffectText]
) -> None:
    network = model()
    output = network(masked(clips(texts), mask), links=True)
    assert torch.isfinite(output.logits).all()
    assert torch.isfinite(output.heat).all()
    missing = ~torch.tensor(mask)
    assert output.heat.sum(dim=(2, 3))[missing].abs().sum() == 0.0
    filled = masked(clips(texts), mask)
    other = network(replace(filled, frames=filled.frames.nan_to_num(0.7)))
    torch.testing.assert_close(output.logits, other.logits)


def test_a_clip_without_a_frame_has_no_map(texts: tuple[AffectText, AffectText]) -> None:
    output = model()(masked(clips(texts), [[True, True, True], [False, False, False]]))
    assert output.heat_source == ("transport", "none")
    assert output.heat[1].abs().sum() == 0.0


def test_identical_frames_have_no_motion(texts: tuple[AffectText, AffectText]) -> None:
    batch = clips(texts)
    still = replace(batch, frames=batch.frames[:, :1].expand(-1, 3, -1, -1, -1))
    output = model()(still)
    assert output.motion.abs().max() < 1e-3
    assert torch.isfinite(output.logits).all()


def test_a_single_frame_is_a_clip(texts: tuple[AffectText, AffectText]) -> None:
    output = model(frames=1)(clips(texts, frames=1), links=True)
    torch.testing.assert_close(output.heat.sum(dim=(1, 2, 3)), torch.ones(2))


def test_the_losses_reach_tower_words_and_head(texts: tuple[AffectText, AffectText]) -> None:
    network = model().train()
    output = network(clips(texts), targets=torch.tensor([0, 2]))
    assert output.matching is not None
    assert output.matching.valid.all()
    (output.logits.sum() + (output.matching.matched - output.matching.mismatched).sum()).backward()
    for name in ("visual.backbone.stem.0.weight", "text.table", "fusion.head.weight", "alignment.visual.change.weight"):
        gradient = network.get_parameter(name).grad
        assert gradient is not None, name
        assert gradient.abs().sum() > 0.0, name


def test_in_the_class_bank_arm_the_words_are_those_of_the_label() -> None:
    network = model(text="none").train()
    output = network(clips((None, None)), targets=torch.tensor([0, 1]))
    assert output.matching is not None
    assert output.matching.valid.all()


def test_a_batch_of_one_class_has_no_rival(texts: tuple[AffectText, AffectText]) -> None:
    output = model().train()(clips(texts), targets=torch.tensor([1, 1]))
    assert output.matching is not None
    assert not output.matching.valid.any()


def test_filtering_keeps_the_half_that_moves_most(texts: tuple[AffectText, AffectText]) -> None:
    plan = model(motion_use=("topk",))(clips(texts)).transport
    assert plan is not None
    kept = (plan.plan.sum(dim=2) > 0).sum(dim=1)
    assert kept.tolist() == [74, 74]  # of 3 x 7 x 7


def test_a_grid_that_has_no_such_blocks_is_refused(texts: tuple[AffectText, AffectText]) -> None:
    with pytest.raises(UsageError, match="14 x 14"):
        model(token_pool=3)(clips(texts))


def test_labels_must_differ() -> None:
    with pytest.raises(ValueError, match="labels must differ"):
        GraceConfig(labels=("happy", "happy"))
