from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from emotrace.errors import UsageError
from emotrace.training.settings import OF_THE_MACHINE, TrainingSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0), ("batch_size", 0), ("micro_batch_size", 0), ("warmup_share", 1.1),
        ("warmup_share", float("nan")),
        ("final_learning_rate", -1.0), ("clip_norm", 0.0), ("clip_norm", float("inf")), ("validation_share", 1.0),
        ("patience", 0), ("evaluate_every", 0), ("workers", -1), ("checkpoint_every_steps", 0),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_named(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=rf"^{name}: must be .*got {value!r}"):
        replace(TrainingSettings(), **{name: value})


@pytest.mark.parametrize(("name", "value"), [("precision", "bf8"), ("sampler", "lucky")])
def test_so_is_a_word_that_nobody_defined_where_types_are_not_checked(name: str, value: str) -> None:
    settings = TrainingSettings()
    object.__setattr__(settings, name, value)
    with pytest.raises(UsageError, match=rf"^{name}: must be one of .*got {value!r}"):
        settings.__post_init__()


def test_the_hash_is_of_what_decides_the_numbers() -> None:
    settings = TrainingSettings()
    same = replace(settings, workers=7, checkpoint_every_steps=10, tensorboard=True, keep_frozen=False)
    assert same.sha256 == settings.sha256
    assert same.decisive() == settings.decisive()
    changes: dict[str, Any] = {
        "epochs": 3, "batch_size": 8, "micro_batch_size": 4, "sampler": "balanced", "warmup_share": 0.1,
        "final_learning_rate": 0.0, "clip_norm": None, "precision": "bf16", "seed": 1, "validation_share": 0.1,
        "patience": 3, "evaluate_every": 2,
    }  # fmt: skip
    assert changes.keys() | OF_THE_MACHINE == settings.to_dict().keys()
    hashes = {replace(settings, **{name: value}).sha256 for name, value in changes.items()}
    assert len(hashes | {settings.sha256}) == len(changes) + 1
