"""The models that were tried for the voice head, each `fit(rows, labels, seed) -> log odds of rows`, and the export.

Part of `voice_head.py`. Rows are standardised statistics of windows, labels are indices of emotions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from torch import nn

from emotrace.heads.voice import EMOTIONS

LIMIT = 5.0
"""Standardised statistics are cut here: a strange recording must not run away."""
HIDDEN, STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 48, 500, 128, 3e-3, 0.1
DROPOUT, MIXUP, JITTER = 0.4, 0.3, 0.2

Scores = Callable[[np.ndarray], np.ndarray]


def logistic(rows: np.ndarray, labels: np.ndarray, seed: int) -> Scores:
    """Ridge-penalised logistic regression, classes weighted equally."""
    model = LogisticRegression(C=0.01, max_iter=300, class_weight="balanced", random_state=seed).fit(rows, labels)
    return model.decision_function


def support_vectors(rows: np.ndarray, labels: np.ndarray, seed: int) -> Scores:
    """Support vectors with a Gaussian kernel, one against the rest, on every fifth row: they take long on all."""
    model = SVC(C=3.0, class_weight="balanced", random_state=seed).fit(rows[::5], labels[::5])
    return model.decision_function


def perceptron(rows: np.ndarray, labels: np.ndarray, seed: int) -> nn.Sequential:
    """One hidden layer, trained on mixed pairs of jittered rows; rare emotions count more (root of the ratio)."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = nn.Sequential(
        nn.Linear(rows.shape[1], HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, len(EMOTIONS))
    )
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=STEPS)
    counts = np.maximum(np.bincount(labels, minlength=len(EMOTIONS)), 1)
    weight = torch.tensor(np.sqrt(len(labels) / len(EMOTIONS) / counts), dtype=torch.float32)
    inputs, targets = torch.tensor(rows), torch.eye(len(EMOTIONS))[torch.tensor(labels)]
    for _ in range(STEPS):
        one = torch.tensor(rng.integers(0, len(labels), BATCH))
        other, share = one[torch.randperm(BATCH)], float(rng.beta(MIXUP, MIXUP))
        mixed = share * inputs[one] + (1 - share) * inputs[other] + JITTER * torch.randn(BATCH, rows.shape[1])
        target = share * targets[one] + (1 - share) * targets[other]
        loss = -(target * weight * network(mixed).log_softmax(1)).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def perceptrons(rows: np.ndarray, labels: np.ndarray, seed: int, *, count: int = 2) -> Scores:
    """The mean log odds of several perceptrons."""
    networks = [perceptron(rows, labels, seed + member) for member in range(count)]

    def scores(held: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.stack([network(torch.tensor(held)) for network in networks]).mean(0).numpy()

    return scores


def strangeness(rows: np.ndarray) -> np.ndarray:
    """How far scaled rows lie from the clean training windows, at least 1: [ours] log odds are divided by it."""
    return np.maximum(np.mean(rows**2, axis=1, keepdims=True), 1.0)


def export(
    path: Path, networks: list[nn.Sequential], mean: np.ndarray, spread: np.ndarray, sharpness: tuple[float, float]
) -> None:
    """Writes voice.onnx: the mean of the networks, the scaling before it and the calibration after it.

    Inputs `statistics` [window 97], `speaker` [97], `trust` [1]; output `emotions` [window 7].
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save  # a tool; emotrace itself does not use it

    first, last = ([network[layer] for network in networks] for layer in (0, 3))
    numpy = lambda tensors: [tensor.detach().numpy().astype(np.float32) for tensor in tensors]  # noqa: E731
    constants = {
        "mean": mean,
        "spread": spread,
        "low": np.array(-LIMIT),
        "high": np.array(LIMIT),
        "weight_1": np.concatenate(numpy([layer.weight for layer in first])).T,
        "bias_1": np.concatenate(numpy([layer.bias for layer in first])),
        "weight_2": np.concatenate(numpy([layer.weight for layer in last]), axis=1).T / len(networks),
        "bias_2": np.mean(numpy([layer.bias for layer in last]), axis=0),
        "one": np.array(1.0),
        "sharpness": np.array(sharpness[0]),
        "sharpness_by_trust": np.array(sharpness[1]),
    }
    node = helper.make_node
    nodes = [
        node("Sub", ["speaker", "mean"], ["apart"]),
        node("Mul", ["apart", "trust"], ["shift"]),
        node("Sub", ["statistics", "shift"], ["adapted"]),
        node("Sub", ["adapted", "mean"], ["centred"]),
        node("Div", ["centred", "spread"], ["scaled"]),
        node("Clip", ["scaled", "low", "high"], ["rows"]),
        node("Mul", ["rows", "rows"], ["squares"]),
        node("ReduceMean", ["squares"], ["mean_square"], axes=[1], keepdims=1),
        node("Max", ["mean_square", "one"], ["strangeness"]),
        node("Gemm", ["rows", "weight_1", "bias_1"], ["before"]),
        node("Relu", ["before"], ["hidden"]),
        node("Gemm", ["hidden", "weight_2", "bias_2"], ["log_odds"]),
        node("Mul", ["trust", "sharpness_by_trust"], ["sharper"]),
        node("Add", ["sharper", "sharpness"], ["sharp"]),
        node("Mul", ["log_odds", "sharp"], ["sharpened"]),
        node("Div", ["sharpened", "strangeness"], ["calibrated"]),
        node("Softmax", ["calibrated"], ["emotions"], axis=1),
    ]
    size, float32 = len(mean), TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "voice",
        [
            helper.make_tensor_value_info("statistics", float32, ["window", size]),
            helper.make_tensor_value_info("speaker", float32, [size]),
            helper.make_tensor_value_info("trust", float32, [1]),
        ],
        [helper.make_tensor_value_info("emotions", float32, ["window", len(EMOTIONS)])],
        [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="emotrace"
    )
    checker.check_model(model)
    save(model, str(path))
