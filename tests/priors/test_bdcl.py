"""Closed forms, laws and gradients of the balanced dual contrast, most of them in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emotrace.errors import UsageError
from emotrace.priors.bdcl import bcl_terms, bdcl
from emotrace.priors.losses.bcl import bcl
from emotrace.priors.losses.supcon import supcon

pytestmark = pytest.mark.usefixtures("one_thread")


def simplex(count: int) -> Tensor:
    """Unit vectors, each with cosine -1/(count-1) to each other."""
    centred = torch.eye(count, dtype=torch.float64) - 1.0 / count
    return centred / centred.norm(dim=1, keepdim=True)


def directions(*degrees: float) -> Tensor:
    radians = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def batch(seed: int, clips: int = 12, classes: int = 4, dim: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(clips, dim, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (clips,), generator=generator)
    return features, labels, torch.randn(classes, dim, generator=generator, dtype=torch.float64)


def plain(
    features: Tensor, labels: Tensor, prototypes: Tensor, temperature: float, weights: Tensor | None = None
) -> dict[str, float]:
    """The formulas with loops, number by number: what the matrices are held against."""
    z = (features / features.norm(dim=1, keepdim=True)).tolist()
    k = (prototypes / prototypes.norm(dim=1, keepdim=True)).tolist()
    y, w = labels.tolist(), [1.0] * len(z) if weights is None else weights.tolist()

    def s(a: list[float], b: list[float]) -> float:
        return sum(p * q for p, q in zip(a, b, strict=True)) / temperature

    def mean(pairs: list[tuple[float, float]]) -> float:
        return sum(v * u for v, u in pairs) / sum(u for _, u in pairs)

    rows = []
    for i in range(len(z)):
        near = {
            c: [(s(z[i], z[j]), w[j]) for j in range(len(z)) if j != i and y[j] == c] + [(s(z[i], k[c]), 1.0)]
            for c in range(len(k))
        }
        m = {c: mean([(math.exp(v), u) for v, u in near[c]]) for c in near}
        rows.append((math.log(m[y[i]]) - mean(near[y[i]]), math.log(sum(m.values()) / m[y[i]]), w[i]))
    columns = []
    for c in sorted(set(y)):
        near = {d: [(s(k[c], z[j]), w[j]) for j in range(len(z)) if y[j] == d] for d in sorted(set(y))}
        m = {d: mean([(math.exp(v), u) for v, u in near[d]]) for d in near}
        columns.append((math.log(m[c]) - mean(near[c]), math.log(sum(m.values()) / m[c]), 1.0))
    return {
        f"{part} {side}": mean([(row[place], row[2]) for row in table])
        for side, table in (("features", rows), ("prototypes", columns))
        for place, part in enumerate(("intra", "inter"))
    }


def averages(features: Tensor, labels: Tensor, prototypes: Tensor, temperature: float, **more: Any) -> dict[str, float]:
    terms = bcl_terms(features, labels, prototypes, temperature=temperature, **more)
    return {
        f"{part} {side}": float(each.mean(inter=float(part == "inter"), intra=float(part == "intra"), outer="sample"))
        for side, each in (("features", terms.features), ("prototypes", terms.prototypes))
        for part in ("intra", "inter")
    }


@pytest.mark.parametrize("classes", [2, 6])
def test_equal_vectors_cannot_be_told_apart(classes: int) -> None:
    labels = torch.arange(classes).repeat(3)
    same = torch.ones(len(labels), 4, dtype=torch.float64)
    found = averages(same, labels, torch.ones(classes, 4, dtype=torch.float64), 0.1)
    assert found["intra features"] == pytest.approx(0.0, abs=1e-9)
    assert found["inter features"] == pytest.approx(math.log(classes), abs=1e-9)
    assert found["intra prototypes"] == pytest.approx(0.0, abs=1e-9)
    assert found["inter prototypes"] == pytest.approx(math.log(classes), abs=1e-9)
    assert float(supcon(same, labels)) == pytest.approx(math.log(len(labels) - 1), abs=1e-9)


def test_with_equal_vectors_the_prototypes_see_the_classes_present() -> None:
    same = torch.ones(5, 4, dtype=torch.float64)
    found = averages(same, torch.tensor([0, 0, 2, 2, 5]), torch.ones(6, 4, dtype=torch.float64), 0.1)
    assert found["inter features"] == pytest.approx(1.791759469, abs=1e-9)
    assert found["inter prototypes"] == pytest.approx(math.log(3), abs=1e-9)


@pytest.mark.parametrize(
    ("classes", "temperature", "inter", "contrast"),
    [(6, 0.1, 3.0721e-5, 1.098653), (6, 0.5, 0.374036, 1.571603), (27, 0.1, 8.0319e-4, None)],
)
def test_on_a_regular_simplex(classes: int, temperature: float, inter: float, contrast: float | None) -> None:
    vertices, labels = simplex(classes), torch.arange(classes).repeat_interleave(4)
    found = averages(vertices[labels], labels, vertices, temperature)
    gap = math.exp(-classes / ((classes - 1) * temperature))
    for side in ("features", "prototypes"):
        assert found[f"intra {side}"] == pytest.approx(0.0, abs=1e-9)
        assert found[f"inter {side}"] == pytest.approx(math.log1p((classes - 1) * gap), abs=1e-9)
    assert found["inter features"] == pytest.approx(inter, rel=2e-5)
    value = float(supcon(vertices[labels], labels, temperature=temperature))
    assert value == pytest.approx(math.log(3 + 4 * (classes - 1) * gap), abs=1e-9)
    if contrast is not None:
        assert value == pytest.approx(contrast, abs=1e-6)


def test_features_that_ignore_their_prototypes() -> None:
    axes, labels = torch.eye(7, dtype=torch.float64), torch.arange(6).repeat_interleave(4)
    features = axes[6].expand(24, -1)
    found = averages(features, labels, axes[:6], 0.5)
    assert found["intra features"] == pytest.approx(math.log((3 * math.e**2 + 1) / 4) - 1.5, abs=1e-9)
    assert found["intra features"] == pytest.approx(0.256442, abs=1e-6)
    # own class: 3 clips and the prototype; each of the other five: 4 clips and the prototype
    own, other = (3 * math.e**2 + 1) / 4, (4 * math.e**2 + 1) / 5
    assert found["inter features"] == pytest.approx(math.log((own + 5 * other) / own), abs=1e-9)
    assert found["inter features"] == pytest.approx(1.836698, abs=1e-6)
    assert float(supcon(features, labels, temperature=0.5)) == pytest.approx(math.log(23), abs=1e-9)


def test_five_clips_on_a_circle() -> None:
    features, labels = directions(0, 10, 90, 100, 180), torch.tensor([0, 0, 1, 1, 2])
    given = features, labels, directions(5, 95, 185)
    found = averages(*given, 0.5)
    assert found["intra features"] == pytest.approx(5.18639e-5, rel=1e-5)
    assert found["intra prototypes"] == pytest.approx(0.0, abs=1e-9)
    assert found["inter features"] == pytest.approx(0.196240, abs=1e-6)
    assert found["inter prototypes"] == pytest.approx(0.184901, abs=1e-6)
    assert float(supcon(features, labels, temperature=0.5)) == pytest.approx(0.321182, abs=1e-6)
    assert float(bcl(*given, temperature=0.5)) == pytest.approx(0.196292, abs=1e-6)
    assert float(bdcl(*given, temperature=0.5)) == pytest.approx(0.190596, abs=1e-6)
    assert float(bcl(*given, temperature=0.5, outer="class")) == pytest.approx(0.191528, abs=1e-6)


@given(seed=st.integers(0, 10_000), temperature=st.floats(0.05, 2.0), weighted=st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_matrices_say_what_the_loops_say(seed: int, temperature: float, weighted: bool) -> None:
    features, labels, prototypes = batch(seed)
    weights = torch.rand(12, generator=torch.Generator().manual_seed(seed)).double() + 0.1 if weighted else None
    found = averages(features, labels, prototypes, temperature, weights=weights)
    assert found == pytest.approx(plain(features, labels, prototypes, temperature, weights), abs=1e-9)


@given(seed=st.integers(0, 10_000), outer=st.sampled_from(["sample", "class"]))
@settings(max_examples=15, deadline=None)
def test_intra_and_inter_make_up_bcl(seed: int, outer: Any) -> None:
    features, labels, prototypes = batch(seed)
    features.requires_grad_(True)
    prototypes.requires_grad_(True)
    whole = bdcl(features, labels, prototypes, variant="bcl", outer=outer)
    parts = bdcl(features, labels, prototypes, variant="features", outer=outer)
    assert whole.item() == pytest.approx(parts.item(), abs=1e-12)
    of_whole, of_parts = (torch.autograd.grad(loss, (features, prototypes)) for loss in (whole, parts))
    for one, other in zip(of_whole, of_parts, strict=True):
        assert torch.allclose(one, other, rtol=0.0, atol=1e-12)
    terms = bcl_terms(features, labels, prototypes)
    for side in (terms.features, terms.prototypes):
        assert bool((side.intra >= -1e-12).all())
        assert bool((side.inter >= -1e-12).all())


@pytest.mark.parametrize("variant", ["both", "features", "bcl", "supcon", "dualcl"])
@pytest.mark.parametrize("outer", ["sample", "class"])
def test_turning_shuffling_and_renaming_change_nothing(variant: Any, outer: Any) -> None:
    features, labels, prototypes = batch(3)
    turn = torch.linalg.qr(batch(4, clips=5)[0]).Q
    order, names = torch.randperm(12, generator=torch.Generator().manual_seed(1)), torch.tensor([2, 0, 3, 1])
    value = float(bdcl(features, labels, prototypes, variant=variant, outer=outer))
    turned = bdcl(features @ turn, labels, prototypes @ turn, variant=variant, outer=outer)
    shuffled = bdcl(features[order], labels[order], prototypes, variant=variant, outer=outer)
    renamed = bdcl(features, names[labels], prototypes[names.argsort()], variant=variant, outer=outer)
    for other in (turned, shuffled, renamed):
        assert float(other) == pytest.approx(value, abs=1e-10)


def test_repeating_a_class_leaves_the_prototype_direction_as_it_is() -> None:
    features, labels, prototypes = batch(5)
    chosen = labels == labels[0]
    more = torch.cat([features, features[chosen]]), torch.cat([labels, labels[chosen]]), prototypes
    few, many = averages(features, labels, prototypes, 0.1), averages(*more, 0.1)
    for part in ("intra prototypes", "inter prototypes"):
        assert many[part] == pytest.approx(few[part], abs=1e-10)
    assert many["inter features"] != pytest.approx(few["inter features"], abs=1e-6)


@pytest.mark.parametrize("variant", ["both", "features", "bcl", "supcon", "dualcl"])
def test_gradients_agree_with_finite_differences(variant: Any) -> None:
    features, labels, prototypes = batch(6, clips=7)
    weights = torch.linspace(0.2, 1.0, 7, dtype=torch.float64)

    def loss(z: Tensor, k: Tensor) -> Tensor:
        return bdcl(z, labels, k, variant=variant, temperature=0.3, inter=0.7, intra=1.3, weights=weights)

    inputs = features.requires_grad_(True), prototypes.requires_grad_(True)
    assert torch.autograd.gradcheck(loss, inputs, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("variant", ["both", "features", "bcl", "supcon", "dualcl"])
@pytest.mark.parametrize("outer", ["sample", "class"])
@pytest.mark.parametrize("labels", [[2], [1, 1], [0, 1, 2], [-1, -1], [0, -1, 0, 3], []])
def test_small_odd_and_cold_batches_stay_finite(variant: Any, outer: Any, labels: list[int]) -> None:
    features = torch.randn(len(labels), 6, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    prototypes = torch.randn(4, 6, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    classes = torch.tensor(labels, dtype=torch.int64)
    loss = bdcl(features, classes, prototypes, variant=variant, outer=outer, temperature=0.02)
    loss.backward()
    assert bool(loss.isfinite())
    for leaf in (features, prototypes):
        assert leaf.grad is None or bool(leaf.grad.isfinite().all())


def test_opposite_vectors_at_a_low_temperature_keep_their_logarithms() -> None:
    # exp(-100) is below float32's normal numbers: the exact value needs float64 there
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    loss = bdcl(features, torch.tensor([0, 0]), torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), temperature=0.02)
    exact = averages(features.double(), torch.tensor([0, 0]), torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).double(), 0.02)
    assert float(loss) == pytest.approx(0.5 * sum(exact.values()), rel=1e-5)


def test_a_clip_alone_in_its_class_is_held_to_its_prototype() -> None:
    features, labels, prototypes = batch(7, clips=1)
    terms = bcl_terms(features, labels, prototypes, temperature=0.5)
    cosines = torch.nn.functional.normalize(features) @ torch.nn.functional.normalize(prototypes).T
    softmax = torch.nn.functional.cross_entropy(cosines / 0.5, labels)
    assert float(terms.features.intra) == pytest.approx(0.0, abs=1e-12)
    assert float(terms.features.inter) == pytest.approx(float(softmax), abs=1e-12)
    assert terms.prototypes.weights.sum() == 1.0
    assert terms.prototypes.inter.tolist() == pytest.approx([0.0] * 4, abs=1e-12)


@pytest.mark.parametrize("variant", ["both", "features", "bcl", "supcon", "dualcl"])
@pytest.mark.parametrize("outer", ["sample", "class"])
def test_a_clip_of_weight_zero_or_without_a_label_is_not_there(variant: Any, outer: Any) -> None:
    features, labels, prototypes = batch(8)
    kept = torch.arange(12) % 3 != 0
    alone = bdcl(features[kept], labels[kept], prototypes, variant=variant, outer=outer)
    weightless = bdcl(features, labels, prototypes, variant=variant, outer=outer, weights=kept.double())
    unlabelled = bdcl(features, torch.where(kept, labels, -1), prototypes, variant=variant, outer=outer)
    assert float(weightless) == pytest.approx(float(alone), abs=1e-12)
    assert float(unlabelled) == pytest.approx(float(alone), abs=1e-12)


def test_autocast_does_not_round_the_similarities() -> None:
    features, labels, prototypes = (each.float() if each.is_floating_point() else each for each in batch(10))
    outside = bdcl(features, labels, prototypes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = bdcl(features, labels, prototypes)
    assert inside.dtype is torch.float32
    assert torch.equal(inside, outside)


@pytest.mark.parametrize("temperature", [0.0, -1.0, 0.004, math.nan])
def test_a_temperature_too_low_for_the_arithmetic_is_refused(temperature: float) -> None:
    with pytest.raises(UsageError, match="temperature"):
        bdcl(*batch(0), temperature=temperature)


@pytest.mark.parametrize("outer", ["sample", "class"])
@pytest.mark.parametrize("variant", ["both", "features"])
@pytest.mark.parametrize(("inter", "intra"), [(1.0, 1.0), (0.3, 2.0)])
def test_the_one_pass_has_the_value_and_gradient_of_the_terms(
    outer: Any, variant: Any, inter: float, intra: float
) -> None:
    features, labels, prototypes = batch(3)
    labels[2], weights = -1, torch.linspace(0.0, 1.0, len(labels), dtype=torch.float64)

    def gradients(loss: Any) -> list[Tensor]:
        own = [features.clone().requires_grad_(), prototypes.clone().requires_grad_()]
        value = loss(*own)
        value.backward()
        return [value.detach(), *(each.grad for each in own if each.grad is not None)]

    def by_terms(z: Tensor, k: Tensor) -> Tensor:
        terms = bcl_terms(z, labels, k, temperature=0.2, weights=weights)
        clips = terms.features.mean(inter=inter, intra=intra, outer=outer)
        return (
            clips
            if variant == "features"
            else (clips + terms.prototypes.mean(inter=inter, intra=intra, outer="sample")) / 2
        )

    def at_once(z: Tensor, k: Tensor) -> Tensor:
        chosen = {"variant": variant, "outer": outer, "inter": inter, "intra": intra}
        return bdcl(z, labels, k, temperature=0.2, weights=weights, **chosen)  # type: ignore[arg-type]

    for found, expected in zip(gradients(at_once), gradients(by_terms), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
