"""The network's laws: silent at the start and without traces, blind to batch mates and to what is absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from emotrace.errors import InvalidFeatures, UsageError
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import FEATURES, PriorsConfig
from emotrace.priors.contributions import contributions
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.inputs import PriorBatch, PriorTable, partly_hidden
from emotrace.priors.model import total_loss
from emotrace.priors.outputs import PriorOutput
from emotrace.testing.tiny_priors import LABELS, tiny_clips
from emotrace.training.loading import with_tensors

MODES = ("none", "concat", "expert", "gated")
WITH_TRACES = MODES[1:]
FUSIONS = ("attention", "attention_raw", "concat")


def network(clips: PriorClips, *, seed: int = 3, stirred: bool = False, **config: Any) -> PriorFusion:
    """A network in evaluation mode; stirred, none of its weights is where it starts."""
    model = PriorFusion(PriorsConfig(labels=LABELS, **config), clips.widths, clips.trace_width, seed=seed)
    model.standardise(clips)
    if stirred:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight in model.parameters():
                weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return model.eval()


def batch_of(clips: PriorClips) -> PriorBatch:
    return PriorTable(clips).rows(np.arange(len(clips)))


def parts(output: PriorOutput) -> dict[str, torch.Tensor]:
    """What is said of each clip."""
    names = ("logits", "modality_logits", "trace_logits", "embedding", "attention", "trace_attention", "gates")
    return {name: value for name in names if (value := getattr(output, name)) is not None}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mode", WITH_TRACES)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_at_step_0_every_mode_says_what_the_network_without_traces_says(mode: str, fusion: str, training: bool) -> None:
    batch = batch_of(clips := tiny_clips(20))
    plain = network(clips, injection="none", fusion=fusion).train(training)
    with_traces = network(clips, injection=mode, fusion=fusion).train(training)
    torch.manual_seed(5)
    expected = plain(batch).logits
    torch.manual_seed(5)
    assert torch.equal(with_traces(batch).logits, expected)


@pytest.mark.parametrize("mode", WITH_TRACES)
def test_without_reliability_traces_change_nothing_at_any_time(mode: str) -> None:
    clips = tiny_clips(20)
    model = network(clips, injection=mode, stirred=True)
    batch = batch_of(clips)
    silent = replace(batch, rho=torch.zeros_like(batch.rho))
    assert torch.equal(model(silent).logits, model(batch, inject=False).logits)
    assert not torch.equal(model(batch).logits, model(batch, inject=False).logits)
    assert torch.equal(model(replace(silent, traces=None)).logits, model(batch, inject=False).logits)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_clip_is_answered_alike_in_every_batch(mode: str, fusion: str) -> None:
    clips = tiny_clips(64)
    model = network(clips, injection=mode, fusion=fusion, stirred=True)
    order = np.random.default_rng(0).permutation(64)

    def answers(rows: np.ndarray, kind: torch.dtype) -> dict[str, torch.Tensor]:
        batch = PriorTable(clips).rows(rows)
        wide = with_tensors(batch, lambda x: x.to(kind) if x.is_floating_point() else x)
        output = model.to(kind)(wide)
        return parts(output) | {"probabilities": output.logits.softmax(1)}

    # without a softmax the fused token may be small, and its norm then enlarges the rounding
    single = 1e-5 if fusion == "attention_raw" else 1e-6
    for kind, scale in ((torch.float64, 1e-13), (torch.float32, single)):
        whole = answers(np.arange(64), kind)
        for size in (1, 7, 64):
            cut = [answers(order[start : start + size], kind) for start in range(0, 64, size)]
            for name, expected in whole.items():
                found = torch.cat([each[name] for each in cut])
                near = scale * max(1.0, expected.abs().max().item())
                torch.testing.assert_close(found, expected[torch.from_numpy(order)], rtol=0, atol=near, msg=name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("noise", [1e6, np.nan, np.inf])
def test_what_lies_in_an_absent_slot_is_not_read(mode: str, noise: float) -> None:
    clips = tiny_clips(30)
    absent = ~clips.present
    assert absent.any()
    assert (clips.rho == 0).any()
    filled = {name: x.copy() for name, x in clips.features.items()}
    for m, name in enumerate(FEATURES):
        filled[name][absent[:, m]] = noise
    assert clips.traces is not None
    traces = np.where(clips.rho[..., None] > 0, clips.traces, np.float32(noise))
    model = network(clips, injection=mode, stirred=True)
    expected = parts(model(batch_of(clips)))
    found = parts(model(batch_of(replace(clips, features=filled, traces=traces))))
    for name in expected.keys() - {"trace_logits"}:
        assert torch.equal(found[name], expected[name]), name


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_nan_at_the_edges(mode: str) -> None:
    clips = tiny_clips(40)
    model = network(clips, injection=mode, stirred=True, has_valence=True).train()
    one_class = replace(clips, labels=np.zeros(40, np.int64), rho=np.zeros_like(clips.rho))
    empty = replace(clips.subset([0]), present=np.zeros((1, 3), bool), rho=np.zeros((1, 4), np.float32))
    for given in (clips, clips.subset([4]), one_class, empty):
        model.zero_grad()
        batch = partly_hidden(batch_of(given), model.config)
        total, terms = total_loss(model(batch), batch, model.config)
        total.backward()
        assert total.isfinite()
        assert all(np.isfinite(value) for value in terms.values())
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())


def test_a_section_without_reliability_gets_no_attention_and_the_others_share_it() -> None:
    clips = tiny_clips(200)
    output = network(clips, stirred=True)(batch := batch_of(clips))
    assert output.trace_attention is not None
    assert output.gates is not None
    unheard = (batch.rho == 0)[:, None, :].expand_as(output.trace_attention)
    assert (output.trace_attention[unheard] == 0).all()
    heard = (batch.rho > 0).any(dim=1)
    torch.testing.assert_close(output.trace_attention[heard].sum(-1), torch.ones(int(heard.sum()), 3))
    assert ((output.gates >= 0) & (output.gates <= 1)).all()


def test_own_and_joint_keys_hide_the_sections_of_other_modalities() -> None:
    clips = tiny_clips(60)
    model, batch = network(clips, keys="own+joint", stirred=True), batch_of(clips)
    attention = model(batch).trace_attention
    assert attention is not None
    assert (attention[:, 0, 1:3] == 0).all()
    assert (attention[:, 0, 0] > 0).any()
    only_visual = replace(batch, rho=batch.rho * torch.tensor([1.0, 0, 0, 0]))
    gates = model(only_visual).gates
    assert gates is not None
    assert (gates[:, 1:] == 0).all()
    assert (gates[:, 0] > 0).any()


@pytest.mark.parametrize("mode", WITH_TRACES)
def test_a_less_reliable_trace_changes_less(mode: str) -> None:
    clips = tiny_clips(60)
    model, batch = network(clips, injection=mode, stirred=True), batch_of(clips)
    plain = model(batch, inject=False).logits
    ones = torch.ones_like(batch.rho)
    changes = [(model(replace(batch, rho=r * ones)).logits - plain).abs().mean().item() for r in (0.05, 0.4, 1.0)]
    assert 0 < changes[0] < changes[1] < changes[2]


def test_modality_weights_are_shares_of_what_is_present() -> None:
    clips = tiny_clips(60)
    attention = network(clips, stirred=True)(batch_of(clips)).attention
    assert attention is not None
    torch.testing.assert_close(attention.sum(1), torch.ones(60))
    assert (attention[torch.from_numpy(~clips.present)] == 0).all()


def test_column_dropout_reads_one_half_of_the_columns_for_the_whole_batch() -> None:
    clips = tiny_clips(30)
    layer = network(clips).features.first["verbal"].train()
    x = torch.from_numpy(clips.features["verbal"]).requires_grad_()
    layer(x).square().sum().backward()
    assert x.grad is not None
    read = x.grad != 0
    assert read.any(dim=0).sum() == 7
    assert (read.all(dim=0) | ~read.any(dim=0)).all()


def test_column_dropout_keeps_the_expectation() -> None:
    clips = tiny_clips(30)
    layer = network(clips).features.first["visual"]
    x = torch.from_numpy(clips.features["visual"])
    expected = layer.eval()(x)
    layer.train()
    mean = torch.stack([layer(x) for _ in range(3000)]).mean(0)
    assert (mean - expected).abs().max() < 0.1


def test_the_scale_is_that_of_present_training_clips_and_bears_constant_columns() -> None:
    clips = tiny_clips(80)
    features = dict(clips.features) | {"visual": clips.features["visual"].copy()}
    features["visual"][:, 2] = 7.0
    features["visual"][~clips.present[:, 0]] = np.nan
    layer = network(replace(clips, features=features)).features.first["visual"]
    rows = features["visual"][clips.present[:, 0]]
    np.testing.assert_allclose(layer.centre.numpy(), rows.mean(0), rtol=1e-5)
    assert layer.scale[2] == 1.0
    np.testing.assert_allclose(layer.scale.numpy()[3:], 1 / rows.std(0)[3:], rtol=1e-4)


def test_some_is_hidden_while_training_but_never_all_modalities() -> None:
    clips = tiny_clips(2000)
    config = PriorsConfig(labels=LABELS, modality_dropout=0.9)
    torch.manual_seed(0)
    batch = batch_of(clips)
    hidden = partly_hidden(batch, config)
    assert hidden.present.any(dim=1).all()
    assert not (hidden.present & ~batch.present).any()
    gone = ((hidden.rho == 0) & (batch.rho > 0)).float().sum() / (batch.rho > 0).sum()
    assert abs(gone.item() - (1 - 0.8 * 0.9)) < 0.03
    assert torch.equal(hidden.rho[hidden.rho > 0], batch.rho[hidden.rho > 0])


def test_frames_are_pooled_by_attention_and_padding_is_not_seen() -> None:
    clips = tiny_clips(12)
    rng = np.random.default_rng(2)
    frames = [rng.normal(size=(3 + row % 5, 12)).astype(np.float32) for row in range(12)]
    clips = replace(clips, frames={"vocal": frames})
    model = network(clips, frames=("vocal",), stirred=True)
    whole = model(batch_of(clips)).logits
    alone = torch.cat([model(batch_of(clips.subset([row]))).logits for row in range(12)])
    torch.testing.assert_close(whole, alone, rtol=0, atol=2e-6)
    with torch.no_grad():
        model.features.pooling["vocal"].query.zero_()
    mean = np.stack([each.mean(0) for each in frames])
    pooled = model(batch_of(replace(clips, features=dict(clips.features) | {"vocal": mean}))).logits
    plain = network(clips, stirred=True)
    plain.load_state_dict(model.state_dict(), strict=False)
    by_mean = plain(batch_of(replace(clips, features=dict(clips.features) | {"vocal": mean}, frames={}))).logits
    torch.testing.assert_close(pooled, by_mean, rtol=0, atol=2e-6)


def test_contributions_and_the_remainder_add_up() -> None:
    clips = tiny_clips(9)
    found = contributions(network(clips, stirred=True), batch_of(clips))
    np.testing.assert_allclose(found.base + found.sum + found.remainder, found.logits, atol=1e-5)
    assert (found.modalities[~clips.present] == 0).all()
    assert (found.sections[clips.rho == 0] == 0).all()
    told = found.of_label(0, 1)
    assert list(told)[:4] == ["visual", "vocal", "verbal", "visual trace"]
    assert told["sum"] == pytest.approx(sum(list(told.values())[:7]), abs=1e-5)


def test_prototypes_and_embeddings_are_of_unit_length() -> None:
    for kind in ("classifier", "free"):
        clips = tiny_clips(9)
        output = network(clips, prototypes=kind, stirred=True)(batch_of(clips))
        assert output.embedding is not None
        assert output.prototypes is not None
        torch.testing.assert_close(output.embedding.norm(dim=1), torch.ones(9))
        torch.testing.assert_close(output.prototypes.norm(dim=1), torch.ones(3))


def test_what_does_not_fit_is_refused_by_name() -> None:
    clips = tiny_clips(9)
    model = network(clips)
    wide = dict(clips.features) | {"vocal": np.zeros((9, 13), np.float32)}
    with pytest.raises(InvalidFeatures, match="vocal: 13 columns where the network has 12"):
        model(batch_of(replace(clips, features=wide)))
    with pytest.raises(InvalidFeatures, match="traces: 5 columns"):
        model(batch_of(replace(clips, traces=np.zeros((9, 4, 5), np.float32))))
    with pytest.raises(UsageError, match="needs traces"):
        PriorFusion(PriorsConfig(labels=LABELS), clips.widths)
    with pytest.raises(InvalidFeatures, match="frames of vocal"):
        network(clips, frames=("vocal",))(batch_of(clips))
