"""Every random number of a training run, from its name: (run, fold, epoch, purpose, key).

Nothing is drawn from a generator that somebody else has moved. So the number of loader threads, processes and earlier
epochs, another arm's extra branch, and a kill in the middle cannot change what is drawn.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_of(run: int, fold: str, epoch: int, purpose: str, key: str = "") -> int:
    """The first 8 bytes, big-endian, of the SHA-256 of `emotrace|run|fold|epoch|purpose|key`.

    Args:
        run: The seed of the run.
        fold: Name of the fold.
        epoch: Counted from 1; 0 for what happens before training.
        purpose: What the numbers are for, such as `order` or `augmentation`.
        key: What they belong to, such as a clip.

    >>> seed_of(0, "1", 1, "order")
    5833569655033018846
    """
    name = f"emotrace|{run}|{fold}|{epoch}|{purpose}|{key}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def generator_of(run: int, fold: str, epoch: int, purpose: str, key: str = "") -> np.random.Generator:
    """A numpy generator of its own for this name."""
    return np.random.default_rng(seed_of(run, fold, epoch, purpose, key))


def torch_generator_of(run: int, fold: str, epoch: int, purpose: str, key: str = "") -> torch.Generator:
    """A torch generator on the CPU of its own for this name."""
    return torch.Generator().manual_seed(seed_of(run, fold, epoch, purpose, key))


def set_global_generators(seed: int, device: torch.device) -> None:
    """Sets the generators that layers such as dropout draw from: torch's, the device's too, numpy's and Python's."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)  # all other devices are looked for by the usual call: 2 ms
    else:
        torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - a library that draws from it must find it seeded
    random.seed(seed)


@contextmanager
def global_generators_kept(device: torch.device) -> Iterator[None]:
    """Gives the global generators back as they were found, the device's too: a run leaves no trace in them."""
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - kept, not drawn from
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002 - as above
