"""Measures `face.onnx` on people it never saw, fits the map from units to expressions, and writes the results.

Run after `face_head.py`: python recipes/face_head_report.py --data ../shared/data --media ../shared/media
Writes docs/results/head_face.json and prints the map that stands in `emotrace/heads/face.py`. Seed 20250902.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from face_head import synth_dfer
from face_head_portraits import load, marked
from face_head_render import UNIT_NAMES, Head
from face_head_scenes import CROP, STORED, Samples, Studio, no_face
from face_head_spoil import degraded
from sklearn.linear_model import LogisticRegression

from emotrace.heads.face import EXPRESSIONS, FaceHead, FaceReading
from emotrace.media.align import Pose, align
from emotrace.media.faces import FaceDetector, OpenCVDetector, YuNetDetector
from emotrace.media.tracking import FaceTracker
from emotrace.media.video import FrameReader

SEED = 20250902
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
SYNTH_CLASSES = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
Score = Callable[[np.ndarray], float]


def interval(score: Score, groups: np.ndarray, draws: int = 1000) -> list[float]:
    """A score of row numbers, with its 95 % interval over draws of the groups (people, identities, clips)."""
    rng, names = np.random.default_rng(SEED), np.unique(groups)
    rows = {name: np.flatnonzero(groups == name) for name in names}
    values = [score(np.concatenate([rows[n] for n in rng.choice(names, len(names))])) for _ in range(draws)]
    return [round(float(v), 4) for v in (score(np.arange(len(groups))), *np.nanpercentile(values, [2.5, 97.5]))]


def area(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half."""
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = np.sort(negative)
    below = (np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")) / 2
    return float(below.mean() / len(negative))


def icc(true: np.ndarray, found: np.ndarray) -> float:
    """Intraclass correlation ICC(3,1) of two raters (Shrout & Fleiss 1979)."""
    pairs = np.stack([true, found], axis=1)
    rows, columns, mean = pairs.mean(1), pairs.mean(0), pairs.mean()
    between = 2 * ((rows - mean) ** 2).sum() / (len(pairs) - 1)
    left = ((pairs - rows[:, None] - columns + mean) ** 2).sum() / (len(pairs) - 1)
    return float((between - left) / (between + left + 1e-12))


def inner(stored: np.ndarray) -> np.ndarray:
    """The product's crops out of stored ones."""
    rim = (STORED - CROP) // 2
    return np.ascontiguousarray(stored[:, rim : rim + CROP, rim : rim + CROP])


def product_crop(picture: np.ndarray, detector: FaceDetector) -> tuple[np.ndarray, Pose] | None:
    """The crop that the product makes of a photograph, and where it lies."""
    found = detector.detect(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB))
    if not found:
        return None
    rough = Pose.of(found[0])
    grey = np.ascontiguousarray(picture)
    settled = align(grey, rough)
    near = np.hypot(settled.x - rough.x, settled.y - rough.y) < 0.2 * rough.side
    pose = settled if near and abs(np.log(settled.side / rough.side)) < 0.25 else rough
    return pose.crop(grey, CROP), pose


def in_picture(marks: np.ndarray, pose: Pose) -> np.ndarray:
    """Pixels of the crop -> pixels of the picture."""
    cos, sin = np.cos(pose.roll), np.sin(pose.roll)
    return (marks - 0.5 * (CROP - 1)) * pose.side / CROP @ np.array([[cos, sin], [-sin, cos]]) + [pose.x, pose.y]


def portraits(folder: Path, head: FaceHead, detector: FaceDetector, split: str) -> dict[str, Any]:
    """Landmarks on neutral portraits, and what a smile changes."""
    by_hand, rows = marked(folder), [r for r in csv.DictReader((folder / "photos.csv").open()) if r["split"] == split]
    crops, poses, kept = [], [], []
    for row in rows:
        made = product_crop(cv2.imread(str(folder / row["file"]), cv2.IMREAD_GRAYSCALE), detector)
        if made is not None:
            crops.append(made[0])
            poses.append(made[1])
            kept.append(row)
    reading = head.read(np.stack(crops))
    people, smiling = np.array([r["id"] for r in kept]), np.array([r["expression"] == "happiness" for r in kept])
    errors, who = [], []
    mapped = {int(r["multipie68"]) for r in csv.DictReader((folder / "landmark_order.csv").open()) if r["multipie68"]}
    for row, marks, pose in zip(kept, reading.landmarks, poses, strict=True):
        if row["file"] in by_hand:
            known = by_hand[row["file"]]
            chosen = np.isin(known.landmark, list(mapped))
            true = dict(zip(known.landmark.tolist(), known.pixels, strict=True))
            off = in_picture(marks, pose)[known.landmark[chosen]] - known.pixels[chosen]
            errors.append(np.linalg.norm(off, axis=1) / np.linalg.norm(true[45] - true[36]))
            who.append(row["id"])
    each = np.array(errors)
    numbers = np.array(sorted(mapped))
    parts = {"brows": (17, 27), "eyes": (36, 48), "nose": (27, 36), "mouth": (48, 68), "chin": (0, 17)}
    result: dict[str, Any] = {
        "pictures": len(kept),
        "nme": interval(lambda i: float(each[i].mean()), np.array(who)),
        "nme_by_part": {
            n: round(float(each[:, (numbers >= a) & (numbers < b)].mean()), 4) for n, (a, b) in parts.items()
        },
        "quality_median_and_least": [round(float(v), 3) for v in (np.median(reading.quality), reading.quality.min())],
    }
    scores = {name: reading.units[:, UNIT_NAMES.index(name)] for name in ("AU12", "AU06", "AU25")}
    for name, value in scores.items():
        result[name] = smile_scores(value, smiling, people)
    result["_units"], result["_smiling"], result["_people"] = reading.units, smiling, people
    return result


def smile_scores(value: np.ndarray, smiling: np.ndarray, people: np.ndarray) -> dict[str, Any]:
    """Area under ROC, share of people whose smiling portrait has more, and means."""
    both = [p for p in np.unique(people) if (smiling[people == p]).any() and (~smiling[people == p]).any()]
    pairs = np.array([value[(people == p) & smiling][0] > value[(people == p) & ~smiling][0] for p in both], float)
    return {
        "area": interval(lambda i: area(value[i][smiling[i]], value[i][~smiling[i]]), people),
        "higher_for_the_same_person": interval(lambda i: float(pairs[i].mean()), np.array(both)),
        "mean_smiling": round(float(value[smiling].mean()), 3),
        "mean_neutral": round(float(value[~smiling].mean()), 3),
    }


def unit_table(reading: FaceReading, samples: Samples) -> dict[str, dict[str, float]]:
    """Per unit: correlation, mean absolute error, ICC(3,1)."""
    table = {}
    for number, name in enumerate(UNIT_NAMES):
        true = samples.units[:, number]
        known = np.isfinite(true)
        if known.any() and true[known].std() > 0.02:
            found = reading.units[known, number]
            values = np.corrcoef(true[known], found)[0, 1], np.abs(true[known] - found).mean(), icc(true[known], found)
            table[name] = dict(zip(("r", "mae", "icc"), (round(float(v), 3) for v in values), strict=True))
    table["mean"] = {k: round(float(np.mean([row[k] for row in table.values()])), 3) for k in ("r", "mae", "icc")}
    return table


def pose_error(reading: FaceReading, samples: Samples) -> list[float]:
    """Mean absolute error of pitch, yaw, roll in degrees."""
    return [round(float(v), 2) for v in np.nanmean(np.abs(reading.pose_degrees - samples.pose), axis=0)]


def unseen(data: Path, head: FaceHead, count: int) -> dict[str, Any]:
    """Drawn faces of the 15 dev people and of made-up ones, and crops without a face from the dev pictures."""
    mesh = Head(data / "face_ict")
    people = load(data / "face_london", mesh, "dev")
    studio, rows = Studio(mesh, people), []
    for number in range(count):
        rng = np.random.default_rng([SEED, number])
        rows.append((studio.photographed if number % 2 else studio.painted)(rng))
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    samples = Samples(**dict(zip(("crop", "landmarks", "units", "pose", "quality"), columns, strict=True)))
    rng = np.random.default_rng(SEED)
    reading = head.read(inner(samples.crop))
    eyes = np.linalg.norm(samples.landmarks[:, 36] - samples.landmarks[:, 45], axis=1)
    nme = np.linalg.norm(reading.landmarks - samples.landmarks, axis=2).mean(1) / eyes
    frontal = np.abs(samples.pose[:, 1]) < 30
    apart = samples.landmarks[frontal].mean(0) - samples.landmarks[frontal]
    nothing = np.stack([no_face(people, rng) for _ in range(count // 2)])
    nothing = np.stack([degraded(c.astype(np.float32), rng)[0] for c in inner(nothing)])
    empty = head.read(nothing).quality
    spoilt = {}
    for name, change in SPOILERS.items():
        worse = head.read(np.stack([change(crop) for crop in inner(samples.crop[:200])])).quality
        spoilt[name] = round(float(np.median(worse)), 3)
    return {
        "faces": count,
        "nme_within_30_degrees_of_yaw": round(float(nme[frontal].mean()), 4),
        "nme_of_the_mean_face": round(float((np.linalg.norm(apart, axis=2).mean(1) / eyes[frontal]).mean()), 4),
        "nme_by_quality_third": [
            round(float(part.mean()), 4) for part in np.array_split(nme[np.argsort(reading.quality)], 3)
        ],
        "pose_error_degrees": pose_error(reading, samples),
        "units": unit_table(reading, samples),
        "units_real_skin": unit_table(
            FaceReading(**{k: getattr(reading, k)[1::2] for k in FaceReading.__dataclass_fields__}),
            Samples(**{k: getattr(samples, k)[1::2] for k in Samples.__dataclass_fields__}),
        )["mean"],
        "nme_by_coverage_of_quality": {
            f"{share:.0%}": round(float(nme[np.argsort(-reading.quality)][: round(share * count)].mean()), 4)
            for share in COVERAGES
        },
        "quality_area_face_against_none": round(area(reading.quality, empty), 4),
        "quality_median_when_spoilt": {"as it is": round(float(np.median(reading.quality)), 3), **spoilt},
    }


def _small(crop: np.ndarray) -> np.ndarray:
    return cv2.resize(cv2.resize(crop, (14, 14), interpolation=cv2.INTER_AREA), (CROP, CROP))


def _half(crop: np.ndarray) -> np.ndarray:
    crop = crop.copy()
    crop[CROP // 2 :] = 128
    return crop


SPOILERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "blur of 6 px": lambda crop: cv2.GaussianBlur(crop, (0, 0), 6),
    "14 px wide": _small,
    "a thirtieth of the light": lambda crop: crop // 30,
    "lower half covered": _half,
    "upside down": lambda crop: np.ascontiguousarray(crop[::-1]),
}


def on_clips(media: Path, head: FaceHead, detector: FaceDetector) -> dict[str, Any]:
    """Quality of the tracker's crops, and how still landmarks and units are from one frame to the next (25 a second).

    A clip whose first 40 frames show nobody is searched again at 5 frames a second, up to 60 of them.
    """
    found = {}
    for path in sorted(p for p in media.iterdir() if p.suffix in (".mp4", ".mpg", ".mov")):
        followed = tracked(path, head, detector, rate_hz=25.0, frames=40)
        found[path.name] = followed if followed["crops"] else tracked(path, head, detector, rate_hz=5.0, frames=60)
    return found


def tracked(path: Path, head: FaceHead, detector: FaceDetector, *, rate_hz: float, frames: int) -> dict[str, Any]:
    """One clip's crops."""
    tracker, last, moves, jumps, qualities = FaceTracker(detector), {}, [], [], []
    for frame in itertools.islice(FrameReader(path, rate_hz=rate_hz), frames):
        for face in tracker.update(frame):
            reading = head.read(face.crop[None])
            place = in_picture(reading.landmarks[0], face.pose)
            qualities.append(float(reading.quality[0]))
            if face.track_id in last:
                before, units = last[face.track_id]
                shift = place - before
                eyes = np.linalg.norm(place[36] - place[45]) + 1e-6
                moves.append(np.linalg.norm(shift - shift.mean(0), axis=1).mean() / eyes)
                jumps.append(np.abs(reading.units[0] - units).mean())
            last[face.track_id] = place, reading.units[0]
    middle = lambda values: round(float(np.median(values)), 4) if values else None  # noqa: E731
    return {
        "frames_a_second": rate_hz,
        "crops": len(qualities),
        "quality_median": middle(qualities),
        "landmark_jitter_median": middle(moves),
        "unit_jitter_median": middle(jumps),
    }


def places_without_face(path: Path, head: FaceHead) -> dict[str, float]:
    """Quality at squares anywhere in a clip that shows nobody."""
    rng, crops = np.random.default_rng(SEED), []
    for frame in itertools.islice(FrameReader(path, rate_hz=1.0), 25):
        grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8)
        for _ in range(20):
            side = min(grey.shape) * rng.uniform(0.1, 0.8)
            x, y = (
                rng.uniform(0.5 * side, grey.shape[1] - 0.5 * side),
                rng.uniform(0.5 * side, grey.shape[0] - 0.5 * side),
            )
            crops.append(Pose(x=x, y=y, side=side).crop(grey, CROP))
    quality = head.read(np.stack(crops)).quality
    return {
        "places": len(crops),
        "median": round(float(np.median(quality)), 3),
        "95th_percentile": round(float(np.quantile(quality, 0.95)), 3),
        "share_above_half": round(float((quality > 0.5).mean()), 4),
    }


def apex_rows(samples: Samples, label: np.ndarray) -> np.ndarray:
    """Frames that show their clip's class: all of neutral ones, else those with at least half of the most."""
    total = np.nan_to_num(samples.units[:, :-1]).sum(1).reshape(-1, 4)
    strong = (total >= 0.6 * total.max(1, keepdims=True)).ravel()
    return strong | (label == EXPRESSIONS.index("neutral"))


def expressions(data: Path, head: FaceHead, london: dict[str, Any], train_london: dict[str, Any]) -> dict[str, Any]:
    """Fits the map from units to expressions, calibrates it on val, and scores it on test."""
    order = np.array([EXPRESSIONS.index(name) for name in SYNTH_CLASSES])
    sets = {}
    for split in ("train", "val", "test"):
        samples, label, who = synth_dfer(data / "synth_dfer", split, 4)
        label = order[label]
        rows = apex_rows(samples, label)
        sets[split] = head.read(inner(samples.crop[rows])).units, label[rows], who[rows]
    table = unit_table(head.read(inner(samples.crop)), samples)
    x, y, _ = sets["train"]
    real = train_london["_units"]
    real_y = np.where(train_london["_smiling"], EXPRESSIONS.index("happiness"), EXPRESSIONS.index("neutral"))
    balanced, photographs = len(y) / (7 * np.bincount(y)[y]), np.full(len(real_y), 0.5 * len(y) / 7 / len(real_y))
    weight = np.concatenate([balanced, photographs])
    model = LogisticRegression(C=1.0, max_iter=500)
    model.fit(np.concatenate([x, real]), np.concatenate([y, real_y]), sample_weight=weight)
    logits = lambda units: units @ model.coef_.T + model.intercept_  # noqa: E731
    xv, yv, _ = sets["val"]
    losses = {}
    for temperature in np.geomspace(0.5, 4, 40):
        odds = softmax(logits(xv) / temperature)
        losses[float(temperature)] = -np.log(odds[np.arange(len(yv)), yv] + 1e-9).mean()
    best = min(losses, key=losses.__getitem__)
    weights = np.round(np.vstack([model.coef_.T, model.intercept_]) / best, 2)
    for name, row in zip((*UNIT_NAMES, "rest"), weights, strict=True):
        print(f'    "{name}": ({", ".join(f"{v:.2f}" for v in row)}),')
    apply = lambda units: softmax(units @ weights[:-1] + weights[-1])  # noqa: E731
    xt, yt, who = sets["test"]
    odds = apply(xt)
    sure, right = odds.max(1), odds.argmax(1) == yt
    curve = {}
    for coverage in COVERAGES:
        kept = np.argsort(-sure, kind="stable")[: round(coverage * len(sure))]
        curve[f"{coverage:.0%}"] = round(float(right[kept].mean()), 3)
    shuffled = LogisticRegression(C=1.0, max_iter=200).fit(x, np.random.default_rng(SEED).permutation(y))
    happy = apply(london["_units"])[:, EXPRESSIONS.index("happiness")]
    calm = apply(london["_units"]).argmax(1) == EXPRESSIONS.index("neutral")
    smiling, people = london["_smiling"], london["_people"]
    return {
        "synth_dfer_units": table,
        "frames": len(yt),
        "temperature": round(best, 3),
        "accuracy": interval(lambda i: float(right[i].mean()), who),
        "uar": interval(lambda i: recall(odds[i].argmax(1), yt[i]), who),
        "ece": round(expected_calibration_error(sure, right), 4),
        "accuracy_by_coverage": curve,
        "control_shuffled_labels_uar": round(recall(shuffled.predict(xt), yt), 3),
        "london_dev_happiness": smile_scores(happy, smiling, people),
        "london_dev_neutral_is_likeliest": {
            "neutral": round(float(calm[~smiling].mean()), 3), "smiling": round(float(calm[smiling].mean()), 3)
        },
    }  # fmt: skip


def recall(found: np.ndarray, true: np.ndarray) -> float:
    """Unweighted average recall of the classes that occur."""
    return float(np.mean([(found[true == label] == label).mean() for label in np.unique(true)]))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def expected_calibration_error(sure: np.ndarray, right: np.ndarray) -> float:
    """Over ten bins of equal width (Guo et al. 2017)."""
    bins = np.minimum((sure * 10).astype(int), 9)
    each = [bins == number for number in np.unique(bins)]
    return float(sum(here.mean() * abs(sure[here].mean() - right[here].mean()) for here in each))


def milliseconds(head: FaceHead) -> float:
    """Processor time a crop on one core."""
    crops = np.random.default_rng(0).integers(0, 256, (256, CROP, CROP), np.uint8)
    head.read(crops)
    start = time.process_time()
    head.read(crops)
    return round((time.process_time() - start) / len(crops) * 1000, 2)


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--control", type=Path, help="what `face_head.py --shuffled --out` wrote")
    parser.add_argument("--faces", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "results" / "head_face.json")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    head = FaceHead(options.model)
    yunet = YuNetDetector(options.data / "models" / "face_detection_yunet_2026may.onnx")
    london = options.data / "face_london"
    report: dict[str, Any] = {
        "command": "python recipes/face_head_report.py --data FOLDER --media FOLDER",
        "seed": SEED,
        "machine": "2 shared cores of an AMD EPYC server",
        "milliseconds_a_crop": milliseconds(head),
    }
    by_yunet, by_opencv = (portraits(london, head, d, "dev") for d in (yunet, OpenCVDetector()))
    report["london_dev"] = {"yunet": shown(by_yunet), "opencv": shown(by_opencv)}
    print(json.dumps(report, indent=1), flush=True)
    report["expressions"] = expressions(options.data, head, by_yunet, portraits(london, head, yunet, "train"))
    print(json.dumps(report["expressions"], indent=1), flush=True)
    report["clips"] = on_clips(options.media, head, OpenCVDetector())
    print(json.dumps(report["clips"], indent=1), flush=True)
    report["places_without_face"] = places_without_face(options.media / "pyfeat_no_face.mp4", head)
    report["drawn_dev"] = unseen(options.data, head, options.faces)
    if options.control is not None:
        samples = synth_dfer(options.data / "synth_dfer", "test", 4)[0]
        report["control_units_shuffled"] = unit_table(FaceHead(options.control).read(inner(samples.crop)), samples)[
            "mean"
        ]
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(tables(report))
    print(json.dumps(report["drawn_dev"], indent=1))


def tables(report: dict[str, Any]) -> str:
    """The numbers as markdown."""
    spread = lambda values: f"{values[0]:.3f} ({values[1]:.3f}-{values[2]:.3f})"  # noqa: E731
    lines = ["# Face head on faces it never saw", "", "| London dev people (15) | yunet | opencv |", "|---|---|---|"]
    both = [report["london_dev"][name] for name in ("yunet", "opencv")]
    lines.append(
        "| landmark error, shares of the distance between the eyes' outer corners | "
        + _row(both, lambda r: spread(r["nme"]))
    )
    parts = both[0]["nme_by_part"]
    lines += [f"| {part} | " + _row(both, lambda r, part=part: f"{r['nme_by_part'][part]:.3f}") for part in parts]
    for unit in ("AU12", "AU06", "AU25"):
        lines.append(
            f"| {unit}, smiling against neutral, ROC area | " + _row(both, lambda r, u=unit: spread(r[u]["area"]))
        )
        pairs = _row(both, lambda r, u=unit: spread(r[u]["higher_for_the_same_person"]))
        lines.append(f"| {unit}, higher on the same person's smile | " + pairs)
        means = _row(both, lambda r, u=unit: f"{r[u]['mean_smiling']:.2f} / {r[u]['mean_neutral']:.2f}")
        lines.append(f"| {unit}, mean smiling / neutral | " + means)
    drawn, synth = report["drawn_dev"]["units"], report["expressions"]["synth_dfer_units"]
    lines += ["", "| unit | drawn dev faces: r, MAE, ICC(3,1) | SynthDFER test: r, MAE, ICC(3,1) |", "|---|---|---|"]
    for unit in (*UNIT_NAMES, "mean"):
        cells = [
            f"{t[unit]['r']:.2f}, {t[unit]['mae']:.2f}, {t[unit]['icc']:.2f}" if unit in t else "-"
            for t in (drawn, synth)
        ]
        lines.append(f"| {unit} | " + " | ".join(cells) + " |")
    found = report["expressions"]
    lines += ["", "| expressions from units, SynthDFER test (rendered) | |", "|---|---|"]
    lines += [f"| {name} | {spread(found[name])} |" for name in ("accuracy", "uar")]
    lines.append(f"| ECE, 10 bins | {found['ece']:.3f} |")
    lines += [
        f"| accuracy at coverage {share} | {value:.3f} |" for share, value in found["accuracy_by_coverage"].items()
    ]
    lines.append(f"| control, labels shuffled: UAR | {found['control_shuffled_labels_uar']:.3f} |")
    lines += ["", "| clip | crops | quality | jitter of landmarks | jitter of units |", "|---|---|---|---|---|"]
    for name, clip in report["clips"].items():
        cells = (clip[key] for key in ("crops", "quality_median", "landmark_jitter_median", "unit_jitter_median"))
        lines.append(f"| {name} | " + " | ".join("-" if cell is None else str(cell) for cell in cells) + " |")
    command = f"Command: `{report['command']}`; seed {report['seed']}; {report['machine']}. More in `head_face.json`."
    return "\n".join([*lines, "", command]) + "\n"


def _row(results: list[dict[str, Any]], cell: Callable[[dict[str, Any]], str]) -> str:
    return " | ".join(cell(result) for result in results) + " |"


def shown(result: dict[str, Any]) -> dict[str, Any]:
    """Without the arrays that other parts use."""
    return {name: value for name, value in result.items() if not name.startswith("_")}


if __name__ == "__main__":
    main()
