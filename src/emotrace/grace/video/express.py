"""One window and its words -> `Expression`: the model's answer, the map to show, and which words met which patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from emotrace.evidence.observation import EvidenceSheet
from emotrace.grace.heat import WordLink, word_links
from emotrace.grace.inputs import SeenClips
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.language.words import of_label
from emotrace.grace.model import Grace
from emotrace.grace.video.expression import AlignedWord, Expression, HeatMap, LevelMap, rounded_shares
from emotrace.grace.video.windows import Window

Maps = Float[np.ndarray, "frame row column"]

LEAST_MOVEMENT = 0.05
"""A window whose strongest patch moves less is still: about a tenth of a grey level of 256, rounding [ours]."""


def express(
    model: Grace,
    window: Window,
    text: AffectText,
    sheet: EvidenceSheet,
    *,
    source: str,
    scheme: str,
    class_words: bool = False,
) -> Expression:
    """What the model says of one window.

    The map is that of the evidence's words. Where they say nothing of the face it is that of movement alone, or with
    `class_words` that of the words typical of the likeliest label; where nothing moved either, there is none.

    Args:
        model: In evaluation mode.
        window: Of one face.
        text: The words of `sheet`.
        sheet: What the words were read from.
        source: As in `Expression`.
        scheme: As in `Expression`.
        class_words: Whether to match also the words that are typical of the likeliest label.
    """
    seen = replace(window.seen, texts=(None if text.is_empty else text,))
    shares = model(seen).probabilities[0].double().tolist()
    distribution = rounded_shares(dict(zip(model.config.labels, shares, strict=True)))
    likeliest = max(distribution, key=lambda label: distribution[label])
    count = len(window.frames)
    matches = model.config.alignment != "none"
    own = _match(model, seen, text, count) if matches and not text.is_empty else None
    typical = _match(model, seen, of_label(model.bank, likeliest), count) if matches and class_words else None
    motion = _movement(seen, count)
    shown = own or typical
    return Expression(
        span=window.span.rounded(),
        source=source,
        scheme=scheme,
        distribution=distribution,
        frames=window.frames,
        frames_missing=model.config.frames - count,
        heat=HeatMap.of(motion if shown is None else shown.heat),
        heat_source=_source(shown, motion),
        heat_text=None if shown is None else shown.text.source,
        motion=LevelMap.of(motion),
        words=() if own is None else own.words(lambda link: _from_evidence(link, sheet)),
        typical_of=None if typical is None else likeliest,
        typical_words=() if typical is None else typical.words(_typical),
    )


@dataclass(frozen=True, kw_only=True)
class _Match:
    """Words matched with one window."""

    text: AffectText
    heat: Maps
    links: tuple[tuple[WordLink, Maps], ...]
    """Each with the mass that its phrase gives to every patch."""

    def words(self, more: Callable[[WordLink], tuple[str | None, str | None]]) -> tuple[AlignedWord, ...]:
        """The links as they are written; `more` gives the observation that a phrase was read from, and its cue."""
        return tuple(_word(link, mass, *more(link)) for link, mass in self.links)


def _match(model: Grace, seen: SeenClips, text: AffectText, count: int) -> _Match:
    """The plan between the patches of `count` frames and these words, with the background as the alternative."""
    heat, transport = model.locate(seen, (text,))
    assert transport is not None  # only the arm without a plan has none
    grid = seen.tokens.grid
    plan = transport.plan[0, :, : text.column_count].double().numpy()
    links = word_links(
        text,
        plan,
        model.row_marginal(seen)[0].double().numpy(),
        grid=grid,
        times_seconds=seen.frame_times_seconds[0].numpy(),
        frame_mask=seen.tokens.frame_mask[0].numpy(),
    )
    masses = [plan[:, link.phrase.columns].sum(axis=1).reshape(grid)[:count] for link in links]
    return _Match(text=text, heat=heat[0, :count].double().numpy(), links=tuple(zip(links, masses, strict=True)))


def _word(link: WordLink, mass: Maps, read_from: str | None, cue: str | None) -> AlignedWord:
    return AlignedWord(
        text=link.phrase.text,
        region=link.phrase.region,
        matched_region=link.region_name,
        share=round(min(link.share, 1.0), 3),
        lift=round(link.lift, 2),
        peak_seconds=round(link.peak_seconds, 3),
        aligned_span=link.aligned_span.rounded(),
        observed_span=None if link.observed_span is None else link.observed_span.rounded(),
        read_from=read_from,
        cue=cue,
        confidence=round(link.phrase.confidence, 3),
        map=LevelMap.of(mass),
    )


def _from_evidence(link: WordLink, sheet: EvidenceSheet) -> tuple[str | None, str | None]:
    """The first observation that the phrase was read from."""
    known = [sheet[id] for id in link.phrase.observation_ids if id in sheet]
    return (known[0].text, known[0].cue) if known else (None, None)


def _typical(_link: WordLink) -> tuple[None, None]:
    """Nobody observed it."""
    return None, None


def _movement(seen: SeenClips, count: int) -> Maps:
    """How much each patch moves; 0 throughout where nothing does."""
    moved = seen.motion.map[0, :count].double().numpy()
    return moved if moved.max(initial=0.0) >= LEAST_MOVEMENT else np.zeros_like(moved)


def _source(shown: _Match | None, motion: Maps) -> Literal["transport", "motion", "none"]:
    if shown is not None:
        return "transport"
    return "motion" if motion.any() else "none"
