"""Counts how often the observers' cues meet each affect in labelled recordings: `hydra/tables/fitted.json`.

    verbal@1   GoEmotions, train: one comment is one unit; a comment with two labels counts for both
    vocal@1    EmoDB, train speakers: one sentence is one unit, heard within all sentences of its speaker

and what the trained heads read on average over the same units (the face head: over SynthDFER's train clips).

Train parts only. With `--check` the dev parts say what this is worth: of the units in which the observer reports
anything, in how many is the embedded reasoner's surest affect among the gold ones, by hand-made levels, by counts, and
with the head's reading, with intervals (bootstrap over units, paired) and a control (counts of shuffled labels).

Run: python recipes/fit_likelihoods.py --data ../shared/data [--check docs/results]    (about a minute of one core)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from emotrace.evidence import readings, verbal, vocal
from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.evidence.voice_signals import VoiceMeter
from emotrace.files import write_atomically
from emotrace.heads.face import FaceHead, expression_odds
from emotrace.heads.voice_features import VoiceFeatureMeter
from emotrace.hydra import scoring
from emotrace.hydra.fitted import NOTHING_FITTED, Counts, Fitted, load_fitted
from emotrace.hydra.likelihood import shipped_table
from emotrace.hydra.scoring import affect_of_label
from emotrace.labels.affects import AFFECT_NAMES
from emotrace.media.audio import AudioReader, Waveform
from emotrace.media.transcript import Utterance
from emotrace.span import Span

TABLE = Path(__file__).parent.parent / "src/emotrace/hydra/tables/fitted.json"
SEED, DRAWS, BETWEEN_SECONDS, RATE = 20250911, 2000, 0.6, 16_000


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One labelled stretch, as an observer reported it."""

    findings: tuple[Finding, ...]
    """What the observer reports."""
    reading: tuple[Finding, ...]
    """What the head makes of it; none where it has nothing to read."""
    gold: frozenset[str]
    """Affects."""


def goemotions(folder: Path, part: str) -> Iterator[Unit]:
    """Comments, with what the verbal observer finds in them."""
    names = (folder / "labels.txt").read_text(encoding="utf-8").split()
    whole = Span(0.0, 1.0)
    for line in (folder / f"{part}.tsv").read_text(encoding="utf-8").splitlines():
        text, numbers, _ = line.split("\t")
        labels = (affect_of_label(names[int(number)], "goemotions") for number in numbers.split(","))
        said = [Utterance(text=text, span=whole, words=())]
        yield Unit(
            findings=tuple(verbal.observe(said, whole)),
            reading=tuple(readings.of_words(said, whole)),
            gold=frozenset(filter(None, labels)),
        )


def emodb(folder: Path, part: str) -> Iterator[Unit]:
    """Sentences, with what the vocal observer hears in them among all sentences of their speaker."""
    lines = (folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    columns = lines[0].split(",")
    rows = [dict(zip(columns, line.split(","), strict=True)) for line in lines[1:]]
    by_speaker: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        if row["split"] == part:
            by_speaker[row["speaker"]].append(row)
    order = np.random.default_rng(SEED)
    for speaker in sorted(by_speaker):
        spoken = sorted(by_speaker[speaker], key=lambda row: row["file"])
        yield from _heard(folder, [spoken[place] for place in order.permutation(len(spoken))])


def _heard(folder: Path, rows: Sequence[dict[str, str]]) -> Iterator[Unit]:
    """The sentences of one speaker, as one recording with pauses."""
    meter, features, spans, now = VoiceMeter(), VoiceFeatureMeter(), [], 0.0
    for row in rows:
        path = next(p for p in (folder / row["file"], folder / "flac" / row["file"]) if p.is_file())
        samples = np.concatenate([block.samples for block in AudioReader(path)])
        padded = np.concatenate([samples, np.zeros(round(BETWEEN_SECONDS * RATE), np.float32)])
        block = Waveform(samples=padded, span=Span(now, now + len(padded) / RATE))
        meter.feed(block)
        features.feed(block)
        spans.append(Span(now, now + len(samples) / RATE))
        now += len(padded) / RATE
    series, frames = meter.finish(), features.finish()
    usual = vocal.baseline(series, spans)
    for row, span in zip(rows, spans, strict=True):
        affect = affect_of_label(row["emotion"], "emodb")
        yield Unit(
            findings=tuple(vocal.observe(series, span, baseline=usual)),
            reading=tuple(readings.of_voice(frames, span, speech=spans)),
            gold=frozenset(filter(None, [affect])),
        )


def faces(folder: Path) -> Iterator[Finding]:
    """What the face head makes of the rendered clips, each as if it were one face over two seconds."""
    stored = np.load(folder / "frames_train.npz")
    blob, offset = stored["blob"], stored["offset"]
    head = FaceHead()
    for start, end in pairwise(offset.tolist()):
        frames = np.asarray(cv2.imdecode(blob[start:end], cv2.IMREAD_GRAYSCALE), np.uint8).reshape(-1, 112, 112)
        odds = expression_odds(head.read(frames).units).mean(axis=0)
        yield readings.reading("visual", readings.FACE, odds, Span(0.0, 2.0), confidence=1.0)


def usual(found: Iterable[Finding]) -> dict[str, float]:
    """The mean distribution of readings."""
    rows = [finding.scores for finding in found if finding.scores is not None]
    return {label: round(float(np.mean([row[label] for row in rows])), 5) for label in rows[0]}


def count(observer: str, corpus: str, part: str, units: Iterable[Unit]) -> Counts:
    """Units per affect, and units per cue and affect."""
    table, total, met = shipped_table(), Counter[str](), defaultdict[str, Counter[str]](Counter)
    for unit in units:
        total.update(unit.gold)
        rows = {table.row_of(finding) for finding in unit.findings}
        for row in rows - {None}:
            met[table.cues[row].key].update(unit.gold)
    cues = {key: dict(sorted(met[key].items())) for key in sorted(met)}
    return Counts(observer=observer, corpus=corpus, part=part, units=dict(sorted(total.items())), cues=cues)


def record_of(counts: Counts) -> dict[str, Any]:
    """As the table has it."""
    return {name: getattr(counts, name) for name in ("observer", "corpus", "part", "units", "cues")}


def surest(findings: Sequence[Finding], fitted: Fitted, among: Sequence[str]) -> str:
    """The affect with the largest share of the posterior, by this table, among those that the set has."""
    span = Span(min(f.span.start_seconds for f in findings), max(f.span.end_seconds for f in findings))
    sheet = EvidenceSheet.of(findings, clip_id="0" * 64, person="P1", span=span, missing={}, reliability={})
    scores = scoring.score(sheet, fitted=fitted)
    return max(among, key=lambda affect: scores.posterior[AFFECT_NAMES.index(affect)])


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What the reasoner is given, and by which table."""

    fitted: Fitted
    readings: bool = False
    observations: bool = True

    def sees(self, unit: Unit) -> tuple[Finding, ...]:
        """The findings of a unit; the observer's too where its head has nothing to read."""
        reading = unit.reading if self.readings else ()
        return reading + (unit.findings if self.observations or not reading else ())


def check(units: Sequence[Unit], arms: dict[str, Arm]) -> dict[str, Any]:
    """Of the units with findings, how many have a surest affect that is a gold one: as a share, and as UAR."""
    told = [unit for unit in units if unit.findings and unit.gold]
    among = [affect for affect in AFFECT_NAMES if any(affect in unit.gold for unit in told)]
    gold = np.array([[affect in unit.gold for affect in among] for unit in told], dtype=float)
    draws = np.random.default_rng(SEED).integers(len(told), size=(DRAWS, len(told)))
    answers = {
        name: np.array([among.index(surest(arm.sees(unit), arm.fitted, among)) for unit in told])
        for name, arm in arms.items()
    }
    rows: dict[str, Any] = {}
    drawn: dict[str, np.ndarray] = {}
    everything = np.arange(len(told))
    for name, answer in answers.items():
        drawn[name] = np.array([_scores(gold[draw], answer[draw]) for draw in (everything, *draws)])
        low, high = np.percentile(drawn[name][1:], [2.5, 97.5], axis=0)
        gain = drawn[name] - drawn["by hand"]
        gain_low, gain_high = np.percentile(gain[1:], [2.5, 97.5], axis=0)
        rows[name] = {
            measure: {
                "value": drawn[name][0, column],
                "interval": [low[column], high[column]],
                "gain": gain[0, column],
                "gain_interval": [gain_low[column], gain_high[column]],
            }
            for column, measure in enumerate(("share", "uar"))
        }
    return {"units": len(units), "units_with_findings": len(told), "affects": among, "arms": rows}


def _scores(gold: np.ndarray, answer: np.ndarray) -> tuple[float, float]:
    """Share of units whose answer is gold, and the mean over gold affects of the share of their units so answered."""
    hit = gold[np.arange(len(answer)), answer]
    right = np.bincount(answer, weights=hit, minlength=gold.shape[1])
    there = gold.sum(axis=0) > 0
    return float(hit.mean()), float((right[there] / gold.sum(axis=0)[there]).mean())


def shuffled(units: Sequence[Unit]) -> list[Unit]:
    """The units with each other's labels."""
    order = np.random.default_rng(SEED).permutation(len(units))
    return [replace(unit, gold=units[place].gold) for unit, place in zip(units, order.tolist(), strict=True)]


def markdown(record: dict[str, Any]) -> str:
    """The check as a table."""
    lines = [
        "# Fitted cue likelihoods: what the counts are worth",
        "",
        f"`{record['command']}`; counts from train parts (`hydra/tables/fitted.json`), measured on dev parts. Of the "
        "units in which the observer reports anything: share whose surest affect among those of the set, by the "
        "embedded reasoner on that observer alone, is among the gold affects, with 95 % intervals (2,000 draws of "
        "units).",
        "",
        "| dev part | units (with findings) | levels | UAR | gain over by hand, paired | share of units | gain |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in record["sets"].items():
        for arm, row in found["arms"].items():
            cells = [name, f"{found['units']} ({found['units_with_findings']})", arm]
            for measure in (row["uar"], row["share"]):
                gain = "-" if arm == "by hand" else f"{measure['gain']:+.3f} {_range(measure['gain_interval'], '+')}"
                cells += [f"{measure['value']:.3f} {_range(measure['interval'], '')}", gain]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _range(interval: Sequence[float], sign: str) -> str:
    low, high = (format(edge, f"{sign}.3f") for edge in interval)
    return f"[{low}, {high}]"


def main() -> int:
    """Counts, writes the table, and checks it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="holds text_goemotions, voice_emodb, synth_dfer")
    parser.add_argument("--check", type=Path, help="folder for likelihoods.json and likelihoods.md")
    options = parser.parse_args()
    sources = {
        verbal.SOURCE: ("GoEmotions", "train; comments", goemotions, options.data / "text_goemotions"),
        vocal.SOURCE: ("EmoDB", "train speakers; sentences", emodb, options.data / "voice_emodb"),
    }
    learned = {observer: list(read(folder, "train")) for observer, (_, _, read, folder) in sources.items()}
    counts = {name: count(name, *sources[name][:2], units) for name, units in learned.items()}
    read = {
        source: usual(finding for unit in learned[observer] for finding in unit.reading)
        for source, observer in ((readings.WORDS, verbal.SOURCE), (readings.VOICE, vocal.SOURCE))
    }
    read[readings.FACE] = usual(faces(options.data / "synth_dfer"))
    record = {
        "observers": [record_of(each) for each in counts.values()],
        "readings": [{"source": source, "mean": mean} for source, mean in read.items()],
    }
    text = json.dumps(record, indent=1) + "\n"
    write_atomically(TABLE, text)
    print(f"wrote {TABLE.name}: {', '.join(f'{c.observer} {len(c.cues)} cues' for c in counts.values())}")
    if options.check is None:
        return 0
    mixed = {name: count(name, *sources[name][:2], shuffled(units)) for name, units in learned.items()}
    arms = {
        "by hand": Arm(fitted=NOTHING_FITTED),
        "by counts": Arm(fitted=load_fitted(text)),
        "by counts, with the head's reading": Arm(fitted=load_fitted(text), readings=True),
        "the head's reading alone": Arm(fitted=load_fitted(text), readings=True, observations=False),
        "control: counts of shuffled labels": Arm(fitted=Fitted(observers=mixed, readings={})),
    }
    record = {
        "command": "python recipes/fit_likelihoods.py --data ../shared/data --check docs/results",
        "seed": SEED,
        "sets": {
            f"{corpus} dev": check(list(read(folder, "dev")), arms) for corpus, _, read, folder in sources.values()
        },
    }
    print(markdown(record))
    write_atomically(options.check / "likelihoods.json", json.dumps(record, indent=1) + "\n")
    write_atomically(options.check / "likelihoods.md", markdown(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
