"""Scores of one arm and seed of the controlled study, clip by clip. Used by `grace_synth.py`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from grace_synth_clips import FRAMES, GRID, Seen, SeenLearner, all_keys, items_of

from emotrace.datasets.synth_dfer import SynthDfer, SynthSplit
from emotrace.grace.clips import sample_indices
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.language.words import of_label
from emotrace.metrics.localisation import apex_errors, localise, span_iou

CONDITIONS = ("clean", "pose", "talk", "light", "jitter", "all")
MAPS = {"words": "map of the clip's own words", "typical": "map of the predicted class's words"}
"""Without words (or without transport) the first falls back to the second (or to motion)."""
PLACES = {
    "pointing": "pointing",
    "average_precision": "average precision",
    "iou": "IoU",
    "energy": "energy",
    "apex_error": "apex error (of 16 frames)",
    "span_iou": "span IoU",
}
REFERENCES = ("truth", "even", "Gaussian", "motion alone, pixel raw", "motion alone, pixel affine")
_AT_ONCE = 32


@torch.no_grad()
def evaluate(learner: SeenLearner, data: SynthDfer, folder: Path, record: dict[str, Any]) -> None:
    """Answers for `test` and `paired`, and scores of both maps on `paired`: `scores.npz` and `record.json`."""
    model = learner.module.eval()
    arrays: dict[str, np.ndarray] = {}
    items = items_of(data, "test")
    blocks = [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]
    batches = (learner.batch(block, epoch=0, training=False) for block in blocks)
    arrays["test"] = np.concatenate([model(batch.clips).probabilities.numpy() for batch in batches])
    answers, maps, hits = [], {which: [] for which in MAPS}, []
    items, paired = items_of(data, "paired"), data.split("paired")
    for start in range(0, len(items), _AT_ONCE):
        block = items[start : start + _AT_ONCE]
        batch = learner.batch(block, epoch=0, training=False)
        output = model(batch.clips)
        answers.append(output.probabilities.numpy())
        maps["typical"].append(output.heat.numpy())
        own = batch.clips.texts
        if own[0] is None:
            maps["words"].append(output.heat.numpy())
            hits.append(np.full(len(block), np.nan))
            continue
        texts = tuple(of_label(model.bank, None) if text is None else text for text in own)
        heat, plan = model.locate(batch.clips, texts)
        maps["words"].append(heat.numpy())
        places = range(start, start + len(block))
        hits.append(
            np.full(len(block), np.nan)
            if plan is None
            else np.array(
                [_unit_hits(paired, i, t, p) for i, t, p in zip(places, texts, plan.plan.numpy(), strict=True)]
            )
        )
    arrays["paired"] = np.concatenate(answers)
    arrays["words/unit_pointing"] = np.concatenate(hits)
    for which, parts in maps.items():
        scores = place_scores(paired, np.concatenate(parts))
        arrays |= {f"{which}/{name}": values for name, values in scores.items()}
    arrays["picture"] = np.concatenate(maps["words"])[list(pictured(paired))].astype(np.float16)
    np.savez_compressed(folder / "scores.npz", **arrays)
    (folder / "record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def place_scores(paired: SynthSplit, heat: np.ndarray) -> dict[str, np.ndarray]:
    """Every localisation score of every clip of `paired`."""
    found = localise(heat, patches_of(paired.name, paired))
    per_frame = heat.sum(axis=(2, 3))
    shown = sample_indices(paired.length, FRAMES, None)[0]
    moving = np.where(paired.static, -1, paired.apex)
    apex = np.where(moving >= 0, np.abs(shown[None, :] - paired.apex[:, None]).argmin(axis=1), -1)
    spans = np.array([_half_span(row) for row in per_frame])
    true = np.stack([paired.onset, paired.offset + 1], axis=1).astype(float)
    true[(paired.onset < 0) | paired.static] = np.nan
    return {
        "pointing": found.pointing,
        "average_precision": found.average_precision,
        "iou": found.iou,
        "energy": found.energy,
        "apex_error": apex_errors(per_frame, apex) * (paired.length / FRAMES),
        "span_iou": span_iou(spans * (paired.length / FRAMES), true),
    }


def reference_scores(data: SynthDfer, name: str, seen: Seen | None = None) -> dict[str, np.ndarray]:
    """Scores of a map that no model made."""
    paired = data.split("paired")
    shape = (len(paired), FRAMES, *GRID)
    if name == "truth":
        heat = patches_of(paired.name, paired).astype(np.float64)
    elif name == "even":
        heat = np.ones(shape)
    elif name == "Gaussian":
        down, across = np.meshgrid(*(np.linspace(-1, 1, side) for side in GRID), indexing="ij")
        heat = np.broadcast_to(np.exp(-(down**2 + across**2) / (2 * 0.4**2)), shape)
    elif seen is None:
        raise ValueError(f"the map {name!r} is read from what was seen")
    else:
        first = len(all_keys(data)) - len(paired)
        kind = name.removeprefix("motion alone, ").replace(" raw", "-off").replace(" ", "-")
        heat = seen.rows(f"{kind}.map", range(first, first + len(paired))).numpy()
    return place_scores(paired, np.asarray(heat))


@cache
def patches_of(name: str, paired: SynthSplit) -> np.ndarray:
    """Relevant patches [n, T, 14, 14]: those of whose four cells at least one is relevant."""
    shown = sample_indices(paired.length, FRAMES, None)[0]
    return np.stack([_patches(paired.truth(place).relevant[shown]) for place in range(len(paired))])


def _patches(cells: np.ndarray) -> np.ndarray:
    """At least a quarter of the 2 x 2 cells of each patch."""
    return cells.reshape(*cells.shape[:-2], GRID[0], 2, GRID[1], 2).mean(axis=(-3, -1)) >= 0.25


def _unit_hits(paired: SynthSplit, place: int, text: AffectText, plan: np.ndarray) -> float:
    """Share of the clip's action-unit words whose strongest patch that unit alone moves; nan without such a word."""
    shown, truth, hits = sample_indices(paired.length, FRAMES, None)[0], paired.truth(place), []
    for phrase in text.phrases:
        if phrase.action_unit in paired.action_units and text.affect[phrase.columns].any():
            moved = _patches(truth.au_relevant[shown, paired.action_units.index(phrase.action_unit)])
            if moved.any():
                hits.append(moved.ravel()[plan[:, phrase.columns].sum(axis=1).argmax()])
    return float(np.mean(hits)) if hits else np.nan


def _half_span(heat: np.ndarray) -> tuple[float, float]:
    """The shortest run of frames that holds half of the heat."""
    total, best = heat.sum(), (0.0, float(len(heat)))
    for start in range(len(heat)):
        inside = np.cumsum(heat[start:]) >= 0.5 * total
        if inside.any() and (length := int(inside.argmax()) + 1) < best[1] - best[0]:
            best = (float(start), float(start + length))
    return best


def pictured(paired: SynthSplit) -> tuple[int, ...]:
    """Four clips for the picture: of four classes the first scene, with every kind of motion on."""
    return tuple(
        next(i for i, label in enumerate(paired.labels) if label == wanted and paired.condition[i] == "all")
        for wanted in ("happiness", "anger", "surprise", "disgust")
    )
