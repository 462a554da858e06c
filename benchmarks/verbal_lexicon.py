"""How far do the verbal observer's findings agree with what people say they read in a text?

    python benchmarks/verbal_lexicon.py --data DIR [--part dev] [--out verbal.json]

DIR holds `text_goemotions/{train,dev}.tsv` (text, label numbers, id; `labels.txt` beside them) and, where present,
`text_semeval2025t11/track_a_{train,dev}.csv` (text and five yes/no columns). Gold labels are placed on the emotrace
wheel; a finding whose inner-ring name no label of the set has (shame among SemEval's five) is counted apart.

Printed per set, over English texts: how many texts have a word finding (`w_names`), the share of those findings whose
inner-ring name is among the gold ones, and beside it what the best constant answer reaches on the same findings; the
same by confidence; what negated words meet; and for every phrase cue the share of its texts whose gold affects meet the
affects that the reasoner's table raises strongly (++), against the share among all texts (lift 1 = no information).
Nothing is fitted here; the phrase table was revised on the training parts alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from emotrace.evidence import verbal
from emotrace.evidence.mentions import mentions
from emotrace.labels.vocabulary import vocabulary
from emotrace.labels.wheel import affect_of, emotion_wheel
from emotrace.media.transcript import Utterance
from emotrace.span import Span

Example = tuple[str, frozenset[str]]
"""A text and its gold words."""

WHOLE = Span(0.0, 1.0)


def goemotions(folder: Path, part: str) -> Iterator[Example]:
    """Texts with their label names."""
    names = (folder / "labels.txt").read_text(encoding="utf-8").split()
    for line in (folder / f"{part}.tsv").read_text(encoding="utf-8").splitlines():
        text, numbers, _ = line.split("\t")
        yield text, frozenset(names[int(number)] for number in numbers.split(","))


def semeval(folder: Path, part: str) -> Iterator[Example]:
    """Texts with the columns that say 1, or neutral where none does."""
    with (folder / f"track_a_{part}.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            labels = {
                name.lower() for name, value in row.items() if value == "1" and name.lower() not in ("id", "text")
            }
            yield row["text"], frozenset(labels or {"neutral"})


def raised_affects() -> dict[str, frozenset[str]]:
    """Phrase cue -> the affects that the reasoner's table marks ++."""
    table = tomllib.loads((files("emotrace.hydra") / "tables" / "likelihood.toml").read_text(encoding="utf-8"))
    return {
        cue: frozenset(affect.removesuffix("++") for affect in row["affects"].split() if affect.endswith("++"))
        for cue, row in table["verbal"].items()
    }


def measure(examples: list[Example]) -> dict[str, Any]:
    """The table of one set, as plain values."""
    wheel, raised = emotion_wheel(), raised_affects()
    scheme = {wheel.cluster(word, 1) for _, gold in examples for word in gold}
    outside = 0
    inner_of_texts: list[frozenset[str]] = []
    answers: list[tuple[str, float, frozenset[str]]] = []
    negated: dict[str, Counter[str]] = defaultdict(Counter)
    cue_texts: dict[str, list[frozenset[str]]] = defaultdict(list)
    affects_of_texts: list[frozenset[str]] = []
    texts_with_words = texts_with_any = 0
    for text, gold in examples:
        inner = frozenset(cluster for word in gold if (cluster := wheel.cluster(word, 1)))
        affects = frozenset(affect for word in gold if (affect := affect_of(word)))
        affects_of_texts.append(affects)
        inner_of_texts.append(inner)
        findings = verbal.observe([Utterance(text=text, span=WHOLE, words=())], WHOLE)
        cues = {finding.cue for finding in findings if finding.cue}
        texts_with_words += any(cue.startswith("w_names:") for cue in cues)
        texts_with_any += bool(cues - {"w_routine"})
        for finding in findings:
            if finding.cue and finding.cue.startswith("w_names:"):
                named = wheel.cluster(finding.cue.removeprefix("w_names:"), 1)
                if named in scheme:
                    answers.append((str(named), finding.confidence, inner))
                else:
                    outside += 1
        for cue in cues:
            if not cue.startswith("w_names:"):
                cue_texts[cue].append(affects)
        for mention in mentions(text):
            if mention.negated and mention.mood in ("statement", "past"):
                kind = f"{'pleasant' if mention.base.valence > 0 else 'unpleasant'}, {mention.person}"
                signs = {place.valence for word in gold if (place := vocabulary().lookup(word))}
                negated[kind].update({"n": 1, **{f"gold {sign:+d}": 1 for sign in signs}})
    return {
        "texts": len(examples),
        "texts_with_word": texts_with_words,
        "texts_with_word_or_phrase": texts_with_any,
        "words_outside_the_scheme": outside,
        "words": _precision(answers),
        "by_confidence": {
            f"{level:.2f}": _precision([a for a in answers if a[1] == level])
            for level in sorted({a[1] for a in answers})
        },
        "by_inner": {
            name: _lift([gold for word, _, gold in answers if word == name], inner_of_texts, frozenset({name}))
            for name in wheel.inner_ring
        },
        "negated": {kind: dict(sorted(counts.items())) for kind, counts in sorted(negated.items())},
        "phrases": {cue: _lift(cue_texts[cue], affects_of_texts, raised[cue]) for cue in raised},
    }


def _precision(answers: list[tuple[str, float, frozenset[str]]]) -> dict[str, Any]:
    """Findings, the share that is among gold, and the best constant inner name's share on the same texts."""
    if not answers:
        return {"n": 0, "precision": None, "constant": None, "best_constant": None}
    votes = Counter(name for _, _, gold in answers for name in gold)
    best, hits = max(sorted(votes.items()), key=lambda item: item[1])
    return {
        "n": len(answers),
        "precision": round(sum(name in gold for name, _, gold in answers) / len(answers), 3),
        "constant": round(hits / len(answers), 3),
        "best_constant": best,
    }


def _lift(texts: list[frozenset[str]], everything: list[frozenset[str]], affects: frozenset[str]) -> dict[str, Any]:
    base = sum(bool(affects & gold) for gold in everything) / max(len(everything), 1)
    share = sum(bool(affects & gold) for gold in texts) / len(texts) if texts else None
    return {
        "n": len(texts),
        "share": None if share is None else round(share, 3),
        "base": round(base, 3),
        "lift": None if share is None or base == 0.0 else round(share / base, 2),
    }


def show(name: str, table: dict[str, Any]) -> None:
    """Prints one set's table."""
    n = table["texts"]
    with_word, with_any = table["texts_with_word"] / n, table["texts_with_word_or_phrase"] / n
    print(f"\n{name}: {n} texts; with an emotion word {with_word:.3f}, a word or a phrase {with_any:.3f}")
    print(f"  left out: {table['words_outside_the_scheme']} word findings that no label of the set could confirm")
    print(f"  {'words':<18}{'n':>7}{'precision':>11}{'constant':>10}")
    rows = [("all", table["words"])]
    rows += [(f"confidence {level}", row) for level, row in table["by_confidence"].items()]
    for label, row in rows:
        numbers = f"{_number(row['precision']):>11}{_number(row['constant']):>10}"
        print(f"  {label:<18}{row['n']:>7}{numbers}  {row['best_constant']}")
    for title, part in (("words naming", "by_inner"), ("phrases", "phrases")):
        print(f"  {title:<18}{'n':>7}{'share':>11}{'base':>10}{'lift':>8}")
        for label, row in table[part].items():
            numbers = f"{_number(row['share']):>11}{_number(row['base']):>10}{_number(row['lift']):>8}"
            print(f"  {label:<18}{row['n']:>7}{numbers}")
    for kind, counts in table["negated"].items():
        print(f"  negated {kind}: {counts}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main() -> None:
    """Reads, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("train", "dev"), default="dev")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--limit", type=int, help="first N texts of each set")
    options = parser.parse_args()
    readers = {"text_goemotions": goemotions, "text_semeval2025t11": semeval}
    tables = {}
    for name, reader in readers.items():
        if (options.data / name).is_dir():
            tables[name] = measure(list(reader(options.data / name, options.part))[: options.limit])
            show(f"{name} {options.part}", tables[name])
    if options.out is not None:
        record = {"part": options.part, "wheel": emotion_wheel().name, "observer": verbal.SOURCE, "sets": tables}
        options.out.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
