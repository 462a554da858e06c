"""Random weights that depend on the run's seed and on the module's name, and on nothing else that was drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawn_for(name: str, *, seed: int) -> Iterator[None]:
    """Inside, torch draws from a generator of (seed, name); outside, it goes on as if nothing had been drawn.

    So a branch that one arm of an experiment has more than another cannot change what the others start from [ours].
    """
    digest = hashlib.sha256(f"emotrace|initialise|{seed}|{name}".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        yield
