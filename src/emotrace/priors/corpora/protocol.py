"""Folds: stratified by class, with groups kept whole, and the same on every machine. Section 9 [ours]."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from emotrace.errors import CheckpointMismatch, UnreadableResult, UsageError, first_five
from emotrace.files import write_atomically
from emotrace.priors.clips import PriorClips
from emotrace.training.seeds import generator_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Folds:
    """Which labelled clip is tested in which fold."""

    fold_of: Int64[np.ndarray, " clip"]
    """From 1; 0 for a clip without a label."""
    count: int
    sha256: str
    """Of the keys with their folds: two runs with the same one are comparable."""

    def test(self, fold: int) -> Bool[np.ndarray, " clip"]:
        """The clips that a fold is tested on."""
        return np.asarray(self.fold_of == fold)

    def train(self, fold: int) -> Bool[np.ndarray, " clip"]:
        """The labelled clips that it may learn from."""
        return np.asarray((self.fold_of != fold) & (self.fold_of > 0))


def make_folds(clips: PriorClips, *, count: int = 5, seed: int = 0) -> Folds:
    """Deals groups to folds, large ones first, each where its classes are scarcest.

    A class with fewer clips than folds is missing in some of them; it is still learned and scored where it occurs.

    Raises:
        UsageError: Fewer than two folds, or fewer groups of labelled clips than folds.
    """
    labelled = np.flatnonzero(clips.labels >= 0)
    groups: dict[tuple[str, str], list[int]] = {}
    for row in labelled[np.argsort([clips.keys[row] for row in labelled])]:
        group = None if clips.groups is None else clips.groups[row]
        groups.setdefault(("clip", clips.keys[row]) if group is None else ("group", group), []).append(int(row))
    if not 2 <= count <= len(groups):
        raise UsageError(f"{len(groups)} groups of labelled clips cannot make {count} folds", where="folds")
    names = list(groups)
    order = generator_of(seed, "", 0, "folds").permutation(len(names))
    classes = np.maximum(np.bincount(clips.labels[labelled], minlength=len(clips.label_names)), 1)
    dealt, fold_of = np.zeros((count, len(classes))), np.zeros(len(clips), np.int64)
    for rows in sorted((groups[names[index]] for index in order), key=len, reverse=True):
        own = np.bincount(clips.labels[rows], minlength=len(classes))
        crowding = ((2 * dealt * own + own**2) / classes).sum(axis=1)
        fold = int(np.lexsort((dealt.sum(axis=1), crowding.round(12)))[0])
        dealt[fold] += own
        fold_of[rows] = fold + 1
    return Folds(fold_of=fold_of, count=count, sha256=_sha256(clips, fold_of))


def kept_folds(clips: PriorClips, path: Path, *, count: int = 5, seed: int = 0) -> Folds:
    """The folds of a file, which is written once and then stays.

    Raises:
        CheckpointMismatch: The file deals other clips, or another number of folds.
        UnreadableResult: It is no file of folds.
        UnwritableOutput: It cannot be written.
    """
    if not path.is_file():
        made = make_folds(clips, count=count, seed=seed)
        dealt = {key: int(fold) for key, fold in zip(clips.keys, made.fold_of, strict=True) if fold}
        write_atomically(path, json.dumps({"sha256": made.sha256, "folds": dealt}, indent=0, sort_keys=True) + "\n")
        return made
    try:
        known: dict[str, int] = json.loads(path.read_bytes())["folds"]
        fold_of = np.array([known.get(key, 0) for key in clips.keys], np.int64)
        found = max(known.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableResult(f"is no file of folds ({error})", where=path) from None
    labelled = clips.labels >= 0
    strangers = [key for key, fold, own in zip(clips.keys, fold_of, labelled, strict=True) if bool(fold) != own]
    if strangers or found != count or len(known) != labelled.sum():
        what = f"of {found} folds; clips that differ: {first_five(strangers) or len(known) - int(labelled.sum())}"
        raise CheckpointMismatch(f"{what}, where {count} folds of {int(labelled.sum())} clips are wanted", where=path)
    return Folds(fold_of=fold_of, count=count, sha256=_sha256(clips, fold_of))


def _sha256(clips: PriorClips, fold_of: Int64[np.ndarray, " clip"]) -> str:
    lines = sorted(f"{key}\t{fold}\n" for key, fold in zip(clips.keys, fold_of.tolist(), strict=True) if fold)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
