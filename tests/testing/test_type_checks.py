"""What these tests run under: types are checked at every call, and shapes where there are arrays."""

from __future__ import annotations

import jaxtyping
import numpy as np
import pytest

from emotrace.encoders.text import sentence_encoder
from emotrace.hydra.quotes import share_found
from emotrace.hydra.rewards import RewardConfig
from emotrace.hydra.rewards.likeness import Likeness


def test_a_value_of_another_type_is_found() -> None:
    with pytest.raises(TypeError, match="quote"):
        share_found(3, "three")  # type: ignore[arg-type]


def test_axes_of_one_name_must_be_of_one_length() -> None:
    likeness = Likeness(sentence_encoder("hashed"))
    assert likeness.levels(["a smile", "a frown"], np.array([0]), np.array([0])).tolist() == [1.0]
    with pytest.raises(jaxtyping.TypeCheckError, match="pair"):
        likeness.levels(["a smile", "a frown"], np.array([0, 1]), np.array([0]))


def test_the_fields_of_data_classes_are_checked_too() -> None:
    with pytest.raises(TypeError, match="k="):
        RewardConfig(k="2")  # type: ignore[arg-type]
