"""Trains the small face network that is shipped, `face_encoder.onnx`, and prints what its card reports.

Data: SynthDFER, 2,400 rendered clips of 16 grey frames (112 x 112) of 80 made-up faces moved by known action units
(meshes of ICT-FaceKit, MIT; nothing photographed). 40 other made-up faces, 700 clips, are looked at only at the end.

The network: grey by its own contrast, three 3x3 convolutions of stride 2 (1-8-24-64 channels), two blocks as in
`encoders/tiny.py`, and a frame feature pooled under 8 learned maps. It is shipped frozen, so it may use batch norms,
which learn faster and vanish in the exported file. From single frames it learns, with heads of which only the first is
shipped: the intensity of 18 action units, once from the patches (each unit looks where it finds itself) and once from
the frame feature, both with the resting face's share, because one picture cannot tell a lowered brow from a low brow;
speech, blinks and gaze, so that an open mouth need not be AU26; the turn of the head. Frames are turned, shifted,
scaled, mirrored, relit, blurred, made coarse, compressed, covered in part, and made noisy.

Run: python recipes/face_encoder.py --data ../shared/data/synth_dfer --portraits ../shared/data/face_london --yunet
../shared/data/models/face_detection_yunet_2026may.onnx (the last two for the check on photographs, and may be left out;
exporting needs `pip install onnx`, a tool that emotrace itself does not use). One thread; about ten minutes of one core
of an AMD EPYC server. Seed 20250803; the last step's weights are taken.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional

from emotrace.encoders.embedded import ACTION_UNITS, DIM, PIXELS, FaceEncoder
from emotrace.files import sha256_of

SEED = 20250803
STEPS, BATCH, WARM_UP = 2400, 64, 150
LEARNING_RATE, WEIGHT_DECAY = 6e-3, 0.05
CHANNELS, PLACES, LEAST_CONTRAST = (1, 8, 24, DIM), 8, 0.02
UNITS = len(ACTION_UNITS)
HIDDEN = 11
"""Speech, blinks and gaze (8), turn of the head (3): learned beside the action units, not shipped."""


@dataclass(frozen=True, kw_only=True)
class Clips:
    """One split of SynthDFER in memory."""

    frames: np.ndarray
    """[clip frame 112 112], 0..255."""
    label: np.ndarray
    units: np.ndarray
    """[clip frame 18], the resting face included."""
    moved: np.ndarray
    """The same without the resting face: what the expression adds."""
    hidden: np.ndarray
    """[clip frame 11], the head's turn in units of 10 degrees."""
    unit_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)


def load(folder: Path, split: str) -> Clips:
    """Reads one split."""
    stored, truth = np.load(folder / f"frames_{split}.npz"), np.load(folder / f"meta_{split}.npz")
    blob, offset = stored["blob"], stored["offset"]
    strips = [cv2.imdecode(blob[a:b], cv2.IMREAD_GRAYSCALE) for a, b in itertools.pairwise(offset)]
    moved = truth["au"].astype(np.float32)
    return Clips(
        frames=np.stack(strips).reshape(len(strips), -1, PIXELS, PIXELS),
        label=truth["label"].astype(int),
        units=moved + truth["au_rest"].astype(np.float32)[:, None],
        moved=moved,
        hidden=np.concatenate([truth["distract"], truth["pose"] / 10], axis=2).astype(np.float32),
        unit_names=tuple(truth["au_names"].tolist()),
    )


class Block(nn.Module):
    """Mixes neighbouring patches, then each patch's channels."""

    def __init__(self) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(DIM, DIM, 5, padding=2, groups=DIM, bias=False),
            nn.BatchNorm2d(DIM),
            nn.Conv2d(DIM, 2 * DIM, 1),
            nn.ReLU(),
            nn.Conv2d(2 * DIM, DIM, 1, bias=False),
            nn.BatchNorm2d(DIM),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The patches, changed."""
        return x + self.change(x)


class FaceNetwork(nn.Module):
    """The network with its heads, which begin by saying the mean."""

    def __init__(self, mean_units: Tensor) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside in itertools.pairwise(CHANNELS):
            layers.append(nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False))
            layers += [nn.BatchNorm2d(outside), nn.ReLU()]
        self.patches = nn.Sequential(*layers, Block(), Block()).to(memory_format=torch.channels_last)
        self.maps = nn.Parameter(torch.randn(PLACES, 14 * 14) / 14)
        self.pool = nn.Sequential(nn.LayerNorm(PLACES * DIM), nn.Linear(PLACES * DIM, DIM))
        self.where, self.what = nn.Linear(DIM, UNITS), nn.Linear(DIM, UNITS)
        self.units_of_frame, self.hidden = nn.Linear(DIM, UNITS), nn.Linear(DIM, HIDDEN)
        for head in (self.what, self.units_of_frame, self.hidden):
            nn.init.zeros_(head.weight)
        for head in (self.what, self.units_of_frame):
            head.bias.data.copy_(mean_units)

    def see(self, grey: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Patches [n 196 64], frame feature [n 64], and action units [n 18] by patches and by the frame feature."""
        x = grey - grey.mean(dim=3, keepdim=True).mean(
            dim=2, keepdim=True
        )  # by rows: adding 12,544 floats loses digits
        variance = x.square().mean(dim=3, keepdim=True).mean(dim=2, keepdim=True)
        tokens = self.patches(x / (variance + LEAST_CONTRAST**2).sqrt()).flatten(2).transpose(1, 2)
        feature = self.pool((self.maps @ tokens).flatten(1))
        by_patches = (self.where(tokens).softmax(dim=1) * self.what(tokens)).sum(dim=1)
        return tokens, feature, by_patches, self.units_of_frame(feature)

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is exported: map [n 64 14 14], features [n 64], action units [n 18]."""
        tokens, feature, by_patches, by_frame = self.see(grey)
        return tokens.transpose(1, 2).unflatten(2, (14, 14)), feature, 0.5 * (by_patches + by_frame)


def spoiled(frame: np.ndarray, hidden: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The frame as another camera, detector and light might show it; a mirror and a turn change its targets too."""
    hidden = hidden.copy()
    if rng.random() < 0.5:
        frame = frame[:, ::-1]
        hidden[[6, 8, 10]] *= -1  # gaze to the side, yaw, roll
    degrees, scale = rng.normal(0.0, 4.0), rng.uniform(0.8, 1.1)
    hidden[10] += degrees / 10
    half = 0.5 * (PIXELS - 1)
    turn = cv2.getRotationMatrix2D((half, half), -degrees, scale)
    lower = (1 - scale) * 25  # detectors leave more brow than the renderer
    turn[:, 2] += rng.normal(0.0, 2.5), rng.normal(0.0, 2.5) + lower
    border = (cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)[rng.integers(3)]
    frame = cv2.warpAffine(
        np.ascontiguousarray(frame), turn, (PIXELS, PIXELS), borderMode=border, borderValue=float(rng.integers(256))
    )
    if rng.random() < 0.2:
        small = int(rng.uniform(44, 100))
        frame = cv2.resize(cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA), (PIXELS, PIXELS))
    x = frame.astype(np.float32) / 255
    x = x ** np.float32(math.exp(rng.normal(0.0, 0.3))) * rng.uniform(0.6, 1.15) + rng.uniform(-0.08, 0.12)
    slope = np.linspace(-1, 1, PIXELS, dtype=np.float32)
    x = x * (1 + rng.normal(0.0, 0.2) * slope + rng.normal(0.0, 0.15) * slope[:, None])
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.4:
        x = x + rng.uniform(0.0, 0.03) * rng.standard_normal(x.shape, dtype=np.float32)
    if rng.random() < 0.2:
        high, wide = rng.integers(8, 36, 2)
        top, left = rng.integers(0, PIXELS - high), rng.integers(0, PIXELS - wide)
        x[top : top + high, left : left + wide] = rng.random()
    x = (np.clip(x, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, code = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 90))])
        x = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
    return x, hidden


def batch_of(clips: Clips, chances: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Four frames of each of 16 clips."""
    pictures, units, hidden = [], [], []
    for clip in rng.choice(len(clips), BATCH // 4, p=chances):
        for frame in rng.choice(clips.frames.shape[1], 4, replace=False):
            picture, turned = spoiled(clips.frames[clip, frame], clips.hidden[clip, frame], rng)
            pictures.append(picture)
            units.append(clips.units[clip, frame])
            hidden.append(turned)
    grey = torch.from_numpy(np.stack(pictures)).unsqueeze(1).float() / 255
    return grey, torch.from_numpy(np.stack(units)), torch.from_numpy(np.stack(hidden))


def train(clips: Clips, seed: int, steps: int) -> FaceNetwork:
    """The network after the last step. Rare classes are drawn more often: by one over the root of their number."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    network = FaceNetwork(torch.from_numpy(clips.units.mean((0, 1)))).train()
    chances = np.bincount(clips.label)[clips.label] ** -0.5
    chances /= chances.sum()
    unit_spread = torch.from_numpy(clips.units.std((0, 1))).clamp(min=0.05)
    hidden_spread = torch.from_numpy(clips.hidden.std((0, 1))).clamp(min=0.05)
    decaying = [weight for weight in network.parameters() if weight.ndim > 1]
    steady = [weight for weight in network.parameters() if weight.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decaying, "weight_decay": WEIGHT_DECAY}, {"params": steady, "weight_decay": 0.0}], lr=LEARNING_RATE
    )
    cosine = lambda step: min((step + 1) / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * step / steps))  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, cosine)
    start, running = time.process_time(), None
    for step in range(steps):
        grey, units, hidden = batch_of(clips, chances, rng)
        _, feature, by_patches, by_frame = network.see(grey)
        hidden_found = network.hidden(feature)
        error = lambda found, true, spread: functional.smooth_l1_loss(found / spread, true / spread)  # noqa: E731
        loss = error(by_patches, units, unit_spread) + error(by_frame, units, unit_spread)
        loss = loss + 0.5 * error(hidden_found, hidden, hidden_spread)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        running = loss.item() if running is None else 0.99 * running + 0.01 * loss.item()
        if (step + 1) % 250 == 0:
            print(f"step {step + 1}: loss {running:.3f}, {time.process_time() - start:.0f} s of one core", flush=True)
    return network.eval()


def export(network: FaceNetwork, path: Path) -> None:
    """Writes the ONNX file; the number of pictures stays open."""
    torch.onnx.export(
        network.to(memory_format=torch.contiguous_format),
        (torch.zeros(2, 1, PIXELS, PIXELS),),
        str(path),
        input_names=["grey"],
        output_names=["map", "features", "action_units"],
        dynamic_axes={name: {0: "picture"} for name in ("grey", "map", "features", "action_units")},
        opset_version=17,
        dynamo=False,
    )


def seen(encoder: FaceEncoder, clips: Clips) -> tuple[np.ndarray, np.ndarray]:
    """Action units [clip frame 18] and frame features [clip frame 64] of whole clips."""
    found = [encoder.encode(frames) for frames in clips.frames]
    return np.stack([one.action_units for one in found]), np.stack([one.features for one in found])


def report_units(found: np.ndarray, clips: Clips, mean_unit: np.ndarray) -> None:
    """Per action unit: correlation, mean absolute error, and that of always saying the train mean."""
    print("unit   r      r of change  MAE    MAE of the mean   (11,200 frames; change: against the clip's own median)")
    rows = []
    for unit, name in enumerate(clips.unit_names):
        true, value = clips.units[..., unit], found[..., unit]
        change = [x - np.median(x, axis=1, keepdims=True) for x in (clips.moved[..., unit], value)]
        correlation = lambda a, b: float(np.corrcoef(a.ravel(), b.ravel())[0, 1])  # noqa: E731
        errors = [float(np.abs(true - guess).mean()) for guess in (value, mean_unit[unit])]
        rows.append((correlation(true, value), correlation(*change), *errors))
        print(f"{name:5s}  {rows[-1][0]:.3f}  {rows[-1][1]:.3f}        {errors[0]:.3f}  {errors[1]:.3f}")
    print("mean   {:.3f}  {:.3f}        {:.3f}  {:.3f}".format(*np.mean(rows, axis=0)))


def report_classes(name: str, x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> None:
    """Unweighted average recall of a logistic regression with class weights, with its 95 % interval over clips."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=3000)).fit(x, y)
    right = model.predict(test_x) == test_y
    recall = lambda rows: [right[rows][test_y[rows] == label].mean() for label in np.unique(y)]  # noqa: E731
    rng, everything = np.random.default_rng(SEED), np.arange(len(test_y))
    draws = [np.mean(recall(rng.choice(everything, len(test_y)))) for _ in range(2000)]
    low, high = np.percentile(draws, [2.5, 97.5])
    each = " ".join(f"{value:.2f}" for value in recall(everything))
    print(f"{name}: UAR {np.mean(recall(everything)):.3f} (95 % {low:.3f}-{high:.3f}); recalls {each}")


def report_portraits(encoder: FaceEncoder, folder: Path, yunet: Path) -> None:
    """Smiling against neutral photographs of real people: what never was trained on."""
    from smile_model import area, with_interval
    from smile_model import load as load_portraits

    portraits = load_portraits(folder, yunet)
    found = encoder.encode(np.stack([portrait.pose.crop(portrait.grey, PIXELS) for portrait in portraits])).action_units
    people = np.array([portrait.person for portrait in portraits])
    smiling = np.array([portrait.smiling for portrait in portraits])
    for split in ("dev", "train"):
        here = np.array([portrait.split == split for portrait in portraits])
        for unit in ("AU12", "AU6", "AU25"):
            values, labels, persons = found[here][:, ACTION_UNITS.index(unit)], smiling[here], people[here]
            score = lambda rows, v=values, t=labels: area(t[rows].astype(float), v[rows])  # noqa: E731
            higher = np.mean([values[(persons == p) & labels] > values[(persons == p) & ~labels] for p in set(persons)])
            means = values[labels].mean(), values[~labels].mean()
            area_text = with_interval(score, persons, np.random.default_rng(SEED))
            print(
                f"portraits {split} {unit}: smiling {means[0]:.2f}, neutral {means[1]:.2f}; "
                f"higher for the same person {higher:.2f}; ROC area {area_text}"
            )


def main() -> None:
    """Trains, exports, checks, reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--portraits", type=Path)
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=STEPS)
    default = Path(__file__).parents[1] / "src" / "emotrace" / "assets" / "face_encoder.onnx"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)

    clips, test = load(options.data, "train"), load(options.data, "test")
    network = train(clips, options.seed, options.steps)
    export(network, options.out)
    print(options.out.name, sha256_of(options.out), options.out.stat().st_size, "bytes")
    encoder = FaceEncoder(options.out)
    check_equal(network, encoder, test.frames[:4, 0])

    found, features = seen(encoder, test)
    train_found, train_features = seen(encoder, clips)
    report_units(found, test, clips.units.mean((0, 1)))
    summary = lambda x: np.concatenate([x.mean(1), x.max(1)], axis=1)  # noqa: E731
    report_classes("action units, mean and peak", summary(train_found), clips.label, summary(found), test.label)
    motion = lambda x: np.concatenate([x.mean(1), x.max(1) - np.median(x, 1), np.median(x, 1) - x.min(1)], axis=1)  # noqa: E731
    report_classes("action units, mean and change", motion(train_found), clips.label, motion(found), test.label)
    report_classes("features, mean and change", motion(train_features), clips.label, motion(features), test.label)
    if options.portraits and options.yunet:
        report_portraits(encoder, options.portraits, options.yunet)


def check_equal(network: FaceNetwork, encoder: FaceEncoder, pictures: np.ndarray) -> None:
    """Ends the run when the exported file and torch differ by more than 1e-4."""
    found = encoder.encode(pictures)
    with torch.no_grad():
        true = network(torch.from_numpy(pictures).unsqueeze(1).float() / 255)
    pairs = zip((found.map, found.features, found.action_units), true, strict=True)
    worst = max(float(np.abs(mine - theirs.numpy()).max()) for mine, theirs in pairs)
    print(f"largest difference between ONNX Runtime and torch: {worst:.1e}")
    if worst > 1e-4:
        sys.exit("the exported file differs from the trained network")


if __name__ == "__main__":
    main()
