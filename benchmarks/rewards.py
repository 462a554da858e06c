"""What does it cost to reward one completion?

    python benchmarks/rewards.py [--completions 512] [--out docs/results]

Draws sheets from the simulated world, lets the embedded reasoner write a trajectory on each, and varies it eight times
as samples of one group differ: other marks, shortened or altered quotes, other hypotheses, other confidences, absent
ids, and one text in twenty cut off (seed 0). For K = 0 to 4 a batch is scored by a fresh `Scorer` with every cache
emptied, 15 times after a warm-up; the clock is that of the processor, so that other work on the
machine counts less. On a shared machine it still counts: so `grammar.parse` reads the same texts after every run, and
the share of its time is what can be compared between machines and days. Sheets arrive as values; reading them from JSON
is a line of its own. The encoder (`hashed`) has read all texts before the clock starts, as after the first epoch; what
comparing its vectors takes is in a column of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.evidence.observation import EvidenceSheet
from emotrace.files import write_atomically
from emotrace.hydra.grammar import parse, render
from emotrace.hydra.protocol import run
from emotrace.hydra.quotes import forget_trigrams
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.rewards import RewardConfig, Scorer, hydra_rewards
from emotrace.hydra.rewards.likeness import Likeness
from emotrace.hydra.rewards.lines import forget_words
from emotrace.hydra.trace import trace_of
from emotrace.hydra.world import World, sample

GROUP = 8
RUNS = 15
SEED = 0
TARGET_MICROSECONDS = 50.0
Batch = tuple[list[str], list[EvidenceSheet], list[list[str]]]


def draw(completions: int, k: int) -> Batch:
    """A batch of groups: texts, their sheets and gold."""
    rng = np.random.default_rng(SEED)
    reasoner, texts, sheets, golds = EmbeddedReasoner(), [], [], []
    for draw in sample(World(), sys.maxsize, seed=SEED):
        trace = trace_of(run(draw.sheet, reasoner, k=k, abstain=False), draw.sheet)
        if trace.abstain or len(trace.hypotheses) != k:
            continue
        text = render(trace)
        for _ in range(GROUP):
            texts.append(vary(text, rng))
            sheets.append(draw.sheet)
            golds.append(list(draw.cause.gold))
        if len(texts) >= completions:
            return texts[:completions], sheets[:completions], golds[:completions]
    raise RuntimeError("the world ended")


def vary(text: str, rng: np.random.Generator) -> str:
    """The text as another sample of the same group could have it."""
    if rng.random() < 0.05:
        return text[: int(rng.integers(len(text)))]
    return "\n".join(varied for line in text.split("\n") if (varied := vary_line(line, rng)))


def vary_line(line: str, rng: np.random.Generator) -> str:
    """One line, left as it is more often than not; empty where it is dropped."""
    chance = rng.random()
    if line.startswith("["):
        id, rest = line[1:].split("]", 1)
        quote, marks = rest[2:].rsplit('"', 1)
        words = quote.split()
        if chance < 0.15:
            marks = marks.replace("+", "-", 1) if rng.random() < 0.5 else marks.replace("~", "+", 1)
        elif chance < 0.25 and len(words) > 3:
            words = words[:-1] if rng.random() < 0.5 else [*words[:1], "really", *words[2:]]
        elif chance < 0.28:
            id = f"{id[0]}9"
        elif chance < 0.31:
            return ""
        return f'[{id}] "{" ".join(words)}"{marks}'
    if line.startswith("h") and chance < 0.4:
        return line.replace(": ", ": calm, ", 1) if rng.random() < 0.3 else line.replace(" going", " still going")
    if line.startswith("<ans>") and chance < 0.5:
        return re.sub(r"0\.\d\d", lambda _: f"0.{rng.integers(10, 100)}", line)
    return line


class TimedLikeness(Likeness):
    """Knows how long quotes were compared with observations by their vectors."""

    seconds = 0.0

    def levels(self, *args: Any) -> Any:
        """As any `Likeness`."""
        start = time.process_time()
        found = super().levels(*args)
        self.seconds += time.process_time() - start
        return found


def microseconds(batch: Batch, config: RewardConfig, *, as_json: bool = False) -> list[tuple[float, ...]]:
    """Processor time per completion of each run: without embeddings, with them, and of the parser right after it.

    A warm-up comes first, which fills the memory of vectors and nothing else.
    """
    texts, sheets, golds = batch
    column: list[Any] = [json.dumps(sheet.to_dict()) for sheet in sheets] if as_json else list(sheets)
    likeness, found = TimedLikeness(config.encoder), []
    for _ in range(RUNS + 1):
        scorer = Scorer(config, likeness=likeness)
        forget_words()
        forget_trigrams()
        likeness.seconds = 0.0
        start = time.process_time()
        scorer.score(texts, column, golds)
        taken = time.process_time() - start
        shares = (taken - likeness.seconds, taken, parser_seconds(texts, config.k))
        found.append(tuple(seconds / len(texts) * 1e6 for seconds in shares))
    return found[1:]


def parser_seconds(texts: list[str], k: int) -> float:
    """Processor time of the full parser, which also says what is wrong: a yardstick of the machine."""
    start = time.process_time()
    for text in texts:
        parse(text, k=k)
    return time.process_time() - start


def largest_gap(batch: Batch, config: RewardConfig) -> float:
    """Largest difference between R and the weighted sum of what the six functions return."""
    texts, sheets, golds = batch
    functions, weights = hydra_rewards(config)
    column = [json.dumps(sheet.to_dict()) for sheet in sheets]
    values = [function([""] * len(texts), texts, sheet=column, gold=golds) for function in functions]
    sums = np.array(
        [sum(w * (v or 0.0) for w, v in zip(weights, row, strict=True)) for row in zip(*values, strict=True)]
    )
    return float(np.abs(sums - Scorer(config).score(texts, sheets, golds).total).max())


def main() -> int:
    """Measures K = 0 to 4; exit code 1 where K = 2 misses the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--completions", type=int, default=512)
    parser.add_argument("--out", type=Path, help="folder for rewards_speed.json and rewards_speed.md")
    options = parser.parse_args()
    rows = []
    for name, k, as_json in [*((f"K = {k}", k, False) for k in range(5)), ("K = 2, sheets as JSON", 2, True)]:
        batch = draw(options.completions, k)
        config = RewardConfig(k=k)
        runs, whole, parser_runs = zip(*microseconds(batch, config, as_json=as_json), strict=True)
        legal = Scorer(config).score(*batch).raw[:, 0].mean()
        rows.append(
            {
                "what": name,
                "median_us": statistics.median(runs),
                "runs_us": runs,
                "with_embeddings_us": statistics.median(whole),
                "parser_us": statistics.median(parser_runs),
                "of_parser": statistics.median(own / full for own, full in zip(whole, parser_runs, strict=True)),
                "legal": float(legal),
                "distinct_texts": len(set(batch[0])),
                "gap": largest_gap(batch, config),
            }
        )
    record = {
        "command": f"python benchmarks/rewards.py --completions {options.completions}",
        "completions": options.completions,
        "seed": SEED,
        "runs": RUNS,
        "target_us": TARGET_MICROSECONDS,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "processor": f"{platform.machine()}, {os.cpu_count()} cores visible, load {os.getloadavg()[0]:.1f}",
        "rows": rows,
    }
    text = markdown(record)
    print(text)
    if options.out is not None:
        write_atomically(options.out / "rewards_speed.json", json.dumps(record, indent=1) + "\n")
        write_atomically(options.out / "rewards_speed.md", text)
    return int(rows[2]["median_us"] >= TARGET_MICROSECONDS or max(row["gap"] for row in rows) > 1e-12)


def markdown(record: dict[str, Any]) -> str:
    """The record as a table."""
    lines = [
        "# Rewards: speed",
        "",
        f"{record['completions']} completions in groups of {GROUP} from the simulated world (seed {record['seed']}), "
        f"every cache empty when a batch begins, one process; median of {record['runs']} runs, in processor time. "
        "With embeddings: quotes are compared with observations by the vectors of the sentence encoder, which were "
        f"there before. Target: below {record['target_us']:.0f} microseconds at K = 2 without embeddings.",
        "",
        f"Made by `{record['command']}`; python {record['python']}, numpy {record['numpy']}, {record['processor']}.",
        "",
        "| what | median µs per completion | min .. max µs | with embeddings µs | `grammar.parse` alone µs | "
        "all as a share of it | legal texts | distinct texts | largest gap between R and the six gated values |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        spread = f"{min(row['runs_us']):.1f} .. {max(row['runs_us']):.1f}"
        numbers = (
            f"{row['median_us']:.1f}",
            spread,
            f"{row['with_embeddings_us']:.1f}",
            f"{row['parser_us']:.1f}",
            f"{row['of_parser']:.2f}",
            f"{row['legal']:.2f}",
            str(row["distinct_texts"]),
        )
        lines.append(f"| {' | '.join((row['what'], *numbers, format(row['gap'], '.1e')))} |")
    met = "met" if record["rows"][2]["median_us"] < TARGET_MICROSECONDS else "NOT met in this run"
    lines += ["", f"The target is {met}; the load above tells how busy the machine was."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
