"""`Grace`: frames and words -> a distribution over expressions, with where and when. Sections 1, 5 and 6.

    frames ─ encoder ─> tokens ─┐                     ┌─> feature under the map ─┐
    frames ─ motion ──> weights ┼─ transport ─ plan ──┤                          ├─> logits
    words  ─ encoder ─> columns ┘                     └─> heat map, links        │
    frames ─ encoder ─> one feature a frame ─ attention over time ───────────────┘

What the paper says is that there are these parts [paper]; how each is made is ours, see `grace/__init__.py`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from emotrace.encoders.encoded import PatchEncoded
from emotrace.encoders.initialise import drawn_for
from emotrace.encoders.towers import TextTower, VisualTower
from emotrace.grace import losses
from emotrace.grace.alignment import Alignment
from emotrace.grace.config import GraceConfig
from emotrace.grace.fusion import Fusion, TimeAttention, TimeTransformer
from emotrace.grace.heat import WordLink, affect_heat, normalised, word_links
from emotrace.grace.inputs import GraceInput, SeenClips
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.language.bank import class_bank
from emotrace.grace.language.words import WordColumns, embed, of_label, repeated
from emotrace.grace.motion import emphasis, keep_top, motion_weights
from emotrace.grace.outputs import GraceOutput, HeatSource, Matching
from emotrace.grace.pooling import pool_motion, pool_patches
from emotrace.grace.transport import TransportPlan


class Grace(nn.Module):
    """The model. Its two towers may be any that have the interfaces' members.

    Args:
        config: What it is made of.
        visual: Sees frames.
        text: Reads words.
        seed: Draws the initial weights, each part from its own generator, so that no part changes another's.
    """

    def __init__(self, config: GraceConfig, visual: VisualTower, text: TextTower, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.visual, self.text = visual, text
        dim = visual.dim
        with drawn_for("grace.time", seed=seed):
            self.over_time = TimeTransformer(dim, config.frames, config.heads, config.dropout)
        with drawn_for("grace.tracks", seed=seed):
            self.tracks = TimeAttention(dim, config.heads, config.dropout) if config.time_attention else None
        with drawn_for("grace.alignment", seed=seed):
            self.alignment = Alignment(config, dim)
        with drawn_for("grace.fusion", seed=seed):
            self.fusion = Fusion(dim, len(config.labels), config.dropout)
        self.bank = class_bank(config.labels, background_mass=config.background_mass)

    def see(self, clips: GraceInput) -> SeenClips:
        """The part before any word: tokens and motion. With a frozen encoder it may be kept between epochs."""
        tokens = self.visual.encode_frames(clips.frames, clips.frame_mask)
        motion = motion_weights(
            frames=clips.frames,
            tokens=tokens,
            frame_mask=clips.frame_mask,
            grid=tokens.grid,
            source=self.config.motion,
            rigid=self.config.rigid,
            group=self.config.motion_group,
        )
        pool = self.config.token_pool
        return SeenClips(
            tokens=pool_patches(tokens, pool),
            motion=pool_motion(motion, tokens.grid, pool),
            frame_times_seconds=clips.frame_times_seconds,
            texts=clips.texts,
        )

    def forward(
        self, clips: GraceInput | SeenClips, *, targets: Int64[Tensor, " batch"] | None = None, links: bool = False
    ) -> GraceOutput:
        """The distribution, the maps, and what the losses need.

        Args:
            clips: Frames, or what `see` made of them.
            targets: Labels by number; with them the words are matched for the alignment loss.
            links: Whether to say which words met which patches.
        """
        seen = clips if isinstance(clips, SeenClips) else self.see(clips)
        tokens, marginal = seen.tokens, self.row_marginal(seen)
        shared = self.alignment.tokens(tokens.features, tokens.mask)
        columns, texts = self._words_to_pool_by(seen)
        plan = None if self.config.alignment == "none" else self._plan(shared, marginal, columns)
        logits = self._classify(seen, marginal, columns, plan)
        heat, sources = self._heat(seen, columns, plan, logits)
        return GraceOutput(
            logits=logits,
            transport=plan,
            motion=seen.motion.map,
            heat=heat,
            heat_source=sources,
            links=self._links(seen, texts, plan, logits, marginal) if links else ((),) * len(logits),
            gates=self.gates(),
            matching=None if targets is None else self._match(seen, shared, marginal, targets),
        )

    def locate(
        self, clips: GraceInput | SeenClips, texts: tuple[AffectText, ...]
    ) -> tuple[Float[Tensor, "batch frame row column"], TransportPlan | None]:
        """The heat map of given words, whatever the text mode: for localisation, never for classification."""
        seen = clips if isinstance(clips, SeenClips) else self.see(clips)
        shared = self.alignment.tokens(seen.tokens.features, seen.tokens.mask)
        if self.config.alignment == "none":
            return _on_grid(self._motion_heat(seen), seen.tokens), None
        columns = embed(texts, self.text)
        plan = self._plan(shared, self.row_marginal(seen), columns)
        heat = affect_heat(plan.plan, columns.affect)
        return _on_grid(torch.where(columns.has_affect[:, None], heat, self._motion_heat(seen)), seen.tokens), plan

    def gates(self) -> dict[str, float]:
        """How far each branch has opened; 0 is shut."""
        gates = {"local": self.fusion.local_gate.item(), "text": self.fusion.text_gate.item()}
        return gates if self.tracks is None else {"tracks": self.tracks.gate.item(), **gates}

    def row_marginal(self, seen: SeenClips) -> Float[Tensor, "batch token"]:
        """a: what each token has to give, by how much it moves; sums to 1 over the tokens that are there."""
        mask = seen.tokens.mask
        uniform = normalised(mask.float())
        weights = seen.motion.weights if "marginal" in self.config.motion_use else uniform
        if "topk" in self.config.motion_use:
            weights = normalised(weights * keep_top(seen.motion.weights, mask))
        return weights

    def _words_to_pool_by(self, seen: SeenClips) -> tuple[WordColumns, tuple[AffectText, ...]]:
        """The class bank of all classes; a clip's own words only where the text mode lets the classifier read them."""
        batch = len(seen.texts)
        if self.config.text_mode == "train_only":
            return repeated(embed([self.bank], self.text), batch), (self.bank,) * batch
        texts = tuple(self.bank if text is None or text.is_empty else text for text in seen.texts)
        return embed(texts, self.text), texts

    def _plan(
        self, shared: Float[Tensor, "batch token dim"], marginal: Float[Tensor, "batch token"], columns: WordColumns
    ) -> TransportPlan:
        """A plan to look through: no gradient passes it."""
        with torch.no_grad():
            plan, _ = self.alignment.plan(self.alignment.cost(shared, self.alignment.words(columns)), marginal, columns)
        return plan

    def _classify(
        self,
        seen: SeenClips,
        marginal: Float[Tensor, "batch token"],
        columns: WordColumns,
        plan: TransportPlan | None,
    ) -> Float[Tensor, "batch label"]:
        tokens = seen.tokens
        tracked = tokens.features if self.tracks is None else self.tracks(tokens.features, tokens.frame_mask)
        if "scale" in self.config.motion_use:
            tracked = emphasis(tracked, seen.motion.weights, tokens.mask, strength=self.config.motion_emphasis)
        weight = marginal if plan is None else affect_heat(plan.plan, columns.affect)
        local = torch.einsum("bn,bnd->bd", weight.to(tracked.dtype), tracked)
        whole = self.over_time(tokens.frame_features, tokens.frame_mask)
        logits: Tensor = self.fusion(whole, local, columns.pooled() if self.config.text_mode != "train_only" else None)
        return logits

    def _match(
        self,
        seen: SeenClips,
        shared: Float[Tensor, "batch token dim"],
        marginal: Float[Tensor, "batch token"],
        targets: Int64[Tensor, " batch"],
    ) -> Matching | None:
        """F of every clip with its own words and with those of the next clip of another class."""
        if self.config.alignment == "none":
            return None
        columns = self._words_to_match(seen, targets)
        rival, valid = losses.next_of_another_class(targets, columns.has_affect)
        words = self.alignment.words(columns)
        plan, scale = self.alignment.plan(self.alignment.cost(shared, words), marginal, columns)
        other, _ = self.alignment.plan(self.alignment.cost(shared, words[rival]), marginal, columns[rival], scale)
        heat = affect_heat(plan.plan, columns.affect)
        return Matching(
            matched=plan.value,
            mismatched=other.value,
            valid=valid & seen.tokens.mask.any(dim=1),
            pictures=torch.einsum("bn,bnd->bd", heat, shared),
            words=replace(columns, features=words).pooled(),
        )

    def _words_to_match(self, seen: SeenClips, targets: Int64[Tensor, " batch"]) -> WordColumns:
        if self.config.text == "none":
            return embed([of_label(self.bank, self.config.labels[int(target)]) for target in targets], self.text)
        return embed([of_label(self.bank, None) if text is None else text for text in seen.texts], self.text)

    def _heat(
        self, seen: SeenClips, columns: WordColumns, plan: TransportPlan | None, logits: Float[Tensor, "batch label"]
    ) -> tuple[Float[Tensor, "batch frame row column"], tuple[HeatSource, ...]]:
        """The map to show: of the predicted class's words in `train_only`, of the clip's own words otherwise."""
        there = seen.tokens.mask.any(dim=1)
        if plan is None:
            own = torch.zeros_like(there)
            heat = self._motion_heat(seen)
        else:
            affect = columns.affect
            if self.config.text_mode == "train_only":
                affect = affect * self._columns_of(logits.argmax(dim=1), columns.affect)
            own = columns.has_affect & there
            heat = torch.where(own[:, None], affect_heat(plan.plan, affect), self._motion_heat(seen))
        sources: list[HeatSource] = [
            "none" if not has_frames else "transport" if from_words else "motion"
            for from_words, has_frames in zip(own.tolist(), there.tolist(), strict=True)
        ]
        return _on_grid(heat, seen.tokens), tuple(sources)

    def _motion_heat(self, seen: SeenClips) -> Float[Tensor, "batch token"]:
        """The motion map as a distribution; even where nothing moved."""
        moved = seen.motion.map.flatten(1) * seen.tokens.mask
        still = moved.sum(dim=1, keepdim=True) <= 0.0
        return normalised(torch.where(still, seen.tokens.mask.float(), moved))

    def _columns_of(
        self, predicted: Int64[Tensor, " batch"], like: Float[Tensor, "batch column"]
    ) -> Float[Tensor, "batch column"]:
        """1 at the bank's columns of each clip's predicted class."""
        of_label = like.new_zeros(len(self.config.labels), like.shape[1])
        for label, columns in self.bank.class_columns:
            of_label[self.config.labels.index(label), columns] = 1.0
        return of_label[predicted]

    def _links(
        self,
        seen: SeenClips,
        texts: tuple[AffectText, ...],
        plan: TransportPlan | None,
        logits: Float[Tensor, "batch label"],
        marginal: Float[Tensor, "batch token"],
    ) -> tuple[tuple[WordLink, ...], ...]:
        if plan is None:
            return ((),) * len(texts)
        names = [self.config.labels[int(number)] for number in logits.argmax(dim=1)]
        plans, rows = plan.plan.detach().float().cpu().numpy(), marginal.detach().float().cpu().numpy()
        times, masks = seen.frame_times_seconds.cpu().numpy(), seen.tokens.frame_mask.cpu().numpy()
        return tuple(
            word_links(
                of_label(text, name) if text.source == "class_bank" else text,
                plans[i][:, : text.column_count],
                rows[i],
                grid=seen.tokens.grid,
                times_seconds=times[i],
                frame_mask=masks[i],
            )
            for i, (text, name) in enumerate(zip(texts, names, strict=True))
        )


def _on_grid(mass: Float[Tensor, "batch token"], tokens: PatchEncoded) -> Float[Tensor, "batch frame row column"]:
    return mass.view(-1, *tokens.grid)
