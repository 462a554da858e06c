"""Trains the two small face models that are shipped, `align.npz` and `smile.npz`, and prints what their cards report.

Data: Face Research Lab London Set (DeBruine & Jones 2017, doi 10.6084/m9.figshare.5047666.v5, CC BY 4.0), one neutral
and one smiling portrait a person; 65 people train, 15 are looked at only at the end. The pictures are not shipped.

* **align**: pupils (marked by hand on the neutral portraits; found by YuNet on the smiling ones) -> two rounds of ridge
  regression from gradient histograms to the step that puts the pupils in their place. The mean of the aligned
  histograms is kept too: what sets a face apart is how it differs from it.
* **smile**: two logistic regressions on the gradient histograms of aligned crops: one sees the mouth, one sees the
  eyes and upper cheeks only. Their outputs are calibrated on people left out in turn.

Each portrait is used many times: at 24 to 112 pixels, blurred, darkened, noisy, JPEG-compressed, mirrored, and with the
errors of a detector's square. Neutral portraits also get *painted open mouths*, because the set has nobody who talks.

Run: python recipes/smile_model.py --data ../shared/data/face_london --yunet
../shared/data/models/face_detection_yunet_2026may.onnx About two minutes on two cores. Seed 20250719.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotrace.evidence.smile import EYE_ROWS, MOUTH_ROWS
from emotrace.media.align import FIT_PIXELS, LARGEST_STEP, Pose, Weights, align, gradient_histograms
from emotrace.media.faces import EYE_DISTANCE, EYE_LINE

SEED = 20250719
VIEWS_ALIGN, VIEWS_SMILE = 40, 40
PENALTY = 2e-3


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """One photograph and where its face is."""

    person: str
    split: str
    smiling: bool
    grey: np.ndarray
    pose: Pose
    """Where the square truly is, from the pupils."""
    lips: np.ndarray | None
    """Outer lip points in pixels; neutral portraits only."""


def pose_of_pupils(left: np.ndarray, right: np.ndarray) -> Pose:
    """The square that puts the pupils where `faces.EYE_LINE` and `faces.EYE_DISTANCE` want them."""
    apart = right - left
    side, roll = float(np.hypot(*apart)) / EYE_DISTANCE, math.atan2(apart[1], apart[0])
    middle = 0.5 * (left + right)
    down = side * (0.5 - EYE_LINE)
    return Pose(x=middle[0] - math.sin(roll) * down, y=middle[1] + math.cos(roll) * down, side=side, roll=roll)


def load(folder: Path, yunet: Path) -> list[Portrait]:
    """All portraits, with their pupils."""
    network = cv2.FaceDetectorYN.create(str(yunet), "", (512, 512), 0.6)
    marks = {row["file"].split("/")[-1]: row for row in csv.DictReader((folder / "landmarks.csv").open())}
    portraits = []
    for row in csv.DictReader((folder / "photos.csv").open()):
        picture = cv2.imread(str(folder / row["file"]))
        mark = marks.get(Path(row["file"]).name)
        if mark is not None:
            point = lambda i, mark=mark: np.array([float(mark[f"x{i}"]), float(mark[f"y{i}"])])  # noqa: E731
            pupils, lips = [point(0), point(1)], np.array([point(i) for i in range(87, 109)])
        else:
            _, rows = network.detect(picture)
            pupils, lips = list(rows[0][4:8].reshape(2, 2).astype(float)), None
        left, right = sorted(pupils, key=lambda p: p[0])
        portraits.append(
            Portrait(
                person=row["id"],
                split=row["split"],
                smiling=row["expression"] == "happiness",
                grey=cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY),
                pose=pose_of_pupils(left, right),
                lips=lips,
            )
        )
    return portraits


def with_open_mouth(portrait: Portrait, rng: np.random.Generator) -> np.ndarray:
    """A neutral portrait with lower lip and chin pulled down and the gap filled dark, sometimes with teeth: speech."""
    grey, lips, side = portrait.grey.astype(np.float32), portrait.lips, portrait.pose.side
    center, width = lips.mean(0), np.ptp(lips[:, 0])
    gap = side * rng.uniform(0.01, 0.13)
    half_width = 0.5 * width * rng.uniform(0.5, 0.95)
    ys, xs = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]].astype(np.float32)
    across = np.clip(1.0 - ((xs - center[0]) / (1.4 * half_width)) ** 2, 0.0, 1.0)
    below = np.clip(ys - center[1], 0.0, None)
    pulled = gap * across * np.exp(-((below / (0.5 * side)) ** 2))
    source = np.where(ys > center[1], np.maximum(ys - pulled, center[1]), ys).astype(np.float32)
    lower = cv2.remap(grey, xs, source, cv2.INTER_LINEAR)
    inside = (ys - center[1] - 0.5 * gap) ** 2 / (0.5 * gap) ** 2 + (xs - center[0]) ** 2 / half_width**2 < 1.0
    skin = float(np.median(grey[int(center[1] - side * 0.15) : int(center[1]), int(center[0])]))
    paint = np.full_like(grey, skin * rng.uniform(0.1, 0.45))
    if rng.random() < 0.5:
        paint[ys < center[1] + gap * rng.uniform(0.2, 0.6)] = min(255.0, skin * rng.uniform(0.8, 1.3))
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 2.0)
    return np.clip(lower * (1 - soft) + paint * soft, 0, 255).astype(np.uint8)


def spoiled(grey: np.ndarray, pose: Pose, rng: np.random.Generator) -> tuple[np.ndarray, Pose]:
    """The portrait as a video might show it, and its true pose there."""
    if rng.random() < 0.5:
        grey = np.ascontiguousarray(grey[:, ::-1])
        pose = Pose(x=grey.shape[1] - 1 - pose.x, y=pose.y, side=pose.side, roll=-pose.roll)
    pixels = math.exp(rng.uniform(math.log(24.0), math.log(150.0)))
    scale = pixels / pose.side
    size = round(grey.shape[1] * scale)
    small = cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    pose = Pose(x=pose.x * scale, y=pose.y * scale, side=pixels, roll=pose.roll)
    if rng.random() < 0.5:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.2, 0.02 * pixels + 0.4))
    gamma, gain, lift = math.exp(rng.normal(0.0, 0.35)), rng.uniform(0.3, 1.1), rng.uniform(0.0, 30.0)
    small = 255.0 * (small / 255.0) ** gamma * gain + lift
    ys, xs = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    small *= 1.0 + rng.normal(0.0, 0.25) * xs + rng.normal(0.0, 0.2) * ys
    small += rng.normal(0.0, rng.uniform(0.0, 5.0), small.shape)
    picture = np.clip(small, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 90))])
        picture = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
    return picture, pose


def rough(pose: Pose, rng: np.random.Generator, spread: float) -> Pose:
    """The pose with the errors of a detector or of a tracker."""
    dx, dy, dlog, droll = rng.normal(0.0, [0.06, 0.06, 0.10, 0.16]) * spread
    return pose.step(dx, dy, dlog, droll)


def step_between(start: Pose, goal: Pose) -> np.ndarray:
    """The arguments of `start.step` that lead to the goal."""
    cos, sin = math.cos(start.roll), math.sin(start.roll)
    x, y = (goal.x - start.x) / start.side, (goal.y - start.y) / start.side
    return np.array([cos * x + sin * y, -sin * x + cos * y, math.log(goal.side / start.side), goal.roll - start.roll])


def ridge(features: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of ridge regression."""
    mean, target_mean = features.mean(0), targets.mean(0)
    centered = features - mean
    gram = centered.T @ centered + penalty * len(features) * np.eye(features.shape[1], dtype=np.float32)
    weight = np.linalg.solve(gram, centered.T @ (targets - target_mean)).astype(np.float32)
    return weight, (target_mean - mean @ weight).astype(np.float32)


def train_align(portraits: list[Portrait], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases of the two rounds; the second learns from where the first leaves off."""
    views = []
    for portrait in portraits:
        for _ in range(VIEWS_ALIGN):
            grey = with_open_mouth(portrait, rng) if portrait.lips is not None and rng.random() < 0.3 else portrait.grey
            views.append(spoiled(grey, portrait.pose, rng))
    starts = [rough(pose, rng, 1.0 if rng.random() < 0.7 else 1.6) for _, pose in views]
    weights, biases = [], []
    for _ in range(2):
        features = np.stack([hog(picture, start) for (picture, _), start in zip(views, starts, strict=True)])
        targets = np.stack([step_between(start, pose) for (_, pose), start in zip(views, starts, strict=True)])
        weight, bias = ridge(features, targets.astype(np.float32), 3e-3)
        weights.append(weight.astype(np.float16))
        biases.append(bias)
        steps = np.clip(features @ weight + bias, -LARGEST_STEP, LARGEST_STEP)
        starts = [start.step(*step.tolist()) for start, step in zip(starts, steps, strict=True)]
    return np.stack(weights), np.stack(biases)


def hog(picture: np.ndarray, pose: Pose) -> np.ndarray:
    """What the alignment sees of a picture at a pose."""
    return gradient_histograms(pose.crop(picture, FIT_PIXELS)).reshape(-1)


def aligned_features(
    portraits: list[Portrait], views: int, weights: Weights, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Gradient histograms of crops that the shipped alignment made, with label, person and size in pixels."""
    rows, labels, persons, sizes = [], [], [], []
    for portrait in portraits:
        for view in range(views):
            painted = portrait.lips is not None and view % 2 == 1
            grey = with_open_mouth(portrait, rng) if painted else portrait.grey
            picture, pose = spoiled(grey, portrait.pose, rng)
            pose = align(picture, rough(pose, rng, 1.0), weights=weights)
            rows.append(gradient_histograms(pose.crop(picture, FIT_PIXELS)))
            labels.append(float(portrait.smiling))
            persons.append(portrait.person)
            sizes.append(pose.side)
    return np.stack(rows), np.array(labels), np.array(persons), np.array(sizes)


def logistic(features: np.ndarray, labels: np.ndarray, penalty: float) -> np.ndarray:
    """Weights, the intercept last, of ridge-penalised logistic regression by Newton's method."""
    x = np.hstack([features, np.ones((len(features), 1), np.float32)]).astype(np.float64)
    weight, shrink = np.zeros(x.shape[1]), np.full(x.shape[1], penalty * len(x))
    shrink[-1] = 0.0
    for _ in range(8):
        p = 1.0 / (1.0 + np.exp(-(x @ weight)))
        hessian = (x * np.maximum(p * (1 - p), 1e-4)[:, None]).T @ x + np.diag(shrink + 1e-9)
        weight -= np.linalg.solve(hessian, x.T @ (p - labels) + shrink * weight)
    return weight


def calibrated(features: np.ndarray, labels: np.ndarray, persons: np.ndarray, penalty: float) -> np.ndarray:
    """Logistic weights whose output is scaled and shifted so that people left out in turn get honest probabilities."""
    names = np.unique(persons)
    left_out = np.zeros(len(labels))
    for fold in range(5):
        held = np.isin(persons, names[fold::5])
        weight = logistic(features[~held], labels[~held], penalty)
        left_out[held] = features[held] @ weight[:-1] + weight[-1]
    slope, shift = logistic(left_out[:, None], labels, 1e-6)
    weight = logistic(features, labels, penalty) * slope
    weight[-1] += shift
    return weight


def area(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half."""
    positive, negative = scores[labels > 0.5], scores[labels < 0.5]
    return float(((positive[:, None] > negative).mean() + (positive[:, None] >= negative).mean()) / 2)


def with_interval(score, persons: np.ndarray, rng: np.random.Generator) -> str:
    """A score of rows, with its 95 % interval over 2,000 draws of the people."""
    names = np.unique(persons)
    rows = {name: np.flatnonzero(persons == name) for name in names}
    draws = [score(np.concatenate([rows[name] for name in rng.choice(names, len(names))])) for _ in range(2000)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{score(np.arange(len(persons))):.3f} (95 % {low:.3f}-{high:.3f})"


def save(path: Path, **arrays: np.ndarray) -> str:
    """An npz that has the same bytes each time; its SHA-256."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def report_align(portraits: list[Portrait], weights: Weights, rng: np.random.Generator) -> None:
    """Prints how far squares are off, before and after alignment."""
    before, after, persons = [], [], []
    for portrait in portraits:
        for _ in range(20):
            picture, pose = spoiled(portrait.grey, portrait.pose, rng)
            start = rough(pose, rng, 1.0)
            before.append(np.abs(step_between(start, pose)))
            after.append(np.abs(step_between(align(picture, start, weights=weights), pose)))
            persons.append(portrait.person)
    persons = np.array(persons)
    for name, errors in (("rough square", np.array(before)), ("aligned", np.array(after))):
        place = np.hypot(errors[:, 0], errors[:, 1]) / EYE_DISTANCE
        print(
            f"align dev, {name}: middle off by (eye distances)",
            with_interval(lambda r, e=place: float(np.median(e[r])), persons, rng),
            "roll off by (degrees)",
            with_interval(lambda r, e=errors: float(np.degrees(np.median(e[r, 3]))), persons, rng),
        )


def report_smile(name: str, scores: np.ndarray, labels: np.ndarray, persons: np.ndarray, sizes: np.ndarray) -> None:
    """Prints the scores of one model on people it never saw."""
    rng = np.random.default_rng(SEED)
    right = (scores > 0.5) == (labels > 0.5)
    print(f"{name} dev accuracy", with_interval(lambda r: float(right[r].mean()), persons, rng))
    print(f"{name} dev ROC area", with_interval(lambda r: area(labels[r], scores[r]), persons, rng))
    print(f"{name} dev Brier", with_interval(lambda r: float(((scores - labels)[r] ** 2).mean()), persons, rng))
    for low, high in ((24, 40), (40, 70), (70, 150)):
        inside = (sizes >= low) & (sizes < high)
        print(f"  side {low}-{high} px: accuracy {right[inside].mean():.3f} of {inside.sum()}")


def report_control(name: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray], score, dev_labels: np.ndarray) -> None:
    """Prints what training on labels swapped within a random half of the people gives: chance, if all is well."""
    rng, (x, labels, persons) = np.random.default_rng(SEED), rows
    areas = []
    for _ in range(8):
        swapped = np.isin(persons, [person for person in np.unique(persons) if rng.random() < 0.5])
        areas.append(area(dev_labels, score(logistic(x[::2], np.where(swapped, 1 - labels, labels)[::2], PENALTY))))
    print(f"{name} control, labels swapped: mean ROC area {np.mean(areas):.3f}, {min(areas):.3f} to {max(areas):.3f}")


def main() -> None:
    """Trains, reports, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--yunet", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "src" / "emotrace" / "assets")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(SEED)
    portraits = load(options.data, options.yunet)
    train, dev = ([p for p in portraits if p.split == split] for split in ("train", "dev"))

    weight, bias = train_align(train, rng)
    weights = (weight.astype(np.float32), bias)
    report_align(dev, weights, rng)

    features, labels, persons, _ = aligned_features(train, VIEWS_SMILE, weights, rng)
    dev_features, dev_labels, dev_persons, dev_sizes = aligned_features(dev, VIEWS_SMILE, weights, rng)
    mean = features.mean(0).astype(np.float16)
    print("align.npz", save(options.out / "align.npz", weight=weight, bias=bias, mean=mean))
    heads = {}
    for name, part in (("mouth", MOUTH_ROWS), ("eyes", EYE_ROWS)):
        x, dev_x = (f[:, part].reshape(len(f), -1) for f in (features, dev_features))
        heads[name] = calibrated(x, labels, persons, PENALTY)
        score = lambda w, x=dev_x: 1.0 / (1.0 + np.exp(-(x @ w[:-1] + w[-1])))  # noqa: E731
        report_smile(name, score(heads[name]), dev_labels, dev_persons, dev_sizes)
        report_control(name, (x, labels, persons), score, dev_labels)
    print("smile.npz", save(options.out / "smile.npz", **{k: w.astype(np.float16) for k, w in heads.items()}))


if __name__ == "__main__":
    main()
