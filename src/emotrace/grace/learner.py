"""`GraceLearner`: GRACE and its clips, as the training loop sees them."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from emotrace.encoders.adaptation import NEW_LEARNING_RATE, WEIGHT_DECAY, parameter_groups
from emotrace.grace import losses
from emotrace.grace.clips import FrameSource, Order, load
from emotrace.grace.inputs import GraceInput, SeenClips
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.language.words import drop_phrases
from emotrace.grace.model import Grace
from emotrace.grace.outputs import GraceOutput, Matching
from emotrace.grace.views import NO_AUGMENTATION, Augmentation
from emotrace.training.learner import Item, Losses
from emotrace.training.seeds import generator_of

_GATES_FASTER = 10.0
_SHUT = 1e-3
_EPOCHS_TO_OPEN = 5


@dataclass(frozen=True, kw_only=True)
class GraceBatch:
    """Clips and their labels by number."""

    clips: GraceInput | SeenClips
    targets: Int64[Tensor, " batch"]


class GraceLearner:
    """A model with its clips.

    Args:
        model: What is trained.
        source: Where the frames are read; keys are the items' keys.
        texts: Words by key, for the alignment loss and, in `train_and_test`, for the classifier.
        train: The training items, for the class shares that logit adjustment needs.
        augmentation: Views of the training clips, one drawn per clip and epoch.
        order: Of the frames in tests, to see whether their order is used at all.
        seed: Of the run.
        fold: Of the run.
        learning_rate: Of new layers.
    """

    def __init__(
        self,
        model: Grace,
        source: FrameSource,
        *,
        texts: Mapping[str, AffectText],
        train: Sequence[Item] = (),
        augmentation: Augmentation = NO_AUGMENTATION,
        order: Order = "forward",
        seed: int = 0,
        fold: str = "1",
        learning_rate: float = NEW_LEARNING_RATE,
    ) -> None:
        self.module = model
        self.labels = model.config.labels
        self.config: Mapping[str, Any] = model.config.to_dict()
        self.source, self.texts, self.seed, self.fold = source, texts, seed, fold
        self.learning_rate = learning_rate
        self.augmentation, self.order = augmentation, order
        self._number = {label: number for number, label in enumerate(self.labels)}
        self._log_prior = _log_prior(train, self.labels)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Encoder and new layers with their own learning rates; no decay on norms, biases and gates.

        Gates learn ten times as fast: they start at 0, and a branch learns nothing while its gate is shut [ours].
        """
        model, rate = self.module, self.learning_rate
        towers = {id(weight) for tower in (model.visual, model.text) for weight in tower.parameters()}
        new = {name: weight for name, weight in model.named_parameters() if id(weight) not in towers}
        gates = [weight for name, weight in new.items() if name.endswith("gate")]
        vectors = [weight for name, weight in new.items() if weight.ndim < 2 and not name.endswith("gate")]
        matrices = [weight for weight in new.values() if weight.ndim > 1]
        return [
            *parameter_groups(model.visual, model.text, model.config.adaptation, new_learning_rate=rate),
            {"params": matrices, "lr": rate, "weight_decay": WEIGHT_DECAY},
            {"params": vectors, "lr": rate, "weight_decay": 0.0},
            {"params": gates, "lr": _GATES_FASTER * rate, "weight_decay": 0.0},
        ]

    def batch(self, items: Sequence[Item], *, epoch: int, training: bool) -> GraceBatch:
        """Frames, words and targets. An item of an unknown label, as a test clip may be, has target -1."""
        return GraceBatch(clips=self.clips(items, epoch=epoch, training=training), targets=self.targets(items))

    def clips(self, items: Sequence[Item], *, epoch: int, training: bool) -> GraceInput | SeenClips:
        """The clips of some items. A learner whose encoder is frozen may keep what it saw, and give that instead."""
        read = load(
            self.source,
            [item.key for item in items],
            frames=self.module.config.frames,
            pixels=self.module.visual.image_pixels,
            epoch=epoch,
            training=training,
            augment=self.augmentation,
            run_seed=self.seed,
            fold=self.fold,
            order="forward" if training else self.order,
        )
        return GraceInput(
            frames=read.frames,
            frame_mask=read.frame_mask,
            frame_times_seconds=read.frame_times_seconds,
            texts=self.words(items, epoch=epoch, training=training),
        )

    def words(self, items: Sequence[Item], *, epoch: int, training: bool) -> tuple[AffectText | None, ...]:
        """The clips' words, some phrases of them silenced while training."""
        return tuple(self._text(item.key, epoch, training) for item in items)

    def targets(self, items: Sequence[Item]) -> Int64[Tensor, " batch"]:
        """Labels by number, -1 for one that the model does not know."""
        return torch.tensor([self._number.get(item.label, -1) for item in items], dtype=torch.int64)

    def _text(self, key: str, epoch: int, training: bool) -> AffectText | None:
        text = self.texts.get(key)
        if text is None or not training:
            return text
        rng = generator_of(self.seed, self.fold, epoch, "phrases", key)
        return drop_phrases(text, self.module.config.phrase_dropout, rng)

    def loss(self, batch: GraceBatch, *, step: int, total_steps: int) -> Losses:
        """Class loss, and the alignment loss with a weight that rises over the first steps."""
        config = self.module.config
        output: GraceOutput = self.module(batch.clips, targets=batch.targets)
        log_prior = None if self._log_prior is None else self._log_prior.to(output.logits.device)
        total = losses.classification(
            output.logits,
            batch.targets,
            label_smoothing=config.label_smoothing,
            log_prior=log_prior,
            logit_adjustment=config.logit_adjustment,
        )
        terms = {"classification": total.item()}
        if (matching := output.matching) is not None:
            warmup = max(1.0, config.alignment_warmup * total_steps)
            aligned = self._aligned(matching)
            total = total + config.alignment_weight * min(1.0, (step + 1) / warmup) * aligned
            terms |= {"alignment": aligned.item(), **_monitors(matching)}
            if config.contrastive_weight > 0.0:
                contrast = losses.contrastive(
                    matching.pictures, matching.words, batch.targets, matching.valid, config.temperature
                )
                total = total + config.contrastive_weight * contrast
                terms["contrastive"] = contrast.item()
        if output.transport is not None:
            terms["converged"] = output.transport.converged.float().mean().item()
        return Losses(total=total, terms=terms)

    def _aligned(self, matching: Matching) -> Float[Tensor, ""]:
        if self.module.config.alignment_loss == "positive":
            return losses.positive(matching.matched, matching.valid)
        return losses.hinge(matching.matched, matching.mismatched, matching.valid, self.module.config.margin)

    def predict(self, batch: GraceBatch) -> Float[Tensor, "batch label"]:
        """Probabilities of the labels."""
        output: GraceOutput = self.module(batch.clips)
        return output.probabilities

    def end_of_epoch(self, epoch: int) -> Mapping[str, float]:
        """The gates. Those that stay shut for five epochs are named in a warning: the branch is unused."""
        gates = self.module.gates()
        watched = {name: gate for name, gate in gates.items() if name != "text" or self._reads_text}
        if epoch == _EPOCHS_TO_OPEN and (shut := [name for name, gate in watched.items() if abs(gate) < _SHUT]):
            warnings.warn(f"after {epoch} epochs these branches are unused: {', '.join(shut)}", stacklevel=2)
        return {f"gate/{name}": gate for name, gate in gates.items()}

    @property
    def _reads_text(self) -> bool:
        return self.module.config.text_mode == "train_and_test"


def _monitors(matching: Matching) -> dict[str, float]:
    """How well a clip's own words are told from another's."""
    if not bool(matching.valid.any()):
        return {}
    own, other = matching.matched[matching.valid], matching.mismatched[matching.valid]
    better = (own[:, None] < other[None, :]).float() + 0.5 * (own[:, None] == other[None, :]).float()
    return {"matched": own.mean().item(), "mismatched": other.mean().item(), "matching_auc": better.mean().item()}


def _log_prior(train: Sequence[Item], labels: Sequence[str]) -> Float[Tensor, " label"] | None:
    """Log π of the training clips; a class without one counts as half a clip."""
    if not train:
        return None
    counts = Counter(item.label for item in train)
    return torch.tensor([math.log(max(counts[label], 0.5) / len(train)) for label in labels])
