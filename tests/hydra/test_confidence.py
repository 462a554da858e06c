from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from emotrace.hydra.confidence import Calibration, Features, fit_logistic, shipped_calibration


def test_the_shipped_coefficients_say_where_they_come_from() -> None:
    record = json.loads(files("emotrace.hydra").joinpath("tables/confidence.json").read_text())
    assert record["basis"] == "simulated"
    assert record["fitted_on"]["seed"] != record["held_out"]["seed"]
    assert record["held_out"]["ece"] <= 0.07
    accuracy = record["held_out"]["accuracy_at_coverage"]
    assert accuracy["0.3"] - accuracy["1.0"] >= 0.10
    assert shipped_calibration().basis == "simulated"


def test_a_regression_finds_the_coefficients_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 2)) * np.array([1.0, 10.0])
    right = rng.random(20_000) < 1.0 / (1.0 + np.exp(-(0.5 + x @ np.array([1.0, -0.1]))))
    intercept, slopes = fit_logistic(x, right, ridge=0.0)
    assert intercept == pytest.approx(0.5, abs=0.06)
    assert slopes == pytest.approx((1.0, -0.1), rel=0.06)


def test_the_margin_is_clipped_and_an_unknown_conflict_is_filled_in() -> None:
    calibration = Calibration(intercept=0.0, coefficients=(1.0, 0.0, 0.0, 0.0, 0.0), basis="none")
    features = Features(margin=60.0, log_posterior=0.0, log_score=0.0, conflict=None, observations=1)
    assert features.vector() == (6.0, 0.0, 0.0, 0.7, 1.0)
    assert calibration.probability(features) == pytest.approx(1.0 / (1.0 + np.exp(-6.0)))
