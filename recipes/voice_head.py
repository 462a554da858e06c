"""Trains the voice head that is shipped, `voice.onnx`, and writes the numbers that its card reports.

Data: Berlin Database of Emotional Speech (Burkhardt et al. 2005, CC0 1.0): ten German sentences acted in seven
emotions. Six speakers train; two others are looked at only at the end. Everything is chosen, and calibrated, by
leaving out one training speaker at a time. The recordings are not shipped.

Each recording is used six times: as it is, three times spoiled in its own way and twice in the way of all recordings of
its speaker (`voice_head_sounds.py`); of each, windows of at most 4 s and random cuts of 1 to 4 s. Statistics of a
window (`emotrace/heads/voice_statistics.py`) are read as they are, with the speaker's mean moved by some of his other
recordings, and by recordings of the same emotion only, as a clip of one mood would do it.

Run: python recipes/voice_head.py --data ../shared/data/voice_emodb (exporting needs `pip install onnx`, a tool that
emotrace itself does not use). One thread; about five minutes of one core of an AMD EPYC server. Seed 20250907.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize
from voice_head_convolution import convolution_left_out
from voice_head_models import LIMIT, export, logistic, perceptron, perceptrons, strangeness, support_vectors
from voice_head_scores import abstention, scores, surprise, with_intervals
from voice_head_sounds import Recording, measured, recordings, spoiled

from emotrace.files import sha256_of
from emotrace.heads.voice import EMOTIONS, LEAST_VOICED_FRAMES, LONGEST_SECONDS, VoiceHead, trust_in
from emotrace.heads.voice_features import FRAMES_PER_SECOND
from emotrace.heads.voice_statistics import statistics, voiced
from emotrace.span import Span

SEED = 20250907
ALONE, SESSIONS = (0, 1, 2), (5, 6)
"""Ways of spoiling: each clip in its own way, or all clips of a speaker alike."""
CLEAN = -1
MEMBERS = 6
ROOT = Path(__file__).parents[1]
CANDIDATES = {"logistic regression": logistic, "perceptrons": perceptrons, "support vectors": support_vectors}


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Statistics of windows, and of which recording each is."""

    rows: np.ndarray
    of: np.ndarray
    whole: np.ndarray
    """Whether the window is a part of at most 4 s; else it is a random cut."""

    @property
    def seconds(self) -> np.ndarray:
        """How long each window is: the last statistic is its logarithm."""
        return np.exp(self.rows[:, -1])


class Corpus:
    """The recordings and the columns of their table as arrays."""

    def __init__(self, folder: Path) -> None:
        self.clips: list[Recording] = recordings(folder)
        self.speaker, self.sentence, self.split = (
            np.array([getattr(clip, name) for clip in self.clips]) for name in ("speaker", "sentence", "split")
        )
        self.emotion = np.array([EMOTIONS.index(clip.emotion) for clip in self.clips])
        self.train = self.split == "train"

    def frames(self, version: int) -> list[np.ndarray]:
        """What the head hears of every clip, clean or spoiled; dev clips are spoiled in the first way only."""
        if version == CLEAN:
            return [measured(clip.samples) for clip in self.clips]
        none = np.zeros((0, 36), np.float32)
        return [
            measured(spoiled(clip.samples, np.random.default_rng(self._key(version, index))))
            if self.train[index] or version == ALONE[0]
            else none
            for index, clip in enumerate(self.clips)
        ]

    def _key(self, version: int, index: int) -> list[int]:
        return [7, version, index] if version in ALONE else [8, version, int(self.clips[index].speaker)]

    def windows(self, version: int) -> Windows:
        """The windows of all clips in one version that have enough voice."""
        rows, of, whole = [], [], []
        for index, frames in enumerate(self.frames(version)):
            rng = np.random.default_rng([SEED, version + 1, index])
            longest = round(LONGEST_SECONDS * FRAMES_PER_SECOND)
            parts = [(part, True) for part in np.array_split(frames, max(1, -(-len(frames) // longest)))]
            if len(frames) > FRAMES_PER_SECOND:
                size = int(rng.integers(FRAMES_PER_SECOND, min(len(frames), longest) + 1))
                start = int(rng.integers(0, len(frames) - size + 1))
                parts.append((frames[start : start + size], False))
            for part, is_whole in parts:
                if np.count_nonzero(voiced(part)) >= LEAST_VOICED_FRAMES:
                    rows.append(statistics(part))
                    of.append(index)
                    whole.append(is_whole)
        return Windows(rows=np.array(rows), of=np.array(of), whole=np.array(whole))


def shifts(corpus: Corpus, windows: Windows, mode: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """For each window the mean of the reference of its speaker, and how far it is trusted.

    Modes: `none`; `some` other recordings by chance; `all`; those of the same `mood` only.
    """
    speakers = np.zeros_like(windows.rows)
    trust = np.zeros((len(windows.rows), 1), np.float32)
    if mode == "none":
        return speakers, trust
    who, mood = corpus.speaker[windows.of], corpus.emotion[windows.of]
    for index, clip in enumerate(windows.of):
        chosen = windows.whole & (who == who[index])
        if mode == "mood":
            chosen &= mood == mood[index]
        elif mode == "some":
            pool = np.unique(windows.of[chosen])
            count = int(np.exp(rng.uniform(np.log(3), np.log(len(pool)))))
            chosen &= np.isin(windows.of, [*rng.choice(pool, count, replace=False), clip])
        seconds = windows.seconds[chosen]
        speakers[index] = np.average(windows.rows[chosen], axis=0, weights=seconds)
        trust[index] = trust_in(float(seconds.sum()))
    return speakers, trust


@dataclass(frozen=True, kw_only=True)
class Table:
    """Windows of all versions and modes in one table, before scaling."""

    rows: np.ndarray
    speakers: np.ndarray
    trust: np.ndarray
    of: np.ndarray
    clean: np.ndarray
    """Unspoiled parts of at most 4 s."""
    mode: np.ndarray

    def scaled(self, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Rows as the network computes them: adapted, standardised, cut."""
        adapted = self.rows - self.trust * (self.speakers - mean)
        return np.clip((adapted - mean) / spread, -LIMIT, LIMIT).astype(np.float32)


def table(corpus: Corpus, versions: dict[int, Windows], rng: np.random.Generator) -> Table:
    """All windows of the training speakers."""
    parts = []
    for version, windows in versions.items():
        kept = corpus.train[windows.of]
        windows = Windows(rows=windows.rows[kept], of=windows.of[kept], whole=windows.whole[kept])
        for mode in ("none",) if version in ALONE else ("none", "some", "all", "mood"):
            clean = windows.whole & (version == CLEAN)
            names = np.full(len(windows.of), mode)
            parts.append((windows.rows, *shifts(corpus, windows, mode, rng), windows.of, clean, names))
    rows, speakers, trust, of, clean, mode = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Table(rows=rows, speakers=speakers, trust=trust, of=of, clean=clean, mode=mode)


def scaling(table: Table, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of clean windows."""
    rows = table.rows[chosen & table.clean & (table.mode == "none")]
    return rows.mean(axis=0), rows.std(axis=0) + 1e-6


def left_out(corpus: Corpus, table: Table, fit, labels: np.ndarray, *, sentences: bool = False) -> np.ndarray:
    """Log odds of every window by a model that knows neither its speaker nor, if asked, its sentence.

    They are divided by how strange the window is, as in the exported network.
    """
    odds = np.zeros((len(table.of), len(EMOTIONS)), np.float32)
    learned = table.mode != "all"
    who, said = corpus.speaker[table.of], corpus.sentence[table.of]
    for speaker in np.unique(who):
        for sentence in np.unique(said) if sentences else [""]:
            held = (who == speaker) & ((said == sentence) | (sentence == ""))
            known = (who != speaker) & (said != sentence)
            mean, spread = scaling(table, known)
            model = fit(table.scaled(mean, spread)[known & learned], labels[table.of][known & learned], SEED)
            rows = table.scaled(mean, spread)[held]
            odds[held] = model(rows) / strangeness(rows)
    return odds


def sharpened(odds: np.ndarray, trust: np.ndarray, sharpness: tuple[float, float]) -> np.ndarray:
    """Calibrated probabilities."""
    scaled = odds * (sharpness[0] + sharpness[1] * trust)
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def calibration(odds: np.ndarray, trust: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Sharpness of the log odds, and how it changes with trust, that make left-out speakers least surprising."""
    loss = lambda sharpness: surprise(sharpened(odds, trust, tuple(sharpness)), truth)  # noqa: E731
    found = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"maxiter": 80})
    return float(found.x[0]), float(found.x[1])


def by_clip(p: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean probabilities of the windows of each recording, and which recordings they are."""
    clips = np.unique(of)
    return np.stack([p[of == clip].mean(axis=0) for clip in clips]), clips


def on_speakers_left_out(corpus: Corpus, table: Table, odds: np.ndarray, mode: str) -> dict[str, float]:
    """Scores of clean recordings after calibration on the same left-out windows."""
    sharpness = calibration(odds, table.trust, corpus.emotion[table.of])
    chosen = table.clean & (table.mode == mode)
    p, clips = by_clip(sharpened(odds, table.trust, sharpness)[chosen], table.of[chosen])
    return scores(p, corpus.emotion[clips])


def controls(corpus: Corpus, table: Table) -> dict[str, object]:
    """What shuffled labels and the words alone give, and what an unseen sentence costs."""
    plain = np.flatnonzero(table.clean & (table.mode == "none"))
    small = Table(**{name: getattr(table, name)[plain] for name in Table.__dataclass_fields__})
    rng, shuffled = np.random.default_rng(SEED), []
    for _ in range(5):
        labels = corpus.emotion.copy()
        for speaker in np.unique(corpus.speaker):
            own = np.flatnonzero(corpus.speaker == speaker)
            labels[own] = rng.permutation(labels[own])
        odds = left_out(corpus, small, logistic, labels)
        p, clips = by_clip(sharpened(odds, small.trust, (1.0, 0.0)), small.of)
        shuffled.append(scores(p, labels[clips])["UAR"])
    codes = (corpus.sentence[small.of][:, None] == np.unique(corpus.sentence)).astype(np.float32)
    words = Table(
        **{**{n: getattr(small, n) for n in Table.__dataclass_fields__}, "rows": codes, "speakers": 0 * codes}
    )
    tests = {
        "voice, speaker unseen": left_out(corpus, small, logistic, corpus.emotion),
        "voice, speaker and sentence unseen": left_out(corpus, small, logistic, corpus.emotion, sentences=True),
        "sentence code alone, speaker unseen": left_out(corpus, words, logistic, corpus.emotion),
    }
    found: dict[str, object] = {}
    for name, odds in tests.items():
        p, clips = by_clip(sharpened(odds, small.trust, (1.0, 0.0)), small.of)
        found[name] = scores(p, corpus.emotion[clips])["UAR"]
    return {
        **found,
        "labels shuffled within speakers, mean and range of 5": [
            round(float(np.mean(shuffled)), 4),
            min(shuffled),
            max(shuffled),
        ],
    }


def on_dev(corpus: Corpus, head: VoiceHead, versions: dict[int, list[np.ndarray]]) -> dict[str, object]:
    """Scores of the shipped file on the dev speakers, read through the public class."""
    clips = np.flatnonzero(~corpus.train)
    truth, who, said = corpus.emotion[clips], corpus.speaker[clips], corpus.sentence[clips]

    def read(version: int, longest: float) -> np.ndarray:
        found = []
        for clip in clips:
            frames = versions[version][clip]
            ends = np.linspace(
                0, len(frames) / FRAMES_PER_SECOND, 1 + max(1, int(np.ceil(len(frames) / (50 * longest))))
            )
            spans = [Span(a, b) for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
            p = head.read(frames, spans).emotions
            found.append(p.mean(axis=0) if len(p) else np.full(len(EMOTIONS), 1 / len(EMOTIONS)))
        return np.array(found)

    clean, noisy, short = read(CLEAN, 4.0), read(ALONE[0], 4.0), []
    for clip in clips:
        frames = versions[CLEAN][clip]
        middle = len(frames) / 2 / FRAMES_PER_SECOND
        p = head.read(frames, [Span(max(middle - 0.75, 0.0), middle + 0.75)]).emotions
        short.append(p[0] if len(p) else np.full(len(EMOTIONS), 1 / len(EMOTIONS)))
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), int)
    np.add.at(confusion, (truth, clean.argmax(1)), 1)
    return {
        "recordings": len(clips),
        "whole recordings": with_intervals(clean, truth, who, said, SEED),
        "each speaker": {name: scores(clean[who == name], truth[who == name]) for name in np.unique(who)},
        "spoiled recordings": with_intervals(noisy, truth, who, said, SEED),
        "middle 1.5 s alone": with_intervals(np.array(short), truth, who, said, SEED),
        "abstention": abstention(clean, truth),
        "confusion (rows true)": {name: row.tolist() for name, row in zip(EMOTIONS, confusion, strict=True)},
    }


def main() -> None:
    """Trains, chooses, exports, reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "src" / "emotrace" / "assets" / "voice.onnx")
    parser.add_argument("--convolution", action="store_true", help="also try the network that sees frames (slow)")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results" / "head_voice.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus, rng = Corpus(options.data), np.random.default_rng(SEED)
    windows = {version: corpus.windows(version) for version in (CLEAN, *ALONE, *SESSIONS)}
    learned = table(corpus, windows, rng)
    print(f"{len(learned.of)} windows", flush=True)

    tried, odds = {}, {}
    for name, fit in CANDIDATES.items():
        odds[name] = left_out(corpus, learned, fit, corpus.emotion)
        tried[name] = {
            mode: on_speakers_left_out(corpus, learned, odds[name], mode) for mode in ("none", "all", "mood")
        }
        print(name, tried[name], flush=True)
    if options.convolution:
        clips = np.flatnonzero(corpus.train)
        heard = [corpus.frames(version) for version in (CLEAN, *ALONE, *SESSIONS)]
        frames = [[version[clip] for clip in clips] for version in heard]
        p = convolution_left_out(frames, corpus.emotion[clips], corpus.speaker[clips], SEED)
        tried["convolution"] = {"none": scores(p, corpus.emotion[clips])}
    sharpness = calibration(odds["perceptrons"], learned.trust, corpus.emotion[learned.of])
    mean, spread = scaling(learned, np.ones(len(learned.of), bool))
    taken = learned.mode != "all"
    rows, labels = learned.scaled(mean, spread)[taken], corpus.emotion[learned.of][taken]
    export(options.out, [perceptron(rows, labels, SEED + i) for i in range(MEMBERS)], mean, spread, sharpness)
    training_minutes = round(time.process_time() / 60, 1)

    dev = on_dev(corpus, VoiceHead(options.out), {v: corpus.frames(v) for v in (CLEAN, ALONE[0])})
    report = {
        "command": "python recipes/voice_head.py --data ../shared/data/voice_emodb",
        "seed": SEED,
        "machine": "2 shared cores of an AMD EPYC server",
        "training minutes (one core)": training_minutes,
        "sha256": sha256_of(options.out),
        "bytes": options.out.stat().st_size,
        "sharpness": [round(value, 4) for value in sharpness],
        "one training speaker left out": tried,
        "controls (logistic regression, one training speaker left out, UAR)": controls(corpus, learned),
        "dev": dev,
    }
    options.results.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
