from __future__ import annotations

import hashlib
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emotrace.training.seeds import (
    generator_of,
    global_generators_kept,
    seed_of,
    set_global_generators,
    torch_generator_of,
)

CPU = torch.device("cpu")
names = st.tuples(
    st.integers(0, 9), st.sampled_from(["1", "2", "all"]), st.integers(0, 30), st.sampled_from(["order", "clip"]),
    st.text("abc/.", max_size=6),
)  # fmt: skip


def test_a_seed_is_the_head_of_a_hash_of_its_name() -> None:
    head = hashlib.sha256(b"emotrace|3|fold 2|7|augmentation|a/b.mp4").hexdigest()[:16]
    assert seed_of(3, "fold 2", 7, "augmentation", "a/b.mp4") == int(head, 16)


@given(names, names)
def test_names_and_seeds_are_as_different(one: tuple, other: tuple) -> None:
    assert (seed_of(*one) == seed_of(*other)) == (one == other)


def test_generators_are_those_of_the_seed() -> None:
    name = (0, "1", 2, "order", "x")
    assert generator_of(*name).integers(1 << 40) == np.random.default_rng(seed_of(*name)).integers(1 << 40)
    theirs = torch.rand(3, generator=torch.Generator().manual_seed(seed_of(*name)))
    assert torch.equal(torch.rand(3, generator=torch_generator_of(*name)), theirs)


def test_the_generators_are_given_back(request: pytest.FixtureRequest) -> None:
    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002 - what is tested

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - as above
    expected = draws()
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002 - as above
    torch.set_rng_state(states[2])
    with global_generators_kept(CPU):
        set_global_generators(seed_of(0, "", 0, "x"), CPU)
        inside = draws()
    assert draws() == expected
    with global_generators_kept(CPU):
        set_global_generators(seed_of(0, "", 0, "x"), CPU)
        assert draws() == inside != expected
