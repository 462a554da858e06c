"""What is done to a sheet to see whether an answer follows it: swap, mask, delete."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from hydra_world_scores import affects

from emotrace.evidence.observation import EvidenceSheet, Modality
from emotrace.hydra.world import Draw


def partners(drawn: Sequence[Draw], *, same: bool) -> list[int | None]:
    """For each clip the next one (after the last comes the first) whose gold has the same affects, or none of them."""
    golds = [affects(draw.cause.gold) for draw in drawn]

    def fits(a: int, b: int) -> bool:
        return golds[a] == golds[b] if same else golds[a].isdisjoint(golds[b])

    count = len(drawn)
    every = ([(number + step) % count for step in range(1, count)] for number in range(count))
    return [next((b for b in others if fits(number, b)), None) for number, others in enumerate(every)]


def masked(sheet: EvidenceSheet, modality: Modality) -> EvidenceSheet | None:
    """The sheet with one sense missing, in the world's own word for it; None where that takes nothing away, or all."""
    gone = {observation.id for observation in sheet.of_modality(modality)}
    if not gone or len(gone) == len(sheet.observations):
        return None
    return replace(sheet.without(gone), missing={**sheet.missing, modality: "not_recorded"})


def deleted(sheet: EvidenceSheet, cites: Collection[str]) -> tuple[frozenset[str], frozenset[str]] | None:
    """As many cited as uncited ids, of the more frequent kind some by lot; None where there is none of a kind."""
    ids = [observation.id for observation in sheet.observations]
    cited, uncited = [id for id in ids if id in cites], [id for id in ids if id not in cites]
    count = min(len(cited), len(uncited))
    if not count:
        return None
    rng = np.random.default_rng(int(sheet.sheet_id[:15], 16))
    chosen, others = (frozenset(str(id) for id in rng.permutation(kind)[:count]) for kind in (cited, uncited))
    return chosen, others
