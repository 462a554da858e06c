"""GRACE on one video: everybody's face through windows of time, each with the words of its own stretch of evidence.

    clip ─ crops at 8 Hz ─> windows ─ encoder, motion ─┐
                                                       ├─ model ─> `Expression` per window ─> links, reading
    sheet of the same stretch ─ narrate, refine ─ words┘

The sheet that the words are read from holds what was measured, never what GRACE itself added: there is no loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.sheets import Witness
from emotrace.grace.cate import narrate
from emotrace.grace.checkpoints import GraceCard, load_grace, read_card
from emotrace.grace.config import DISCLAIMER
from emotrace.grace.corpora.texts import words_of
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.model import Grace
from emotrace.grace.video.crops import FacePath, face_crops
from emotrace.grace.video.express import express
from emotrace.grace.video.expression import RATE_HZ, Expression
from emotrace.grace.video.observed import FaceReading
from emotrace.grace.video.windows import windows
from emotrace.labels.schemes import scheme, schemes
from emotrace.media.clip import Clip
from emotrace.media.video import FrameReader
from emotrace.progress import Watch
from emotrace.results import ModelRecord
from emotrace.span import Span
from emotrace.training.checkpoint import WEIGHTS, CheckpointConfig, load_checkpoint

UNTESTED_TRUST: Final = 0.5
"""Confidence of a reading whose weights say nothing about a test [ours]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GraceSystem:
    """A trained GRACE, ready for `analyze(..., systems=[...])`."""

    model: Grace
    weights: CheckpointConfig
    card: GraceCard | None = None
    class_words: bool = False
    """Whether to show also what faces of the likeliest label are said to do, which nobody observed here."""

    name = "grace"
    packages = ("torch",)
    """Those whose version can change a number, beside the base install's."""

    @classmethod
    def load(cls, weights: str | Path, *, class_words: bool = False) -> GraceSystem:
        """The model of a checkpoint.

        Args:
            weights: The folder, or the `weights.safetensors` inside it.
            class_words: See the field.

        Raises:
            ModelNotFound, UnreadableCheckpoint, ChecksumMismatch, CheckpointMismatch: As for `load_grace`.
        """
        folder = Path(weights)
        folder = folder.parent if folder.name == WEIGHTS and folder.is_file() else folder
        model = load_grace(folder)
        return cls(model=model, weights=load_checkpoint(folder).config, card=read_card(folder), class_words=class_words)

    def read(
        self,
        clip: Clip,
        people: Sequence[Witness],
        sheet_of: Callable[[Witness, Span], EvidenceSheet],
        watch: Watch,
    ) -> dict[str, FaceReading]:
        """What it makes of everybody whose face is on screen, by person.

        The picture is read once more, at `RATE_HZ`.

        Args:
            clip: The file.
            people: Who is in it, and where.
            sheet_of: The evidence about somebody in a stretch of time, without any system's part in it.
            watch: Gets the stage times and the progress.
        """
        paths = [path for witness in people if (path := FacePath.of(witness)) is not None]
        if not paths:
            return {}
        by_id = {witness.id: witness for witness in people}
        frames = FrameReader(clip.path, rate_hz=RATE_HZ, max_duration_seconds=clip.max_duration_seconds)
        crops = face_crops(frames, paths, pixels=self.model.visual.image_pixels)
        found: dict[str, list[Expression]] = {}
        stream = windows(crops, self.model)
        with torch.no_grad():
            while True:
                with watch.stage("see faces"):
                    window = next(stream, None)
                if window is None:
                    break
                with watch.stage("match words"):
                    sheet = sheet_of(by_id[window.person], window.span)
                    found.setdefault(window.person, []).append(
                        express(
                            self.model,
                            window,
                            self._words_of(sheet),
                            sheet,
                            source=self.source,
                            scheme=self.scheme,
                            class_words=self.class_words,
                        )
                    )
                watch.progress("matching words and faces", window.span.end_seconds, clip.span.end_seconds)
        return {
            person: FaceReading(expressions=tuple(sorted(own, key=lambda each: each.span)), trust=self.trust)
            for person, own in found.items()
        }

    @property
    def source(self) -> str:
        """Who says what is found: `grace/` and the first digits of the weights' SHA-256."""
        return f"{self.name}/{self.weights.weights_sha256[:12]}"

    @property
    def scheme(self) -> str:
        """The label scheme of the weights: the corpus's own, else any with the same labels, else none but theirs."""
        labels = set(self.model.config.labels)
        known = [name for name in schemes() if set(scheme(name).labels) == labels]
        own = None if self.card is None else self.card.corpus
        return own if own in known else next(iter(known), self.source)

    @property
    def trust(self) -> float:
        """Confidence of its readings: the UAR that the weights reached on their test list."""
        uar = (self.weights.metrics.get("test") or {}).get("uar")
        return UNTESTED_TRUST if uar is None else round(min(max(uar, 0.0), 1.0), 3)

    @property
    def models(self) -> tuple[ModelRecord, ...]:
        """The weights, and those of the encoder that they rest on."""
        config, card, known = self.model.config, self.card, self.weights
        trained = (
            "what on is not stated" if card is None else f"on {card.corpus}, fold {card.fold}, {card.epochs} epochs"
        )
        own = ModelRecord(
            name=self.name,
            sha256=known.weights_sha256,
            licence="not stated" if card is None else f"bound by the terms of the training clips: {card.corpus_terms}",
            origin=f"emotrace's GRACE on {config.encoder}, trained {trained}, seed {known.seed}. {DISCLAIMER}",
        )
        if known.frozen_sha256 is None:
            return (own,)
        rests_on = ModelRecord(
            name=config.encoder, sha256=known.frozen_sha256, licence="its publisher's", origin="pretrained, not changed"
        )
        return own, rests_on

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its numbers beside the weights, and what was decided in training."""
        config = self.model.config
        return {
            "disclaimer": DISCLAIMER,
            "weights": self.source,
            "labels": list(config.labels),
            "scheme": self.scheme,
            "encoder": config.encoder,
            "text": config.text,
            "text_mode": config.text_mode,
            "motion": f"{config.motion}/{config.rigid}",
            "alignment": config.alignment,
            "epsilon": config.epsilon,
            "pictures_per_second": RATE_HZ,
            "pictures_per_window": config.frames,
            "class_words": self.class_words,
            "trust": self.trust,
            "training_seed": self.weights.seed,
        }

    def _words_of(self, sheet: EvidenceSheet) -> AffectText:
        """The sheet's words, made as those that the weights were trained with."""
        config = self.model.config
        if config.text == "none":  # then it learned from the class bank's phrases, each read alone
            config = config.model_copy(update={"text_units": "phrase"})
        return words_of(narrate(sheet), self.model.text.tokenizer, config)
