"""The small network of the long-tail comparison, and one arm's training: everything but the loss is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from jaxtyping import Float, Int64
from longtail_features import Split
from torch import Tensor, nn

from emotrace.datasets.goemotions import EMOTIONS
from emotrace.priors.bdcl import Variant, bdcl
from emotrace.priors.losses.cross_entropy import cross_entropy, log_class_shares
from emotrace.priors.losses.focal import focal
from emotrace.priors.losses.ldam import ldam

WIDTH, EMBEDDING, DROPOUT = 256, 128, 0.5
BATCH, PEAK_RATE, DECAY, WARMUP = 256, 2e-3, 1e-2, 0.3
TEMPERATURE = 0.1


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One loss."""

    name: str
    against: str
    """The arm of as many views that it is compared with."""
    loss: Literal["cross-entropy", "focal", "ldam"] = "cross-entropy"
    kappa: float = 0.0
    contrast: Variant | None = None
    weight: float = 0.35
    """λ of the contrast."""
    views: Literal[1, 2] = 1


CE_1, CE_2 = "CE, one view", "CE, two views"
ARMS = (
    Arm(name=CE_1, against=CE_1),
    Arm(name="CE, kappa = 1", against=CE_1, kappa=1.0),
    Arm(name="CE, kappa = 0.25", against=CE_1, kappa=0.25),
    Arm(name="focal, gamma = 2", against=CE_1, loss="focal"),
    Arm(name="LDAM", against=CE_1, loss="ldam"),
    Arm(name="CE + BDCL, lambda = 1", against=CE_1, contrast="both", weight=1.0),
    Arm(name="CE + BDCL, lambda = 1, kappa = 0.25", against=CE_1, contrast="both", weight=1.0, kappa=0.25),
    Arm(name=CE_2, against=CE_2, views=2),
    Arm(name="CE + SupCon, two views", against=CE_2, contrast="supcon", views=2),
    Arm(name="CE + BCL, two views", against=CE_2, contrast="bcl", views=2),
    Arm(name="CE + DualCL, two views", against=CE_2, contrast="dualcl", views=2),
    Arm(name="CE + BDCL, two views", against=CE_2, contrast="both", views=2),
)


class TextNetwork(nn.Module):
    """Two layers, a classifier, and for the contrast a projection and prototypes made from the classifier's rows.

    Args:
        width: Columns of the features.
        cosines: Whether logits are cosines, as LDAM needs them.
    """

    def __init__(self, width: int, *, cosines: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(width, WIDTH), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(WIDTH, WIDTH), nn.ReLU()
        )
        self.drop = nn.Dropout(DROPOUT)
        self.classifier = nn.Linear(WIDTH, len(EMOTIONS))
        self.projection = nn.Sequential(nn.Linear(WIDTH, EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, EMBEDDING))
        self.of_classifier = nn.Sequential(nn.Linear(WIDTH, EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, EMBEDDING))
        self.cosines = cosines

    def forward(self, features: Float[Tensor, "text column"]) -> tuple[Tensor, Tensor]:
        """Logits, or cosines, and the hidden vectors."""
        hidden = self.drop(self.body(features))
        if self.cosines:
            return F.normalize(hidden, dim=1) @ F.normalize(self.classifier.weight, dim=1).T, hidden
        return self.classifier(hidden), hidden


def answers(arm: Arm, split: Split, *, seed: int, epochs: int) -> Int64[np.ndarray, " text"]:
    """The arm's answers to the split's test part. Arms of a seed share initial weights and the order of comments."""
    torch.manual_seed(seed)
    model = TextNetwork(split.train_features.shape[1], cosines=arm.loss == "ldam")
    features, labels = torch.from_numpy(split.train_features), torch.from_numpy(split.train_labels)
    counts = labels.bincount(minlength=len(EMOTIONS))
    log_shares = log_class_shares(labels, len(EMOTIONS))
    steps = epochs * -(-len(labels) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps, pct_start=WARMUP)
    model.train()
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(len(labels)))
        for rows in order.split(BATCH):
            loss = batch_loss(arm, model, features[rows], labels[rows], counts, log_shares)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(split.test_features))
    found: Int64[np.ndarray, " text"] = logits.argmax(dim=1).numpy()
    return found


def batch_loss(
    arm: Arm, model: TextNetwork, features: Tensor, labels: Tensor, counts: Tensor, log_shares: Tensor
) -> Float[Tensor, ""]:
    """The arm's loss of a batch; two views are two dropout masks of the same comments, stacked."""
    features, labels = features.repeat(arm.views, 1), labels.repeat(arm.views)
    logits, hidden = model(features)
    if arm.loss == "focal":
        loss = focal(logits, labels)
    elif arm.loss == "ldam":
        loss = ldam(logits, labels, counts=counts)
    else:
        loss = cross_entropy(logits, labels, log_shares=log_shares, strength=arm.kappa)
    if arm.contrast is None:
        return loss
    prototypes = model.of_classifier(model.classifier.weight)
    contrast = bdcl(model.projection(hidden), labels, prototypes, temperature=TEMPERATURE, variant=arm.contrast)
    return loss + arm.weight * contrast
