"""What the card of the words head reports, measured on the dev parts with the written model file."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from text_head_data import UNIONS, Texts
from text_head_fit import area_under_roc, calibration_error, f1_per_label

from emotrace.files import sha256_of
from emotrace.heads.words import EMOTIONS, WordsHead

DRAWS = 1000
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
PLEASANT = ("happy", "glad", "excited", "proud", "grateful", "thankful", "impressed", "amused", "pleased", "relieved")
JOYS = ("joy", "excitement", "pride", "gratitude", "admiration", "amusement", "relief", "love")
SAID = ("I am {}", "I'm so {} today", "she was really {} about it", "we are very {}", "I feel {} right now")
DENIED = (
    "I am not {}",
    "I'm not {} today at all",
    "she was never really {} about it",
    "we aren't {}",
    "I don't feel {} right now",
)


def judge(head: WordsHead, file: Path, dev: Texts, xed: Texts, semeval: Texts, *, seed: int) -> dict[str, Any]:
    """All measurements as one plain record."""
    began = time.process_time()
    reading = head.read(dev.texts)
    each = (time.process_time() - began) / len(dev.texts)
    p, decided, truth = reading.probabilities, reading.decided, dev.truth
    interval = _intervals(len(truth), seed)
    top = p.argmax(axis=1)
    top_p, top_right = p.max(axis=1), truth[np.arange(len(truth)), top]
    scores: dict[str, Callable[[np.ndarray], float]] = {
        "macro_f1": lambda rows: float(f1_per_label(decided[rows], truth[rows]).mean()),
        "micro_f1": lambda rows: _micro(decided[rows], truth[rows]),
        "ece_pooled_labels": lambda rows: calibration_error(p[rows], truth[rows]),
        "ece_top_label": lambda rows: calibration_error(top_p[rows], top_right[rows]),
        "top_label_accuracy": lambda rows: float(top_right[rows].mean()),
    }
    return {
        "sha256": sha256_of(file),
        "bytes": file.stat().st_size,
        "milliseconds_a_sentence": round(1000 * each, 3),
        "goemotions_dev": {"texts": len(truth)} | {name: interval(score) for name, score in scores.items()},
        "ece_mean_of_labels": float(np.mean([calibration_error(p[:, k], truth[:, k]) for k in range(len(EMOTIONS))])),
        "mean_area_under_roc": float(np.mean([area_under_roc(p[:, k], truth[:, k]) for k in range(len(EMOTIONS))])),
        "abstention": _abstention(top_p, top_right, decided, truth),
        "ceilings": {name: float(head.ceilings[k]) for k, name in enumerate(EMOTIONS)},
        "labels": _labels(p, decided, truth, head),
        "xed_dev": _by_union(head, xed),
        "semeval_dev": _by_union(head, semeval),
        "negation": _negation(head),
        "attribution": _attribution(head, dev.texts[:300]),
        "known": {"goemotions_dev": float(reading.known.mean()), "xed_dev": float(head.read(xed.texts).known.mean())},
    }


def _intervals(count: int, seed: int) -> Callable[[Callable[[np.ndarray], float]], dict[str, Any]]:
    """A score with its 95 % interval over draws of texts, the same draws for every score."""
    generator = np.random.default_rng(seed)
    draws = [generator.integers(0, count, count) for _ in range(DRAWS)]

    def of(score: Callable[[np.ndarray], float]) -> dict[str, Any]:
        low, high = np.quantile([score(rows) for rows in draws], [0.025, 0.975])
        return {"value": score(np.arange(count)), "low": float(low), "high": float(high)}

    return of


def _micro(decided: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (decided & (truth > 0)).sum() / (decided.sum() + truth.sum()))


def _abstention(top_p: np.ndarray, right: np.ndarray, decided: np.ndarray, truth: np.ndarray) -> list[dict[str, float]]:
    """Accuracy of the top label and macro-F1 among the most confident texts."""
    order = np.argsort(-top_p, kind="stable")
    rows = [(coverage, order[: round(coverage * len(order))]) for coverage in COVERAGES]
    return [
        {
            "coverage": coverage,
            "top_label_accuracy": float(right[kept].mean()),
            "micro_f1": _micro(decided[kept], truth[kept]),
            "least_confidence": float(top_p[kept[-1]]),
        }
        for coverage, kept in rows
    ]


def _labels(p: np.ndarray, decided: np.ndarray, truth: np.ndarray, head: WordsHead) -> dict[str, dict[str, float]]:
    f1, hits = f1_per_label(decided, truth), (decided & (truth > 0)).sum(axis=0)
    return {
        name: {
            "texts": int(truth[:, k].sum()),
            "f1": float(f1[k]),
            "precision": float(hits[k] / max(1, decided[:, k].sum())),
            "recall": float(hits[k] / max(1, truth[:, k].sum())),
            "area_under_roc": area_under_roc(p[:, k], truth[:, k]),
            "ece": calibration_error(p[:, k], truth[:, k]),
            "threshold": float(head.thresholds[k]),
        }
        for k, name in enumerate(EMOTIONS)
    }


def _by_union(head: WordsHead, texts: Texts) -> dict[str, Any]:
    """Another scheme's labels, each answered by the largest probability among the labels that it stands for."""
    p = head.read(texts.texts).probabilities
    area = {
        name: area_under_roc(p[:, [EMOTIONS.index(part) for part in UNIONS[name]]].max(axis=1), texts.truth[:, k])
        for k, name in enumerate(texts.labels)
    }
    return {"texts": len(texts.texts), "area_under_roc": area, "mean": float(np.mean(list(area.values())))}


def _negation(head: WordsHead) -> dict[str, Any]:
    """Pleasant words said and denied, in five frames each: how often a joyful label is decided and is the top label."""

    def share(frames: Sequence[str]) -> Mapping[str, float]:
        reading = head.read([frame.format(word) for frame in frames for word in PLEASANT])
        joys = [EMOTIONS.index(name) for name in JOYS]
        p = reading.probabilities
        return {
            "decided": float(reading.decided[:, joys].any(axis=1).mean()),
            "top_with_0.5": float(((p[:, joys].max(axis=1) >= p.max(axis=1)) & (p[:, joys].max(axis=1) >= 0.5)).mean()),
            "mean_probability": float(p[:, joys].max(axis=1).mean()),
        }

    return {"sentences_each": len(SAID) * len(PLEASANT), "said": share(SAID), "denied": share(DENIED)}


def _attribution(head: WordsHead, sentences: Sequence[str]) -> dict[str, float]:
    """For the top label: the gap between sum and probability; how often taking the strongest token out lowers it."""
    gaps, lowered = [], []
    for sentence in sentences:
        p = head.read([sentence]).probabilities[0].astype(np.float64)
        k = int(p.argmax())
        parts = head.contributions(sentence, EMOTIONS[k])
        logit = head.bias(EMOTIONS[k]) + sum(part.log_odds for part in parts)
        gaps.append(abs(head.ceilings[k] / (1 + math.exp(-logit)) - p[k]))
        without = sentence[: parts[0].start] + sentence[parts[0].end :]
        lowered.append(float(head.read([without]).probabilities[0, k] < p[k]))
    return {
        "sentences": len(sentences),
        "largest_gap": float(max(gaps)),
        "lowered_by_strongest": float(np.mean(lowered)),
    }


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """`head_text.json` with every number, `head_text.md` with the tables of the card."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "head_text.json").write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "head_text.md").write_text(_tables(results), encoding="utf-8")


def _tables(results: dict[str, Any]) -> str:
    lines = ["# The words head on the dev parts", "", f"SHA-256 of the weights: `{results['sha256']}`", ""]
    lines += ["| GoEmotions dev, 28 labels | value (95 % interval over texts) |", "|---|---|"]
    for name, score in results["goemotions_dev"].items():
        if name != "texts":
            lines.append(
                f"| {name.replace('_', ' ')} | {score['value']:.3f} ({score['low']:.3f}-{score['high']:.3f}) |"
            )
    lines += ["", "| coverage | top label right | micro-F1 | confidence from |", "|---|---|---|---|"]
    lines += [
        f"| {row['coverage']:.0%} | {row['top_label_accuracy']:.3f} | {row['micro_f1']:.3f} "
        f"| {row['least_confidence']:.2f} |"
        for row in results["abstention"]
    ]
    lines += [
        "",
        "| label | texts | F1 | precision | recall | AUC | ECE | threshold |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['texts']} | {row['f1']:.3f} | {row['precision']:.3f} | {row['recall']:.3f} "
        f"| {row['area_under_roc']:.3f} | {row['ece']:.3f} | {row['threshold']:.2f} |"
        for name, row in results["labels"].items()
    ]
    for part in ("xed_dev", "semeval_dev"):
        area = results[part]["area_under_roc"] | {"mean": results[part]["mean"]}
        lines += [
            "",
            f"| {part.replace('_', ' ')}: area under ROC | {' | '.join(area)} |",
            "|---" * (len(area) + 1) + "|",
        ]
        lines += [f"| {results[part]['texts']} texts | {' | '.join(f'{value:.3f}' for value in area.values())} |"]
    return "\n".join(lines) + "\n"
