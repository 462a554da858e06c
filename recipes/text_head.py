"""Trains the words head, `src/emotrace/assets/text.npz`, and writes what its card reports.

Data (all CC BY 4.0, none of it shipped): GoEmotions (Demszky et al. 2020); XED English (Oehman et al. 2020) and
SemEval-2025 task 11 English (Muhammad et al. 2025), whose labels stand for unions of GoEmotions' labels.

1. Each training text -> hashed features and tokens (`emotrace.heads.words_features`).
2. Regressions on GoEmotions alone say, once, which label of its union each label of the other two sets stands for.
3. Cross-fit: for each of three folds of the GoEmotions texts, one regression per label is trained on the other folds
   and, with little weight, on the other sets. What they say of the fold left out fits the calibration and the
   threshold of each label. (Step 2 saw every fold: the folds are blind but for that choice.)
4. They are trained on all training texts, rounded to 8 bits and written.
5. The written file is read back by `WordsHead` and scored on the dev part, which nothing before has seen.

Run: python recipes/text_head.py --data ../shared/data --out src/emotrace/assets/text.npz --results docs/results
One thread, seed 20260107. Other forms of the same size are compared by `recipes/text_head_candidates.py`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from text_head_data import goemotions, semeval, xed
from text_head_fit import area_under_roc, best_f1_per_label, calibration, f1_per_label, save, sigmoid, thresholds
from text_head_linear import Linear, Table, Witness, common, feature_hashes, piece_hashes, word_hashes
from text_head_report import judge, write_results

from emotrace.heads.words import WordsHead

SEED = 20260107
FOLDS = 3
FEATURE_AT_LEAST, WORD_AT_LEAST = 3, 2
"""Training texts that hold a feature, or a word, before it is known."""


def folds_of(count: int) -> list[np.ndarray]:
    """Row numbers of each fold; every text is in one."""
    return np.array_split(np.random.default_rng(SEED).permutation(count), FOLDS)


def cross_fitted(matrix: sparse.csr_matrix, truth: np.ndarray, more: Sequence[Witness]) -> np.ndarray:
    """Logits of each training text by regressions that have not seen it."""
    logits = np.zeros(truth.shape)
    for number, held_out in enumerate(folds_of(len(truth))):
        rest = np.setdiff1d(np.arange(len(truth)), held_out)
        logits[held_out] = Linear.fit(matrix[rest], truth[rest], more).logits(matrix[held_out])
        macro = best_f1_per_label(logits[held_out], truth[held_out]).mean()
        print(f"fold {number}: macro-F1 at its best thresholds {macro:.4f}, {time.process_time():.0f} s", flush=True)
    return logits


def control(
    matrix: sparse.csr_matrix, truth: np.ndarray, dev: sparse.csr_matrix, dev_truth: np.ndarray
) -> dict[str, float]:
    """The same training on the labels of other texts; each label is decided as often as it is in training."""
    shuffled = truth[np.random.default_rng(SEED).permutation(len(truth))]
    logits = Linear.fit(matrix, shuffled).logits(dev)
    shares = truth.mean(axis=0)
    cuts = np.array([np.quantile(logits[:, k], 1 - share) for k, share in enumerate(shares)])
    areas = [area_under_roc(logits[:, k], dev_truth[:, k]) for k in range(truth.shape[1])]
    return {
        "macro_f1": float(f1_per_label(logits > cuts, dev_truth).mean()),
        "macro_f1_expected_by_chance": float(shares.mean()),
        "mean_area_under_roc": float(np.mean(areas)),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of text_goemotions, text_xed, text_semeval2025t11"
    )
    parser.add_argument("--out", type=Path, required=True, help="the model file to write")
    parser.add_argument("--results", type=Path, required=True, help="folder for head_text.json and head_text.md")
    arguments = parser.parse_args()
    train_set = goemotions(arguments.data, "train")
    truth, rows = train_set.truth, feature_hashes(train_set.texts)
    table = Table.of(rows, piece_hashes(train_set.texts), FEATURE_AT_LEAST)
    matrix = table.matrix(rows)
    every_text = [text for read in (goemotions, xed, semeval) for text in read(arguments.data, "train").texts]
    words, _ = common(word_hashes(every_text), WORD_AT_LEAST)
    print(f"{len(table.hashes)} features, {len(words)} words, {time.process_time():.0f} s", flush=True)

    base = Linear.fit(matrix, truth)
    more = []
    for other in (read(arguments.data, "train") for read in (xed, semeval)):
        others = table.matrix(feature_hashes(other.texts))
        more.append(Witness.of(other, others, base.logits(others)))
    logits = cross_fitted(matrix, truth, more)
    slope, intercept, ceiling = calibration(logits, truth)
    cuts = thresholds(ceiling * sigmoid(slope * logits + intercept), truth, SEED)
    linear = Linear.fit(matrix, truth, more)
    save(
        arguments.out, linear=linear, table=table, words=words,
        slope=slope, intercept=intercept, ceiling=ceiling, cuts=cuts,
    )  # fmt: skip
    minutes = time.process_time() / 60

    dev_sets = [read(arguments.data, "dev") for read in (goemotions, xed, semeval)]
    results = judge(WordsHead(arguments.out), arguments.out, *dev_sets, seed=SEED)
    dev = table.matrix(feature_hashes(dev_sets[0].texts))
    results["control_shuffled_labels"] = control(matrix, truth, dev, dev_sets[0].truth)
    results["training"] = {
        "command": "python recipes/text_head.py --data DATA --out src/emotrace/assets/text.npz --results docs/results",
        "machine": "one of 2 shared cores of an AMD EPYC server",
        "minutes": round(minutes, 1),
        "features": len(table.hashes),
        "words": len(words),
        "seed": SEED,
    }
    write_results(arguments.results, results)
    print(
        json.dumps({key: results[key] for key in ("goemotions_dev", "control_shuffled_labels", "training")}, indent=1)
    )


if __name__ == "__main__":
    main()
