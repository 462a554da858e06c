"""What does each loss do for rare classes? 27 emotions of real comments, 67 of the most frequent to 1 of the rarest.

    python benchmarks/longtail_goemotions.py --data DIR [--seeds 5-9] [--thin 1 4] [--quick] [--json FILE] [--out DIR]

DIR holds GoEmotions' `train.tsv` and `dev.tsv`; `test.tsv` is never opened. A seed draws a stratified 80/20 split,
initial weights and the order, which all arms share. An arm with two views is compared with cross-entropy on the same
two views. Scores are in points, with the mean F1 and recall of the 9 most, middle and least frequent classes.
Differences are paired by seed, with a 95 % t interval. `--thin 4` keeps one in four of the tail's training comments.
Settings were chosen on the splits of seeds 0-4, so others are fresh. --quick: few comments, one epoch; its numbers
mean nothing. No winner is assumed: a missed expectation is printed, and is no error.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from jaxtyping import Float32
from longtail_features import Texts, read_texts, split_of
from longtail_report import expectations, markdown, scores_of, with_differences
from longtail_training import ARMS, answers
from seeds import parse_seeds

from emotrace.datasets.goemotions import EMOTIONS
from emotrace.encoders.text import sentence_encoder
from emotrace.files import make_folder, write_atomically


def command(options: argparse.Namespace) -> str:
    """What to type for the same numbers elsewhere."""
    thin = " ".join(f"{each:g}" for each in options.thin)
    text = f"python benchmarks/longtail_goemotions.py --data DIR --seeds {options.seeds} --thin {thin}"
    text += f" --epochs {options.epochs} --components {options.components} --threads {options.threads}"
    return text if options.encoder is None else f"{text} --encoder {Path(options.encoder).name}"


def main() -> int:
    """Trains, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", default="5-9", help="such as 5-9 or 5,7")
    parser.add_argument("--thin", type=float, nargs="+", default=[1.0], help="1 leaves the corpus as it is")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--components", type=int, default=512, help="of TF-IDF")
    parser.add_argument("--encoder", help="a frozen text encoder instead of TF-IDF: `hashed`, or a transformers name")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="file for the record")
    parser.add_argument("--out", type=Path, help="folder for longtail_goemotions.json and longtail_goemotions.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seeds = parse_seeds(options.seeds)
    if options.quick:
        options.epochs, options.components, seeds = 1, 32, seeds[:2]
    texts = read_texts(options.data, 3000 if options.quick else None)
    vectors = None if options.encoder is None else sentence_encoder(options.encoder).encode(texts.texts)
    found = run(texts, vectors, seeds, options.thin, epochs=options.epochs, components=options.components)
    tables = {thin: with_differences(rows) for thin, rows in found.items()}
    record = {
        "command": command(options),
        "versions": {"torch": torch.__version__, "scikit-learn": sklearn.__version__},
        "threads": options.threads,
        "quick": options.quick,
        "seeds": seeds,
        "epochs": options.epochs,
        "features": f"TF-IDF, {options.components} components" if vectors is None else options.encoder,
        "comments": len(texts.texts),
        "counts": dict(zip(EMOTIONS, texts.counts.tolist(), strict=True)),
        "thirds": {name: [EMOTIONS[label] for label in labels] for name, labels in texts.thirds.items()},
        "tables": tables,
        "expectations": {thin: expectations(rows) for thin, rows in tables.items()},
    }
    text = markdown(record)
    print(text)
    files = [] if options.json is None else [(options.json, json.dumps(record, indent=1) + "\n")]
    if options.out is not None:
        files.append((options.out / "longtail_goemotions.json", json.dumps(record, indent=1) + "\n"))
        files.append((options.out / "longtail_goemotions.md", text))
    for path, content in files:
        make_folder(path.parent)
        write_atomically(path, content)
    return 0


def run(
    texts: Texts,
    vectors: Float32[np.ndarray, "text column"] | None,
    seeds: Sequence[int],
    thins: Sequence[float],
    *,
    epochs: int,
    components: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """For each thinning and arm the scores per seed, and CPU seconds per training."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    started, done, total = time.perf_counter(), 0, len(seeds) * len(thins) * len(ARMS)
    for seed in seeds:
        whole = split_of(texts, seed, components=components, vectors=vectors)
        print(f"seed {seed}: features after {(time.perf_counter() - started) / 60:.1f} min", file=sys.stderr)
        for thin in thins:
            split = whole if thin == 1.0 else whole.thinned(texts.thirds["tail"], thin, seed)
            rows = found.setdefault(f"{thin:g}", {})
            for arm in ARMS:
                clock = time.process_time()
                answered = answers(arm, split, seed=seed, epochs=epochs)
                row = rows.setdefault(arm.name, {"against": arm.against, "seconds": [], "seeds": []})
                row["seconds"].append(time.process_time() - clock)
                row["seeds"].append(scores_of(split.test_labels, answered, texts.thirds))
                done += 1
            spent = (time.perf_counter() - started) / 60.0
            print(f"seed {seed}, thin {thin:g}: {spent:.1f} min of about {spent / done * total:.0f}", file=sys.stderr)
    return found


if __name__ == "__main__":
    sys.exit(main())
