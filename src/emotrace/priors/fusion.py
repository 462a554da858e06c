"""`PriorFusion`: three features and a trace of four sections -> a distribution over labels. Section 5.

    features ─ FeatureTokens ─> h ──┬─ injection ─> h' ─ attention over modalities ─> f ─┬─> logits, valence
    traces ─── TraceTokens ───> e ──┘   (silent at the start)                            └─> z, prototypes (training)

Modalities are the only sequence axis and there are no batch statistics: a clip's answer does not depend on the clips
beside it. The paper says that the network is light and takes priors in during fusion [paper]; the rest is [ours].
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from emotrace.encoders.initialise import drawn_for
from emotrace.errors import InvalidFeatures, UsageError
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import FEATURES, PriorsConfig
from emotrace.priors.injection import Injected, build_injection
from emotrace.priors.inputs import PriorBatch
from emotrace.priors.outputs import PriorOutput
from emotrace.priors.projections import FeatureTokens, TraceTokens, softmax_over

OF_TRACES = ("traces.", "injection.", "trace_head.")
"""Prefixes of the weights that a network without traces does not have."""


class PriorFusion(nn.Module):
    """The network.

    Args:
        config: What it is made of.
        widths: Columns of each modality's features.
        trace_width: Columns of a section's vector; needed unless the injection is `none`.
        seed: Draws the initial weights, each part from its own generator: all modes share what they have in common.

    Raises:
        UsageError: An injection without a trace width, or features of other modalities.
    """

    def __init__(
        self, config: PriorsConfig, widths: Mapping[str, int], trace_width: int | None = None, *, seed: int = 0
    ) -> None:
        super().__init__()
        if set(widths) != set(FEATURES):
            raise UsageError(f"must be of {', '.join(FEATURES)}, got {', '.join(widths)}", where="widths")
        if config.injection != "none" and trace_width is None:
            raise UsageError(f"{config.injection!r} needs traces", where="injection", hint="Use 'none' without them")
        self.config, self.widths = config, {name: widths[name] for name in FEATURES}
        self.trace_width = None if config.injection == "none" else trace_width
        with drawn_for("priors.features", seed=seed):
            self.features = FeatureTokens(config, self.widths)
        with drawn_for("priors.over_modalities", seed=seed):
            self.over_modalities = OverModalities(config)
        with drawn_for("priors.heads", seed=seed):
            self.heads = Heads(config)
        if self.trace_width is not None:
            with drawn_for("priors.traces", seed=seed):
                self.traces = TraceTokens(config, self.trace_width)
            with drawn_for("priors.injection", seed=seed):
                self.injection = build_injection(config)
            with drawn_for("priors.trace_head", seed=seed):
                self.trace_head = nn.Linear(config.dim, len(config.labels))

    def forward(self, batch: PriorBatch, *, inject: bool = True) -> PriorOutput:
        """What the clips look like.

        Args:
            batch: The clips.
            inject: False leaves traces out, as if every reliability were 0.

        Raises:
            InvalidFeatures: A feature or trace of another width than the network's.
        """
        self._demand_widths(batch)
        tokens = self.features(batch)
        sections, injected = None, Injected(tokens=tokens)
        if inject and self.trace_width is not None and batch.traces is not None:
            sections = self.traces(batch.traces)
            injected = self.injection(tokens, sections, batch.rho)  # type: ignore[misc]
        fused, attention = self.over_modalities(injected.tokens, batch.present)
        logits = self.heads.classifier(fused)
        return PriorOutput(
            logits=logits if injected.logits is None else logits + injected.logits,
            modality_logits=self.heads.of_modalities(tokens),
            trace_logits=None if sections is None else self.trace_head(sections),
            valence=None if self.heads.valence is None else self.heads.valence(fused).squeeze(1),
            embedding=self.heads.embed(fused),
            modality_tokens=tokens,
            prototypes=self.heads.prototypes(),
            attention=attention,
            trace_attention=injected.attention,
            gates=injected.gates,
        )

    def standardise(self, clips: PriorClips) -> None:
        """Takes the scale of every input from these clips: the training part of a fold, and no other."""
        for m, name in enumerate(FEATURES):
            rows, present = clips.features[name], clips.present[:, m]
            self.features.first[name].standardise(rows if present.all() else rows[present])  # type: ignore[operator]
        self.standardise_traces(clips)

    def standardise_traces(self, clips: PriorClips) -> None:
        """The same for traces alone: all sections of all clips that have any reliability."""
        if self.trace_width is not None and clips.traces is not None:
            self.traces.first.standardise(clips.traces[clips.rho > 0])

    def continue_from(self, stage_1: PriorFusion) -> None:
        """Takes over the weights and scales of a network without traces; it then says exactly what that one says.

        Raises:
            UsageError: The two are not of the same build.
        """
        found = self.load_state_dict(stage_1.state_dict(), strict=False)
        lacking = [name for name in found.missing_keys if not name.startswith(OF_TRACES)]
        if lacking or found.unexpected_keys:
            raise UsageError(f"is of another build: {[*lacking, *found.unexpected_keys][:5]}", where="stage 1")

    def _demand_widths(self, batch: PriorBatch) -> None:
        if lacking := [name for name in self.config.frames if name not in batch.frames]:
            raise InvalidFeatures(
                f"the network reads frames of {', '.join(lacking)}, and there are none", where="frames"
            )
        for name, width in self.widths.items():
            if batch.features[name].shape[1] != width:
                found = batch.features[name].shape[1]
                raise InvalidFeatures(f"{found} columns where the network has {width}", where=name)
        if self.trace_width is not None and batch.traces is not None and batch.traces.shape[2] != self.trace_width:
            found = batch.traces.shape[2]
            raise InvalidFeatures(f"{found} columns where the network has {self.trace_width}", where="traces")


class OverModalities(nn.Module):
    """f = LayerNorm(sum_m a_m h'_m) with a = softmax over present modalities of W4·gelu(W3 [h'_v ; h'_a ; h'_t]).

    `attention_raw` leaves the softmax out, as MERBench does [field: MERTools]; `concat` puts a layer on all three.
    """

    def __init__(self, config: PriorsConfig) -> None:
        super().__init__()
        dim, self.mode = config.dim, config.fusion
        self.first = nn.Linear(len(FEATURES) * dim, dim)
        self.weigh = nn.Linear(dim, len(FEATURES)) if config.fusion != "concat" else None
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, tokens: Float[Tensor, "clip modality dim"], present: Bool[Tensor, "clip modality"]
    ) -> tuple[Float[Tensor, "clip dim"], Float[Tensor, "clip modality"] | None]:
        """The fused token, and the weights it was made with."""
        hidden = functional.gelu(self.first(tokens.flatten(1)))
        if self.weigh is None:
            return self.norm(hidden), None
        scores = self.weigh(hidden)
        attention = softmax_over(scores, present) if self.mode == "attention" else scores * present
        fused: Tensor = self.norm(torch.einsum("bm,bmd->bd", attention, tokens))
        return fused, attention


class Heads(nn.Module):
    """What is read from the fused token, and from each modality's own."""

    def __init__(self, config: PriorsConfig) -> None:
        super().__init__()
        dim, wide, labels = config.dim, config.embedding_dim, len(config.labels)
        self.classifier = nn.Linear(dim, labels)
        self.modality_weight = nn.Parameter(torch.randn(len(FEATURES), dim, labels) * dim**-0.5)
        self.modality_bias = nn.Parameter(torch.zeros(len(FEATURES), labels))
        self.projection = nn.Sequential(nn.Linear(dim, wide), nn.ReLU(), nn.Linear(wide, wide))
        free = config.prototypes == "free"
        self.free = nn.Parameter(torch.randn(labels, wide)) if free else None
        self.of_classifier = None if free else nn.Sequential(nn.Linear(dim, wide), nn.ReLU(), nn.Linear(wide, wide))
        self.valence = nn.Linear(dim, 1) if config.has_valence else None
        if config.contrastive_weight == 0:  # nothing would train these, and several processes must agree on what learns
            for part in (self.projection, self.of_classifier):
                if part is not None:
                    part.requires_grad_(False)
            if self.free is not None:
                self.free.requires_grad_(False)

    def of_modalities(self, tokens: Float[Tensor, "clip modality dim"]) -> Float[Tensor, "clip modality label"]:
        """Logits of each modality alone."""
        return torch.einsum("bmd,mdc->bmc", tokens, self.modality_weight) + self.modality_bias

    def embed(self, fused: Float[Tensor, "clip dim"]) -> Float[Tensor, "clip embedding"]:
        """The unit vector z."""
        return functional.normalize(self.projection(fused), dim=1)

    def prototypes(self) -> Float[Tensor, "label embedding"]:
        """k: made from the classifier's rows, or free."""
        if self.of_classifier is None:
            assert self.free is not None
            return functional.normalize(self.free, dim=1)
        return functional.normalize(self.of_classifier(self.classifier.weight), dim=1)
