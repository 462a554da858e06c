"""Priors on one video: face, voice and words of every stretch, with what was written about it, through the network.

    faces, voice, words ─ the encoders of the weights' card ─> features ─┐
                                                                         ├─ PriorFusion ─> `FusedReading` per stretch
    sheet of the stretch, or stored trace ─ text encoder ─> priors, ρ ───┘

The sheet that a trace is made from holds what was measured, never what a system added: there is no loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from emotrace.encoders.features import FeatureEncoder
from emotrace.encoders.text import SentenceEncoder
from emotrace.encoders.voice import VoiceMeasures
from emotrace.errors import ModelNotFound
from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.reasoning.trace import ReasoningTrace
from emotrace.evidence.sheets import Witness
from emotrace.labels.label_scheme import LabelScheme
from emotrace.labels.schemes import scheme, schemes
from emotrace.media.clip import Clip
from emotrace.priors.card import PriorsCard, read_card
from emotrace.priors.clips import UNLABELLED, PriorClips
from emotrace.priors.config import DISCLAIMER, FEATURES, SECTIONS
from emotrace.priors.contributions import contributions
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.inputs import PriorBatch, PriorTable
from emotrace.priors.model import load_prior_fusion
from emotrace.priors.trace_vectors import encode_traces
from emotrace.priors.video.encoders import encoder_of, text_encoder_of
from emotrace.priors.video.fused import TRACE, FusedReading, SectionUse
from emotrace.priors.video.material import Material, Row, encode_faces, whole_sound
from emotrace.priors.video.observer import Embedded, Observer
from emotrace.priors.video.reading import PriorsReading
from emotrace.progress import Watch
from emotrace.results import ModelRecord
from emotrace.span import Span
from emotrace.training.checkpoint import WEIGHTS, CheckpointConfig, load_checkpoint

UNTESTED_TRUST: Final = 0.5
"""Confidence of a reading whose weights say nothing about a test [ours]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PriorsSystem:
    """A trained network of priors, ready for `analyze(..., systems=[...])`."""

    model: PriorFusion
    weights: CheckpointConfig
    card: PriorsCard
    encoders: Mapping[str, FeatureEncoder]
    """By modality, those that the features of training came from; one that training had none of is left out."""
    text: SentenceEncoder | None
    """Reads traces; None for weights that were trained without."""
    observer: Observer = field(default_factory=Embedded)

    name = "priors"
    packages = ("torch",)
    """Those whose version can change a number, beside the base install's."""

    @classmethod
    def load(cls, weights: str | Path, *, observer: Observer | None = None) -> PriorsSystem:
        """The network of a checkpoint, with the encoders that it was trained on.

        Args:
            weights: The folder, such as `runs/mer2024/f1/s0/tuned/last`, or the weights file inside it.
            observer: Who writes the traces; the embedded observers by default.

        Raises:
            ModelNotFound: No such folder; or an encoder's weights are not to be had.
            ModelFileError: It is damaged, of another system, or has no card.
            CheckpointMismatch: Its features cannot be made here: other tools made them, or an encoder has changed.
        """
        folder = Path(weights)
        folder = folder.parent if folder.name == WEIGHTS and folder.is_file() else folder
        model = load_prior_fusion(folder)
        card = read_card(folder)
        if card is None:
            raise ModelNotFound(
                "no card lies beside the weights, so nobody can tell how their features were made",
                where=folder,
                hint="Use a folder that `emotrace train priors` wrote",
            )
        return cls(
            model=model,
            weights=load_checkpoint(folder).config,
            card=card,
            encoders={name: encoder_of(known, name, folder) for name, known in card.features.items()},
            text=text_encoder_of(card, folder),
            observer=observer or Embedded(),
        )

    def read(
        self,
        clip: Clip,
        people: Sequence[Witness],
        sheet_of: Callable[[Witness, Span], EvidenceSheet],
        watch: Watch,
    ) -> dict[str, PriorsReading]:
        """Everybody's features, and a reading of any stretch once it is asked for.

        The picture is read once more, and the sound where an encoder hears it itself.

        Args:
            clip: The file.
            people: Who is in it, and what was measured of them.
            sheet_of: The evidence about somebody in a stretch of time, without any system's part in it.
            watch: Gets the stage times.
        """
        with watch.stage("encode faces"):
            looker, hearer, reader = (self.encoders.get(name) for name in FEATURES)
            seen = looker is not None and clip.has_video and any(witness.face is not None for witness in people)
            faces = encode_faces(clip.frames(), people, looker) if seen else {}  # type: ignore[arg-type]
        listens = hearer is not None and clip.has_audio and not isinstance(hearer, VoiceMeasures)
        with watch.stage("encode sound"):
            sound = whole_sound(clip.audio()) if listens else None
        main = max(people, key=lambda witness: witness.evidence_seconds, default=None)
        return {
            witness.id: PriorsReading(
                fuse=self.fuse,
                observer=self.observer,
                trust=self.trust,
                material=Material(
                    witness=witness,
                    face=faces.get(witness.id),
                    sound=sound,
                    hearer=hearer,  # type: ignore[arg-type]
                    reader=reader,  # type: ignore[arg-type]
                ),
                sheet_of=sheet_of,
                clip_seconds=clip.span.duration_seconds,
                is_main=witness is main,
            )
            for witness in people
        }

    @property
    def source(self) -> str:
        """Who says what is found: `priors/` and the first digits of the weights' SHA-256."""
        return f"{self.name}/{self.weights.weights_sha256[:12]}"

    @property
    def trust(self) -> float:
        """Confidence of its readings: the UAR of the weights on clips that they never saw."""
        scores = self.card.test or self.card.validation
        return UNTESTED_TRUST if scores is None else round(min(max(scores.uar, 0.0), 1.0), 3)

    @property
    def models(self) -> tuple[ModelRecord, ...]:
        """The weights; what their features rest on is in the settings."""
        card = self.card
        origin = (
            f"emotrace's network of priors, trained on {card.corpus}, fold {card.fold}, seed {card.seed}. {DISCLAIMER}"
        )
        licence = f"bound by the terms of the training clips: {card.corpus_terms}"
        return (ModelRecord(name=self.name, sha256=self.weights.weights_sha256, licence=licence, origin=origin),)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its numbers beside the weights, and what was decided in training."""
        traces = self.card.traces
        return {
            "disclaimer": DISCLAIMER,
            "weights": self.source,
            "labels": list(self.card.labels),
            "scheme": self.labels.name,
            "features": {name: encoder.fingerprint for name, encoder in self.encoders.items()},
            "injection": self.model.config.injection,
            "observer": self.observer.name,
            "trained_on_traces_of": [] if traces is None else list(traces.providers),
            "text_encoder": None if self.text is None else self.text.fingerprint,
            "trust": self.trust,
        }

    def fuse(self, rows: Mapping[str, Row | None], trace: ReasoningTrace | None, span: Span) -> FusedReading | None:
        """What the network says of features and a trace; None where there is no feature at all."""
        present = tuple(name for name in FEATURES if rows[name] is not None)
        if not present:
            return None
        batch = self._batch(rows, trace)
        found = contributions(self.model, batch)
        output = found.output
        labels = self.card.labels
        heard = [name for s, name in enumerate(SECTIONS) if batch.rho[0, s] > 0]
        effects = {name: found.modalities[0, m] for m, name in enumerate(FEATURES) if name in present}
        effects |= {f"{name}{TRACE}": found.sections[0, SECTIONS.index(name)] for name in heard}

        def by_label(values: np.ndarray) -> dict[str, float]:
            return {label: round(float(value), 4) for label, value in zip(labels, values, strict=True)}

        return FusedReading(
            span=span,
            source=self.source,
            scheme=self.labels.name,
            distribution=by_label(output.probabilities[0].detach().numpy()),
            present=present,
            observer=None if trace is None or not heard else f"{trace.provider}/{trace.model}",
            base=by_label(found.base[0]),
            effects={part: by_label(values) for part, values in effects.items()},
            remainder=by_label(found.remainder[0]),
            sections={} if trace is None or self.text is None else _uses(trace),
            valence=None if output.valence is None else round(float(output.valence[0]), 4),
        )

    def _batch(self, rows: Mapping[str, Row | None], trace: ReasoningTrace | None) -> PriorBatch:
        """The stretch as a batch of one clip."""
        widths, vectors, rho = self.model.widths, None, np.zeros((1, len(SECTIONS)), np.float32)
        if self.text is not None:
            traces = {} if trace is None else {"stretch": trace}
            view = "full" if self.card.traces is None else self.card.traces.view
            found = encode_traces(traces, ["stretch"], self.text, scheme=self.labels, view=view)
            vectors, rho = found.vectors, found.rho
        kept = {name: np.zeros(widths[name], np.float32) if row is None else row for name, row in rows.items()}
        clips = PriorClips(
            keys=("stretch",),
            label_names=self.card.labels,
            features={name: row[None] for name, row in kept.items()},
            present=np.array([[rows[name] is not None for name in FEATURES]]),
            traces=vectors,
            rho=rho,
            labels=np.array([UNLABELLED]),
        )
        return PriorTable(clips).rows(np.zeros(1, np.int64))

    @cached_property
    def labels(self) -> LabelScheme:
        """The scheme of the weights' labels; for a corpus with labels of its own, just those."""
        if self.card.scheme in schemes():
            return scheme(self.card.scheme)
        own = self.card.labels
        return LabelScheme(name=self.source, labels=own, concepts=own, source="the labels of the weights")


def _uses(trace: ReasoningTrace) -> dict[Any, SectionUse]:
    uses = {}
    for part, section in trace.sections.items():
        judged = trace.reliability.get(part)
        uses[part] = SectionUse(
            status=section.status.value,
            reason=section.reason,
            rho=0.0 if judged is None or not section.is_ok else round(judged.rho, 4),
            failed=() if judged is None else judged.failed,
            soft={} if judged is None else {name: round(score, 4) for name, score in judged.soft.items()},
            text=section.text,
            observations=section.observations,
        )
    return uses
