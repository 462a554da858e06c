"""Tables of the controlled study: every arm with intervals, and its difference from `base` on the same clips.

Intervals are 95 % bootstrap intervals over test clips (UAR, WAR) or whole scenes (localisation) of the mean over seeds;
the spread between seeds stands beside them. Used by `grace_synth.py`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from grace_synth_clips import Seen, all_keys
from grace_synth_scores import CONDITIONS, MAPS, PLACES, REFERENCES, reference_scores

from emotrace.datasets.synth_dfer import SynthDfer
from emotrace.grace.config import DISCLAIMER
from emotrace.grace.language.text_probe import text_probe
from emotrace.metrics.confusion_matrix import uar, war
from emotrace.metrics.localisation import mean_of
from emotrace.metrics.resampling import Difference, Interval, SummedScore, bootstrap, from_cells, paired_difference

Runs = dict[str, list[dict[str, np.ndarray]]]
BASE = "base"


def write_results(
    data: SynthDfer,
    arms: Sequence[str],
    folders: Sequence[Path],
    target: Path,
    minutes: dict[str, float],
    seen: Path,
) -> None:
    """Writes the JSON, the markdown page and prints the page."""
    runs: Runs = {arm: [] for arm in arms}
    records: dict[str, list[dict[str, Any]]] = {arm: [] for arm in arms}
    for folder in folders:
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        records[record["arm"]].append(record)
        runs[record["arm"]].append(dict(np.load(folder / "scores.npz")))
    test, paired = data.split("test"), data.split("paired")
    result = {
        "disclaimer": DISCLAIMER,
        "seeds": len(folders) // len(arms),
        "machine": f"{platform.machine()}, {platform.system()}, torch {torch.__version__}, 2 processes of one thread",
        "minutes": minutes,
        "classification": {arm: _classification(runs, arm, test.codes) for arm in arms},
        "conditions": {arm: _uar_by_condition(runs[arm], paired.codes, np.array(paired.condition)) for arm in arms},
        "localisation": {
            which: {arm: _localisation(runs, arm, which, paired.scene, np.array(paired.condition)) for arm in arms}
            for which in MAPS
        },
        "references": _references(data, Seen(folder=seen, seed=0, order="forward", keys=all_keys(data))),
        "gates": {arm: [record["gates"] for record in records[arm]] for arm in arms},
        "terms": {arm: [record["terms"] for record in records[arm]] for arm in arms},
        "text_probe": _probe(data),
    }
    (target / "results").mkdir(parents=True, exist_ok=True)
    (target / "results" / "grace_synth.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    page = markdown(result)
    (target / "results" / "grace_synth.md").write_text(page, encoding="utf-8")
    print(page)


def _confusion_score(
    runs: Sequence[dict[str, np.ndarray]], codes: np.ndarray, key: str, score: Callable[[Any], Any]
) -> SummedScore:
    """Mean over seeds of a function of the confusion matrix, as a function of totals over clips."""
    classes = int(codes.max()) + 1
    parts = [
        from_cells(codes * classes + run[key].argmax(axis=1), shape=(classes, classes), score=score) for run in runs
    ]

    def finish(totals: Any) -> Any:
        each = np.reshape(totals, (*np.shape(totals)[:-1], len(parts), classes, classes))
        return score(each).mean(axis=-1)

    return SummedScore(rows=np.concatenate([part.rows for part in parts], axis=1), finish=finish)


def _classification(runs: Runs, arm: str, codes: np.ndarray) -> dict[str, Any]:
    """UAR and WAR with intervals, seeds apart, worst class, and the difference from base."""
    found: dict[str, Any] = {}
    for name, score in (("uar", uar), ("war", war)):
        own = _confusion_score(runs[arm], codes, "test", score)
        found[name] = _interval(bootstrap(own)) | {
            "seeds": [round(100 * _confusion_score([run], codes, "test", score).value, 2) for run in runs[arm]]
        }
        if arm != BASE and BASE in runs:
            found[name]["from_base"] = _interval(
                paired_difference(own, _confusion_score(runs[BASE], codes, "test", score))
            )
    recalls = np.mean([_recalls(run["test"], codes) for run in runs[arm]], axis=0)
    return found | {"recalls": np.round(100 * recalls, 1).tolist(), "worst": round(100 * float(recalls.min()), 1)}


def _recalls(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return np.array([np.mean(probabilities[codes == code].argmax(axis=1) == code) for code in range(codes.max() + 1)])


def _uar_by_condition(
    runs: Sequence[dict[str, np.ndarray]], codes: np.ndarray, condition: np.ndarray
) -> dict[str, float]:
    """UAR on each condition of `paired`."""
    return {
        name: round(
            100
            * float(np.mean([_recalls(run["paired"][condition == name], codes[condition == name]) for run in runs])),
            1,
        )
        for name in CONDITIONS
    }


def _localisation(runs: Runs, arm: str, which: str, scenes: Sequence[str], condition: np.ndarray) -> dict[str, Any]:
    """Every localisation score over all conditions with its interval over scenes, and pointing per condition."""
    found: dict[str, Any] = {}
    for place in PLACES:
        values = np.mean([run[f"{which}/{place}"] for run in runs[arm]], axis=0)
        found[place] = _interval(bootstrap(mean_of(values), rounds=2000, clusters=scenes), unit=1.0)
        if arm != BASE and BASE in runs:
            base = np.mean([run[f"{which}/{place}"] for run in runs[BASE]], axis=0)
            both = np.isfinite(values) & np.isfinite(base)
            difference = mean_of(np.where(both, values - base, np.nan))
            found[place]["from_base"] = _interval(bootstrap(difference, rounds=2000, clusters=scenes), unit=1.0)
    pointing = np.mean([run[f"{which}/pointing"] for run in runs[arm]], axis=0)
    found["pointing_by_condition"] = {
        name: round(float(np.nanmean(pointing[condition == name])), 3) for name in CONDITIONS
    }
    return found


def _references(data: SynthDfer, seen: Seen) -> dict[str, Any]:
    """Maps that need no model."""
    paired = data.split("paired")
    condition = np.array(paired.condition)
    found: dict[str, Any] = {}
    for name in REFERENCES:
        scores = reference_scores(data, name, seen)
        found[name] = {place: round(float(np.nanmean(scores[place])), 3) for place in PLACES} | {
            "pointing_by_condition": {
                one: round(float(np.nanmean(scores["pointing"][condition == one])), 3) for one in CONDITIONS
            }
        }
    return found


def _probe(data: SynthDfer) -> dict[str, dict[str, float]]:
    """What a reader of the texts alone scores."""
    train, test = data.split("train"), data.split("test")
    found = {}
    for column in ("text_coarse", "text_raw", "text_fine", "text_distractor"):
        scores = text_probe(train.texts[column], train.labels, test.texts[column], test.labels)
        found[column] = {"uar": round(100 * scores.uar, 1), "war": round(100 * scores.war, 1)}
    return found


def _interval(found: Interval | Difference, unit: float = 100.0) -> dict[str, float]:
    interval, digits = (found.interval if isinstance(found, Difference) else found), 2 if unit == 100.0 else 3
    named = {"estimate": found.estimate, "low": interval.low, "high": interval.high}
    return {name: round(unit * value, digits) for name, value in named.items()}


def markdown(result: dict[str, Any]) -> str:
    """The page: classification, localisation in both modes, conditions, references."""
    minutes = result["minutes"]
    total = sum(minutes.values())
    lines = [
        "# GRACE on rendered faces: what each part does",
        "",
        f"*{result['disclaimer']}* Rendered faces: no number here says anything about real ones.",
        "",
        "Command: `python recipes/grace_synth.py --root ../shared/data/synth_dfer`, "
        f"{result['seeds']} seeds, {total:.0f} minutes ({result['machine']}): encoders {minutes['encoders']}, "
        f"looking {minutes['seen']}, arms {minutes['arms']}. In brackets: 95 % bootstrap intervals of the seeds' mean, "
        "over clips (UAR) or scenes (localisation). **Bold**: the interval of the difference from `base` leaves out 0. "
        "What it means: [docs/grace.md](../grace.md#the-controlled-study).",
        "",
        "## Classification (`test`, 700 clips, chance 14.3)",
        "",
        "| arm | UAR | minus base | WAR | worst class | UAR per seed |",
        "|---|---|---|---|---|---|",
        *(_classification_row(arm, row) for arm, row in result["classification"].items()),
        "",
        *_probe_lines(result),
    ]
    for which, title in MAPS.items():
        lines += [
            f"## Localisation (`paired`, 840 clips): {title}",
            "",
            "| arm | " + " | ".join(PLACES.values()) + " |",
            "|---|" + "---|" * len(PLACES),
            *(_place_row(arm, row) for arm, row in result["localisation"][which].items()),
            *(
                f"| *{name}* | " + " | ".join(f"{row[place]:.3f}" for place in PLACES) + " |"
                for name, row in result["references"].items()
            ),
            "",
            "Pointing by condition:",
            "",
            "| arm | " + " | ".join(CONDITIONS) + " |",
            "|---|" + "---|" * len(CONDITIONS),
            *(
                f"| {arm} | " + " | ".join(f"{row['pointing_by_condition'][one]:.3f}" for one in CONDITIONS) + " |"
                for arm, row in (result["localisation"][which] | result["references"]).items()
            ),
            "",
        ]
    lines += [
        "## UAR by condition (`paired`)",
        "",
        "| arm | " + " | ".join(CONDITIONS) + " |",
        "|---|" + "---|" * len(CONDITIONS),
        *(
            f"| {arm} | " + " | ".join(f"{row[one]:.1f}" for one in CONDITIONS) + " |"
            for arm, row in result["conditions"].items()
        ),
        "",
    ]
    return "\n".join(lines)


def _classification_row(arm: str, row: dict[str, Any]) -> str:
    u, w = row["uar"], row["war"]
    own = f"{u['estimate']:.1f} [{u['low']:.1f}, {u['high']:.1f}]"
    seeds = ", ".join(f"{seed:.1f}" for seed in u["seeds"])
    return f"| {arm} | {own} | {_difference(u, 1)} | {w['estimate']:.1f} | {row['worst']:.1f} | {seeds} |"


def _place_row(arm: str, row: dict[str, Any]) -> str:
    cells = (f"{row[place]['estimate']:.3f} {_difference(row[place], 3)}" for place in PLACES)
    return f"| {arm} | " + " | ".join(cells) + " |"


def _difference(row: dict[str, Any], digits: int) -> str:
    if (found := row.get("from_base")) is None:
        return ""
    text = f"{found['estimate']:+.{digits}f} [{found['low']:+.{digits}f}, {found['high']:+.{digits}f}]"
    return f"**{text}**" if found["low"] > 0.0 or found["high"] < 0.0 else text


def _probe_lines(result: dict[str, Any]) -> list[str]:
    """What text alone gives away, and how well refinement sorts sentences."""
    probe = result["text_probe"]
    words = ", ".join(f"{name} {row['uar']:.1f}" for name, row in probe.items())
    return [f"Text-only probe (TF-IDF, logistic regression, the same train and test clips), UAR: {words}.", ""]
