"""Trains the face head that is shipped, `face.onnx`: crop -> landmarks, action units, pose, quality.

1. The head of ICT-FaceKit (MIT) is fitted to the 65 train people of the Face Research Lab London Set (CC BY 4.0),
   so that their skin can be moved by known shapes (`face_head_portraits.py`). Smiling portraits keep their own smile,
   whose units are the fit's; its points come from a teacher (`face_head_teacher.py`, MediaPipe, not a dependency).
2. Faces are drawn, cropped as the product crops them, and kept in `--work` (`face_head_scenes.py`).
3. One network learns from them and from SynthDFER's train clips, spoiled anew each time (`face_head_spoil.py`).
4. It is exported; `face_head_report.py` measures it, fits the map from units to expressions, and writes the tables.

Run: python recipes/face_head.py --data ../shared/data --work FOLDER --teacher points.npz
Needs `pip install numba onnx` besides the extra [train]. One thread; seed 20250901; about forty minutes of one core.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import math
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from face_head_network import Exported, FaceNetwork
from face_head_portraits import load
from face_head_render import UNIT_NAMES, Head
from face_head_scenes import CROP, STORED, Samples, drawn
from face_head_spoil import spoiled
from torch import Tensor
from torch.nn import functional

from emotrace.files import sha256_of

SEED = 20250901
PARTS, PART = (*range(30), *range(100, 130)), 250
"""Drawn samples: numbers of the parts (two runs side by side drew them), and samples a part."""
BATCH = 64
WEIGHT_DECAY, AVERAGE = 0.03, 0.99


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stretch of training, which begins with the average of the one before."""

    steps: int
    horizon: int
    """Steps after which the learning rate would reach zero."""
    warm_up: int
    unit_weight: float
    unit_square: float
    """Error of a unit up to which it counts squared: an absolute error would let a rare unit stay at zero."""
    empty: float
    """Share of the drawn crops without a face that is used."""
    rate: float = 4e-3
    """Highest learning rate."""
    noise: float = 0.0
    """Share of the crops without a face that is replaced by grains."""
    synth: float = 0.15
    """Share of a batch that is SynthDFER's faces, whose landmarks are not known."""


STAGES = (
    Stage(steps=600, horizon=1400, warm_up=100, unit_weight=3.0, unit_square=0.125, empty=1.0),
    Stage(steps=700, horizon=750, warm_up=50, unit_weight=8.0, unit_square=0.5, empty=0.5),
    Stage(
        steps=4000,
        horizon=4000,
        warm_up=50,
        unit_weight=16.0,
        unit_square=0.5,
        empty=0.4,
        rate=3e-3,
        noise=0.12,
        synth=0.35,
    ),
)


def drawn_parts(options: argparse.Namespace) -> Samples:
    """The drawn samples, from `--work` where they are there already."""
    options.work.mkdir(parents=True, exist_ok=True)
    paths = [options.work / f"part_{number:03d}.npz" for number in PARTS]
    if not all(path.is_file() for path in paths):
        head = Head(options.data / "face_ict")
        portraits = load(options.data / "face_london", head, "train", options.teacher)
        for number, path in zip(PARTS, paths, strict=True):
            if not path.is_file():
                drawn(head, portraits, PART, (SEED, number)).save(path)
    return Samples.joined([Samples.read(path) for path in paths])


def synth_dfer(folder: Path, split: str, every: int) -> tuple[Samples, np.ndarray, np.ndarray]:
    """Every so manyth frame of the clips of a split, framed as the product frames them; label and identity of each.

    The truth is what the shapes do: expression, stray and resting units, speech and blinks together.
    """
    stored, truth = np.load(folder / f"frames_{split}.npz"), np.load(folder / f"meta_{split}.npz")
    blob, offset = stored["blob"], stored["offset"]
    au = truth["au"].astype(np.float32) * np.where(truth["au_class"], 1.3, 1.0)[:, None].astype(np.float32)
    au += truth["au_rest"].astype(np.float32)[:, None]
    beside = np.moveaxis(truth["distract"].astype(np.float32), 2, 0)
    aside = dict(zip(truth["distract_names"].tolist(), beside, strict=True))
    units = np.full((*au.shape[:2], len(UNIT_NAMES)), np.nan, np.float32)
    for number, name in enumerate(truth["au_names"].tolist()):
        units[..., UNIT_NAMES.index(f"AU{int(name[2:]):02d}")] = au[..., number]
    units[..., UNIT_NAMES.index("AU25")] = np.nan  # here it is the gap that counts, which is not recorded
    units[..., UNIT_NAMES.index("AU16")] += aside["mouthLowerDown"] / 0.8
    units[..., UNIT_NAMES.index("AU26")] += aside["jawOpen"] / 0.55
    for unit, shape in (("AU45", "eyeBlink"), ("AU18", "mouthPucker"), ("AU22", "mouthFunnel")):
        units[..., UNIT_NAMES.index(unit)] = aside[shape]
    frames = range(every // 2, au.shape[1], every)
    to_product = np.array([[0.86, 0, 71.5 - 0.86 * 55.5], [0, 0.86, 71.5 + 5.5 - 0.86 * 55.5]])
    crops = np.zeros((len(au), len(frames), STORED, STORED), np.uint8)
    for clip, (start, end) in enumerate(itertools.pairwise(offset)):
        strip = cv2.imdecode(blob[start:end], cv2.IMREAD_GRAYSCALE).reshape(-1, CROP, CROP)
        for place, frame in enumerate(frames):
            edge = cv2.BORDER_REFLECT_101
            crops[clip, place] = cv2.warpAffine(strip[frame], to_product, (STORED, STORED), borderMode=edge)
    flat = lambda x: x[:, list(frames)].reshape(-1, x.shape[2])  # noqa: E731
    count = len(au) * len(frames)
    samples = Samples(
        crop=crops.reshape(-1, STORED, STORED),
        landmarks=np.full((count, 68, 2), np.nan, np.float32),
        units=np.clip(flat(units), 0, 1),
        pose=flat(truth["pose"].astype(np.float32))[:, [1, 0, 2]],
        quality=np.ones(count, np.float32),
    )
    return samples, np.repeat(truth["label"].astype(int), len(frames)), np.repeat(truth["identity"], len(frames))


def batch_of(sets: tuple[Samples, Samples], stage: Stage, rng: np.random.Generator) -> tuple[Tensor, ...]:
    """Grey crops, landmarks, units, pose, quality."""
    rows = []
    for row in range(BATCH):
        chosen = sets[row < stage.synth * BATCH]
        number = int(rng.integers(len(chosen)))
        while chosen.quality[number] == 0 and rng.random() >= stage.empty:
            number = int(rng.integers(len(chosen)))
        rows.append(spoiled(chosen, number, rng))
        if chosen.quality[number] == 0 and rng.random() < stage.noise:
            rows[-1] = (grains(rng), *rows[-1][1:])
    crop, *rest = (torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True))
    return crop.unsqueeze(1).float() / 255, *rest


def grains(rng: np.random.Generator) -> np.ndarray:
    """Noise of one to eight pixels a grain."""
    side = -(-CROP // int(rng.integers(1, 9)))
    coarse = np.clip(rng.normal(rng.uniform(60, 190), rng.uniform(10, 90), (side, side)), 0, 255).astype(np.uint8)
    return cv2.resize(coarse, (CROP, CROP), interpolation=cv2.INTER_NEAREST)


def loss_of(network: FaceNetwork, batch: tuple[Tensor, ...], stage: Stage) -> tuple[Tensor, list[float]]:
    """Landmarks in shares of an eye distance, units and pose in their spread, quality as cross entropy."""
    grey, true_marks, true_units, true_pose, quality = batch
    marks, units, pose, worth = network(grey)
    weight = 0.15 + 0.85 * quality

    def error(found: Tensor, true: Tensor, spread: float, square: float = 0.5) -> Tensor:
        known = torch.isfinite(true)
        true = torch.where(known, true, found) / spread
        off = functional.smooth_l1_loss(found / spread, true, reduction="none", beta=square)
        shares = weight.view(-1, *[1] * (off.ndim - 1)) * known
        return (off * shares).sum() / shares.sum().clamp(min=1)

    parts = [
        error(marks, true_marks, 4.0),
        stage.unit_weight * error(units, true_units, 0.25, stage.unit_square / 0.25),
        0.5 * error(pose, true_pose, 6.0),
        0.5 * functional.binary_cross_entropy_with_logits(worth, quality),
    ]
    return torch.stack(parts).sum(), [part.item() for part in parts]


REFINING = 6000
"""Steps of the last two layers alone."""
CONTROL = (Stage(steps=200, horizon=200, warm_up=50, unit_weight=8.0, unit_square=0.5, empty=0.5),)
"""With `--shuffled`: units belong to other crops, so that nothing about them can be learned."""


def train(sets: tuple[Samples, Samples], stages: tuple[Stage, ...], seed: int, work: Path) -> FaceNetwork:
    """All stages; each leaves its average in `work`, where it is found again when the run was broken off."""
    means = np.nanmean(sets[0].landmarks, axis=0), np.nanmean(sets[0].units, axis=0).astype(np.float32)
    torch.manual_seed(seed)
    network = FaceNetwork(*means)
    for number, stage in enumerate(stages, start=1):
        kept = work / f"{'control' if stages is CONTROL else 'stage'}_{seed}_{number}.pt"
        if not kept.is_file():
            torch.save(trained(network, sets, stage, seed + 1000 * (number - 1)).state_dict(), kept)
        network.load_state_dict(torch.load(kept))
    return network.eval()


def trained(network: FaceNetwork, sets: tuple[Samples, Samples], stage: Stage, seed: int) -> FaceNetwork:
    """The running average of the network over the last steps of a stage."""
    rng = np.random.default_rng(seed)
    network = copy.deepcopy(network).train()
    average = copy.deepcopy(network)
    decaying = [weight for weight in network.parameters() if weight.ndim > 1]
    steady = [weight for weight in network.parameters() if weight.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decaying, "weight_decay": WEIGHT_DECAY}, {"params": steady, "weight_decay": 0.0}], lr=stage.rate
    )
    cosine = lambda step: min((step + 1) / stage.warm_up, 0.5 + 0.5 * math.cos(math.pi * step / stage.horizon))  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, cosine)
    start, running = time.process_time(), np.zeros(4)
    for step in range(stage.steps):
        loss, parts = loss_of(network, batch_of(sets, stage, rng), stage)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        keep = min(AVERAGE, step / (step + 20))
        with torch.no_grad():
            for mine, now in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                if mine.is_floating_point():
                    mine.lerp_(now, 1 - keep)
        running = running * 0.98 + np.array(parts) * 0.02
        if (step + 1) % 100 == 0:
            shown = " ".join(f"{value:.3f}" for value in running / (1 - 0.98 ** (step + 1)))
            print(f"step {step + 1}: {shown}; {time.process_time() - start:.0f} s of one core", flush=True)
    return average


def refined(network: FaceNetwork, sets: tuple[Samples, Samples], seed: int) -> FaceNetwork:
    """The last two layers of units and pose, learned anew on what the rest of the network, now fixed, sees.

    Cheap steps, and many of them: rare units need more than the network as a whole was given.
    """
    rng, rows = np.random.default_rng(seed + 9000), []
    torch.manual_seed(seed + 9000)
    for chosen, share in ((sets[0], 2.0), (sets[1], 0.5)):
        known = np.flatnonzero(np.isfinite(chosen.units).any(1))
        for number in rng.permutation(np.tile(known, math.ceil(share)))[: int(share * len(known))]:
            crop, _, units, pose, quality = spoiled(chosen, int(number), rng)
            rows.append((crop, units, pose, quality))
    crops, *columns = (np.stack(column) for column in zip(*rows, strict=True))
    units, pose, quality = (torch.from_numpy(column) for column in columns)
    seen, looked = [], []
    with torch.no_grad():
        for start in range(0, len(crops), 128):
            grey = torch.from_numpy(crops[start : start + 128]).unsqueeze(1).float() / 255
            _, one, other, _ = network.see(grey)
            seen.append(one)
            looked.append(other)
    everything, offset = torch.cat(seen), torch.cat(looked)
    heads = (network.together, network.units, network.turn)
    optimiser = torch.optim.AdamW([p for head in heads for p in head.parameters()], lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, REFINING)
    for _ in range(REFINING):
        at = torch.from_numpy(rng.integers(0, len(crops), 256))
        together = network.together(functional.dropout(everything[at], 0.05))
        weight = (0.1 + quality[at])[:, None]
        loss = torch.zeros(())
        for found, true, spread in (
            (network.units(together) + offset[at], units[at], 0.2),
            (network.turn(together) * 10, pose[at], 8.0),
        ):
            here = torch.isfinite(true)
            off = (torch.where(here, found - torch.nan_to_num(true), 0.0) / spread).square()
            loss = loss + (off * weight * here).sum() / (weight * here).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    print(f"refined: loss {loss.item():.3f}", flush=True)
    return network.eval()


def export(network: FaceNetwork, path: Path) -> None:
    """Writes the ONNX file; the number of crops stays open."""
    names = ("landmarks", "units", "pose", "quality")
    torch.onnx.export(
        Exported(network).eval().to(memory_format=torch.contiguous_format),
        (torch.zeros(2, 1, CROP, CROP),),
        str(path),
        input_names=["grey"],
        output_names=list(names),
        dynamic_axes={name: {0: "crop"} for name in ("grey", *names)},
        opset_version=17,
        dynamo=False,
    )
    print(path.name, sha256_of(path), path.stat().st_size, "bytes")


def main() -> None:
    """Draws, trains, exports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--shuffled", action="store_true", help="the control; give --out, too")
    default = Path(__file__).parents[1] / "src" / "emotrace" / "assets" / "face.onnx"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    sets = (drawn_parts(options), synth_dfer(options.data / "synth_dfer", "train", 2)[0])
    if options.shuffled:
        for samples in sets:
            known = np.flatnonzero(np.isfinite(samples.units).any(1))
            samples.units[known] = samples.units[np.random.default_rng(SEED).permutation(known)]
    stages = CONTROL if options.shuffled else STAGES
    network = train(sets, stages, options.seed, options.work)
    export(refined(network, sets, options.seed), options.out)


if __name__ == "__main__":
    main()
