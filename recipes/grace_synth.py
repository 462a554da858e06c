"""Does each part of our GRACE do what it is for? A controlled study on rendered faces with known answers.

    python recipes/grace_synth.py --root ../shared/data/synth_dfer --seeds 3

Per seed one small encoder is trained from scratch in the plain arm (no words, no motion, no transport) and then frozen;
every arm trains the same parts for the same steps on the same batches. Arms differ from `base` in what their name says.
Classification is judged on `test`, in the text mode of the arm; localisation on `paired`, which has truth per frame.
Writes `docs/results/grace_synth.{json,md}` and `docs/images/grace_synth.png`. A killed run goes on where it was.

Rendered faces say nothing about real ones. Reimplementation from the abstract and one figure caption of arXiv
2507.11892; formulas, prompts and settings are emotrace's own.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from grace_synth_clips import FRAMES, SPLITS, Seen, SeenLearner, all_keys, items_of, prepare, see
from grace_synth_picture import draw
from grace_synth_scores import evaluate
from grace_synth_tables import write_results

from emotrace.datasets.frames import CachedFrames
from emotrace.datasets.synth_dfer import SynthDfer
from emotrace.encoders.registry import build_encoder
from emotrace.encoders.words import WordTokenizer
from emotrace.grace.cate import refine
from emotrace.grace.clips import Order
from emotrace.grace.config import GraceConfig
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.language.narrative import Narrative
from emotrace.grace.learner import GraceLearner
from emotrace.grace.model import Grace
from emotrace.grace.views import Augmentation
from emotrace.training.checkpoint import load_checkpoint
from emotrace.training.loop import fit
from emotrace.training.seeds import generator_of
from emotrace.training.settings import TrainingSettings

ROOT = Path(__file__).resolve().parents[1]
ENCODER_FRAMES, ENCODER_EPOCHS, ENCODER_RATE = 4, 10, 3e-3
HEAD_EPOCHS, HEAD_RATE, BATCH = 2, 5e-3, 32
VIEWS = Augmentation(crop=(0.85, 1.0), flip=0.5, brightness=0.2)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One row of the table: what it changes in the base configuration, and in its clips."""

    name: str
    changes: dict[str, Any]
    order: Order = "forward"
    strangers_words: bool = False
    """Whether every clip has the words of a clip of another class."""


ARMS = (
    Arm(name="base", changes={}),
    Arm(name="text coarse", changes={"text": "coarse"}),
    Arm(name="text none", changes={"text": "none"}),
    Arm(name="motion off", changes={"motion": "off"}),
    Arm(name="motion pixel raw", changes={"rigid": "off"}),
    Arm(name="motion feature raw", changes={"motion": "feature", "rigid": "off"}),
    Arm(name="motion feature affine", changes={"motion": "feature"}),
    Arm(name="alignment none", changes={"alignment": "none"}),
    Arm(name="softmax", changes={"alignment": "softmax"}),
    Arm(name="unbalanced", changes={"alignment": "unbalanced"}),
    Arm(name="all off", changes={"text": "none", "motion": "off", "alignment": "none"}),
    Arm(name="fine, read at test", changes={"text_mode": "train_and_test"}),
    Arm(name="coarse, read at test", changes={"text": "coarse", "text_mode": "train_and_test"}),
    Arm(name="control: shuffled frames", changes={}, order="shuffled"),
    Arm(name="control: shuffled text", changes={}, strangers_words=True),
)
CROSSED = (
    Arm(name="text coarse, softmax", changes={"text": "coarse", "alignment": "softmax"}),
    Arm(name="text coarse, unbalanced", changes={"text": "coarse", "alignment": "unbalanced"}),
    Arm(name="text none, softmax", changes={"text": "none", "alignment": "softmax"}),
    Arm(name="text none, unbalanced", changes={"text": "none", "alignment": "unbalanced"}),
)
"""Words against alignment, with `--crossed`: twelve more runs."""


def config_of(arm: Arm, labels: tuple[str, ...]) -> GraceConfig:
    """Base: refined words in training only, pixel motion without rigid motion, balanced transport."""
    fixed = {
        "encoder": "tiny",
        "adaptation": "frozen",
        "frames": FRAMES,
        "time_attention": False,
        "logit_adjustment": 1.0,
    }
    return GraceConfig(labels=labels, **(fixed | arm.changes))


def train_encoder(root: Path, seed: int, epochs: int, out: Path) -> float:
    """Trains the encoder of a seed in the plain arm, and says how many seconds it took."""
    torch.set_num_threads(1)
    started, data = time.monotonic(), SynthDfer(root)
    train = items_of(data, "train")
    config = GraceConfig(
        labels=data.split("train").classes,
        encoder="tiny",
        adaptation="full",
        frames=ENCODER_FRAMES,
        alignment="none",
        motion="off",
        text="none",
        time_attention=False,
        logit_adjustment=1.0,
    )
    model = Grace(config, *build_encoder("tiny", seed=seed, adaptation="full"), seed=seed)
    learner = GraceLearner(
        model, CachedFrames(data), texts={}, train=train, augmentation=VIEWS, seed=seed, learning_rate=ENCODER_RATE
    )
    settings = TrainingSettings(epochs=epochs, batch_size=BATCH, seed=seed, workers=0)
    fit(learner, train=train, test=(), settings=settings, out=out)
    return time.monotonic() - started


def encoder_of(folder: Path, labels: tuple[str, ...], config: GraceConfig, seed: int) -> Grace:
    """A model with the seed's trained encoder; all else is as drawn for that seed."""
    model = Grace(config, *build_encoder("tiny", seed=seed, adaptation="frozen"), seed=seed)
    weights = load_checkpoint(folder / "last", labels=labels).weights
    own = {name: tensor for name, tensor in weights.items() if name.startswith("visual.")}
    model.load_state_dict(own, strict=False)
    return model.eval()


def look(root: Path, out: Path, seeds: tuple[int, ...], order: Order, part: int, parts: int) -> None:
    """One worker's share of looking at all clips with all seeds' encoders."""
    torch.set_num_threads(1)
    data = SynthDfer(root)
    labels = data.split("train").classes
    models = {seed: encoder_of(out / f"encoder{seed}", labels, config_of(ARMS[0], labels), seed) for seed in seeds}
    see(data, models, out / "seen", order=order, part=part, parts=parts)


def texts_of(data: SynthDfer, arm: Arm) -> dict[str, AffectText]:
    """The words of every clip that has some."""
    if arm.changes.get("text") == "none":
        return {}
    tokenizer, is_fine = WordTokenizer(), arm.changes.get("text", "fine") == "fine"
    texts: dict[str, AffectText] = {}
    for name in SPLITS:
        part = data.split(name)
        givers = _strangers(part.labels) if arm.strangers_words else range(len(part))
        for key, giver in zip(part.ids, givers, strict=True):
            texts[key] = refine(Narrative.of_text(part.texts["text_raw"][giver]), tokenizer, fine=is_fine)
    return texts


def _strangers(labels: tuple[str, ...]) -> list[int]:
    """For every clip another one of another class, drawn once."""
    draw = generator_of(0, "all", 0, "strangers")
    others = {label: [place for place, other in enumerate(labels) if other != label] for label in set(labels)}
    return [int(draw.choice(others[label])) for label in labels]


def run_arm(root: Path, out: Path, name: str, seed: int, epochs: int) -> Path:
    """Trains one arm of one seed on what was seen, and keeps its scores clip by clip."""
    torch.set_num_threads(1)
    arm = next(arm for arm in ARMS + CROSSED if arm.name == name)
    folder = out / "arms" / f"seed{seed}" / arm.name.replace(": ", "-").replace(", ", "-").replace(" ", "_")
    if (folder / "scores.npz").exists():
        return folder
    started, data = time.monotonic(), SynthDfer(root)
    config = config_of(arm, data.split("train").classes)
    model = encoder_of(out / f"encoder{seed}", config.labels, config, seed)
    texts = texts_of(data, arm)
    train = items_of(data, "train")
    learner = SeenLearner(model, data, texts=texts, train=train, seed=seed, learning_rate=HEAD_RATE)
    learner.data, learner.seen = data, Seen(folder=out / "seen", seed=seed, order=arm.order, keys=all_keys(data))
    settings = TrainingSettings(epochs=epochs, batch_size=BATCH, seed=seed, workers=0)
    fitted = fit(learner, train=train, test=(), settings=settings, out=folder)
    record = {"arm": arm.name, "seed": seed, "gates": model.gates(), "terms": dict(fitted.last.terms)}
    evaluate(learner, data, folder, record | {"train_seconds": round(time.monotonic() - started, 1)})
    return folder


def main() -> None:
    """Encoders, then what they see, then arms: each step on all workers, each skipped where it is done."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--root", type=Path, required=True, help="folder of synth_dfer")
    options.add_argument("--out", type=Path, default=ROOT / "runs" / "grace_synth", help="work folder (7 GB)")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    options.add_argument("--encoder-epochs", type=int, default=ENCODER_EPOCHS)
    options.add_argument("--epochs", type=int, default=HEAD_EPOCHS, help="of every arm")
    options.add_argument("--crossed", action="store_true", help="also coarse and no text with softmax and unbalanced")
    options.add_argument("--only", nargs="*", help="names of arms; all without it")
    options.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of results/ and images/")
    given = options.parse_args()
    root, out, seeds = given.root, given.out, tuple(range(given.seeds))
    arms = [arm for arm in ARMS + CROSSED * given.crossed if not given.only or arm.name in given.only]
    clock = Clock(out / "minutes.json")

    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(train_encoder, root, seed, given.encoder_epochs, out / f"encoder{seed}") for seed in seeds]
        for job in jobs:
            job.result()
        clock.note("encoders")
        for order in dict.fromkeys(arm.order for arm in arms):
            _look_with_all(pool, root, out, seeds, order, given.workers)
        clock.note("seen")
        runs = [pool.submit(run_arm, root, out, arm.name, seed, given.epochs) for seed in seeds for arm in arms]
        for number, run in enumerate(runs, start=1):
            print(f"{number} of {len(runs)}: {run.result().name}", flush=True)
        clock.note("arms")
    folders = [run.result() for run in runs]
    write_results(SynthDfer(root), [arm.name for arm in arms], folders, given.docs, clock.minutes, out / "seen")
    draw(SynthDfer(root), folders[0], given.docs / "images" / "grace_synth.png")


class Clock:
    """Minutes of each step, over all the runs that it took."""

    def __init__(self, path: Path) -> None:
        self._path, self._last = path, time.monotonic()
        self.minutes: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def note(self, step: str) -> None:
        """Adds the time since the last note to a step."""
        now = time.monotonic()
        self.minutes[step] = round(self.minutes.get(step, 0.0) + (now - self._last) / 60, 2)
        self._last = now
        self._path.write_text(json.dumps(self.minutes), encoding="utf-8")
        print(f"{step}: {self.minutes[step]} minutes", flush=True)


def _look_with_all(
    pool: ProcessPoolExecutor, root: Path, out: Path, seeds: tuple[int, ...], order: Order, workers: int
) -> None:
    done = out / "seen" / order / "done.json"
    if not done.exists():
        prepare(SynthDfer(root), seeds, out / "seen", order)
        for share in [pool.submit(look, root, out, seeds, order, part, workers) for part in range(workers)]:
            share.result()
        done.write_text(json.dumps({"seeds": seeds}), encoding="utf-8")


if __name__ == "__main__":
    main()
